/* src/cli/main.c — the entry of the program; everything else can be linked into tests. */
#include "base/json.h"
#include "cli/command.h"

int main(int argc, char **argv)
{
	json_init();
	return command_main(argc, argv);
}
