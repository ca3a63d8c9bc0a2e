/* src/cli/cmd_worker.c — `tarn worker`: the process of one SQL session. Started by engine/sql_session with its end of a socket pair as descriptor 3; not for people and not listed. */
#include <unistd.h>

#include "base/env.h"
#include "cli/command.h"
#include "engine/sql.h"

#define WORKER_FD 3

static int run(const struct command_args *args, struct err *err)
{
	struct pollfd parent = { .fd = WORKER_FD };

	if (args->n_words || env_poll(&parent, 1, 0) < 0 || (parent.revents & POLLNVAL))
		return err_set(err, ERR_USAGE, "'worker' is started by tarn itself; queries are made with 'tarn sql'");
	_exit(sql_worker_main(WORKER_FD)); /* nothing of this process' exit handlers concerns a worker */
}

const struct command cmd_worker = { .name = "worker", .words = "", .run = run };
