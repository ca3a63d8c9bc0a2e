/* tests/fuzz/replay_main.c — runs a fuzz target over files and folders given as arguments, for builds without libFuzzer. */
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/mem.h"

#define INPUT_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int run_file(const char *path)
{
	char *data = NULL;
	size_t n = 0;
	int rc = env_read_file(path, INPUT_MAX, &data, &n);

	if (rc) {
		fprintf(stderr, "%s: cannot be read (%d)\n", path, rc);
		return -1;
	}
	(void)LLVMFuzzerTestOneInput((const uint8_t *)data, n);
	mem_free(data);
	return 0;
}

static int run_folder(const char *path, int *count)
{
	char **names = NULL, file[4096];
	size_t n = 0;
	int rc = env_list_dir(path, &names, &n);

	if (rc) {
		fprintf(stderr, "%s: cannot be listed (%d)\n", path, rc);
		return -1;
	}
	for (size_t i = 0; i < n && !rc; i++, ++*count) {
		snprintf(file, sizeof file, "%s/%s", path, names[i]);
		rc = run_file(file);
	}
	env_free_names(names, n);
	return rc;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		struct env_stat st;

		if (env_stat(argv[i], &st)) {
			fprintf(stderr, "%s: not found\n", argv[i]);
			return EXIT_FAILURE;
		}
		if (st.is_dir ? run_folder(argv[i], &count) : (count++, run_file(argv[i])))
			return EXIT_FAILURE;
	}
	printf("%d inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE; /* a corpus that is gone is no success */
}
