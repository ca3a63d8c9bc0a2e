/* src/cli/cmd_worker.c — `tarn worker`: the process of one SQL session. Started by engine/sql_session with its end of
 * a socket pair as descriptor 3; not for people and not listed. */
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"
#include "engine/sql.h"

#define WORKER_FD 3

static bool is_socket(void)
{
	char target[64] = "";

	return readlink("/proc/self/fd/3", target, sizeof target - 1) > 0 && str_starts(str_of(target), "socket:");
}

static int run(const struct command_args *args, struct err *err)
{
	if (args->n_words || !is_socket())
		return err_set(err, ERR_USAGE, "'worker' is started by tarn itself; queries are made with 'tarn sql'");
	_exit(sql_worker_main(WORKER_FD)); /* nothing of this process' exit handlers concerns a worker */
}

const struct command cmd_worker = { .name = "worker", .words = "", .run = run };
