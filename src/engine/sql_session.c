/* src/engine/sql_session.c — the caller's side of a query worker: starts it, hands it tables, asks, waits, kills.
 *
 * The worker is this program executed again with the word "worker" and its end of a socket pair as descriptor 3, with
 * nothing else open and a short environment. All waiting is one poll over the socket and an event descriptor;
 * sql_cancel only writes to that descriptor, which is safe in a signal handler. A cancel, and a time limit passed, is
 * first said to the worker (again every 100 ms: a statement may just be starting) and after two seconds enforced with
 * SIGKILL. */
#include "engine/sql_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"

#define DEFAULT_MEMORY_BYTES ((uint64_t)1 << 30)
#define DEFAULT_TEMP_BYTES ((uint64_t)4 << 30)
#define GRACE_US 2000000
#define REPEAT_CANCEL_US 100000
#define SETUP_US 120000000 /* opening tables may read many footers */
#define COPY_BYTES (1 << 20)

struct sql_session {
	struct sql_limits limits;
	pid_t pid; /* 0: reaped */
	int fd;    /* -1: closed */
	int cancel_fd;
	int temp_fd; /* of temp_dir, locked while we live: see sweep */
	char temp_dir[256];
	struct sql_inbox inbox;
	bool locked;
	bool dead;
	struct err death; /* why */
};

/* --- life --- */

static char **worker_environment(const char *temp_dir)
{
	static const char *const keep[] = { "DUCKDB_ROOT",   "LD_LIBRARY_PATH", "ASAN_OPTIONS",
		                            "UBSAN_OPTIONS", "LSAN_OPTIONS",    "TARN_FAILPOINTS" };
	enum { N_KEEP = sizeof keep / sizeof *keep };
	char **env = mem_array(N_KEEP + 3, sizeof *env);
	struct wbuf w;
	size_t n = 0;

	if (!env)
		return NULL;
	wbuf_init(&w, 0);
	env[n++] = mem_strdup("TZ=UTC");
	wbuf_putf(&w, "HOME=%s", temp_dir);
	env[n++] = wbuf_take(&w);
	for (size_t i = 0; i < N_KEEP; i++) {
		const char *value = getenv(keep[i]);
		if (!value)
			continue;
		wbuf_putf(&w, "%s=%s", keep[i], value);
		env[n++] = wbuf_take(&w);
	}
	wbuf_free(&w);
	return env;
}

static int spawn(struct sql_session *session, int child_fd, struct err *err)
{
	char *const argv[] = { (char *)(uintptr_t) "tarn", (char *)(uintptr_t) "worker", NULL };
	char **env = worker_environment(session->temp_dir);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;

	if (!env)
		return err_nomem(err);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	int rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	/* DuckDB prints profiles there on demand: not into our log. Set it to see a crash's own words. */
	if (!rc && !getenv("TARN_WORKER_STDERR"))
		rc = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (!rc)
		/* same number: clears close-on-exec */
		rc = posix_spawn_file_actions_adddup2(&actions, child_fd, SQL_WORKER_FD);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(&actions, SQL_WORKER_FD + 1);
	if (!rc) /* a process group of its own: the terminal's Ctrl-C is for the session, which cancels */
		rc = posix_spawnattr_setflags(&attr,
		                              POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	if (!rc) {
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setsigdefault(&attr, &all);
		rc = posix_spawn(&session->pid, "/proc/self/exe", &actions, &attr, argv, env);
	}
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	for (char **e = env; *e; e++)
		mem_free(*e);
	mem_free(env);
	if (rc) {
		session->pid = 0;
		return err_set_errno(err, ERR_WORKER, rc, "the query worker could not be started");
	}
	return ERR_OK;
}

#define TEMP_PREFIX "tarn-sql-"
#define SWEEP_AGE_US 60000000

/* Folders of processes that were killed: nobody holds their lock. Young ones are left alone: their owner may be about
 * to lock. */
static void sweep(const char *base)
{
	char **names, path[512];
	struct env_stat st;
	size_t n;

	if (env_list_dir(base, &names, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(names[i], TEMP_PREFIX, sizeof TEMP_PREFIX - 1) != 0)
			continue;
		snprintf(path, sizeof path, "%.200s/%.250s", base, names[i]);
		if (env_stat(path, &st) < 0 || !st.is_dir || st.mtime_us > env_wall_us() - SWEEP_AGE_US)
			continue;
		int fd = env_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0); /* another user's fails here */
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)env_remove_tree(path);
		env_close(fd);
	}
	env_free_names(names, n);
}

static int make_temp_dir(struct sql_session *session, struct err *err)
{
	const char *base = getenv("TMPDIR");
	char uuid[37];

	if (!base || *base != '/' || strchr(base, '\'') || strlen(base) > sizeof session->temp_dir - 64)
		base = "/tmp";
	sweep(base);
	env_uuid_text(uuid);
	snprintf(session->temp_dir, sizeof session->temp_dir, "%s/" TEMP_PREFIX "%s", base, uuid);
	int rc = env_mkdir(session->temp_dir, 0700);
	if (rc < 0) {
		err_set_errno(err, ERR_IO, -rc, "the query worker's folder %s", session->temp_dir);
		session->temp_dir[0] = 0;
		return err->code;
	}
	session->temp_fd = env_open(session->temp_dir, O_RDONLY | O_DIRECTORY, 0);
	if (session->temp_fd < 0)
		return err_set_errno(err, ERR_IO, -session->temp_fd, "the query worker's folder %s", session->temp_dir);
	return flock(session->temp_fd, LOCK_EX | LOCK_NB)
	               ? err_set_errno(err, ERR_IO, errno, "locking %s", session->temp_dir)
	               : ERR_OK;
}

/* Waits for the process and says how it ended. */
static int reap(struct sql_session *session, bool kill_it, struct err *err)
{
	int status = 0;

	if (session->pid > 0) {
		if (kill_it)
			kill(session->pid, SIGKILL);
		while (waitpid(session->pid, &status, 0) < 0 && errno == EINTR)
			;
		session->pid = 0;
	}
	session->dead = true;
	if (WIFSIGNALED(status))
		err_set(&session->death, ERR_WORKER,
		        "the query's worker process was killed by signal %d%s; the next query gets a new one",
		        WTERMSIG(status),
		        WTERMSIG(status) == SIGKILL                                  ? " (out of memory?)"
		        : WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT ? " (it crashed)"
		                                                                     : "");
	else
		err_set(&session->death, ERR_WORKER, "the query's worker process ended with status %d",
		        WEXITSTATUS(status));
	if (err)
		*err = session->death;
	return ERR_WORKER;
}

void sql_close(struct sql_session *session)
{
	if (!session)
		return;
	if (session->pid > 0)
		reap(session, true, NULL);
	if (session->fd >= 0)
		env_close(session->fd);
	if (session->cancel_fd >= 0)
		env_close(session->cancel_fd);
	if (session->temp_dir[0])
		(void)env_remove_tree(session->temp_dir);
	if (session->temp_fd >= 0)
		env_close(session->temp_fd);
	sql_inbox_free(&session->inbox);
	mem_free(session);
}

/* --- asking --- */

struct wait {
	int64_t deadline; /* monotonic; 0: none */
	bool cancellable;
	bool timed_out, cancelled, stopped; /* stopped: by the sink */
	int64_t kill_at;
};

static void ask_to_stop(struct sql_session *session, struct wait *wait)
{
	struct err ignored;

	if (!wait->kill_at)
		wait->kill_at = env_mono_us() + GRACE_US;
	int rc = sql_frame_send(session->fd, SQL_CANCEL, str_view("", 0), &ignored);
	(void)rc; /* a dead worker is seen by the read */
}

static bool stopping(const struct wait *wait) { return wait->timed_out || wait->cancelled || wait->stopped; }

static int stop_error(const struct sql_session *session, const struct wait *wait, struct err *err)
{
	if (wait->timed_out)
		return err_set(err, ERR_TIMEOUT, "the query took longer than its limit of %.3g s and was stopped",
		               (double)session->limits.time_us / 1e6);
	return err_set(err, ERR_CANCELLED, "the query was cancelled");
}

static int poll_ms(const struct wait *wait, int64_t now)
{
	int64_t us = -1;

	if (stopping(wait))
		us = REPEAT_CANCEL_US;
	else if (wait->deadline)
		us = wait->deadline > now ? wait->deadline - now : 0;
	return us < 0 ? -1 : us > 3600000000 ? 3600000 : (int)((us + 999) / 1000);
}

/* Waits until bytes are there and reads them. */
static int wait_bytes(struct sql_session *session, struct wait *wait, struct err *err)
{
	for (;;) {
		struct pollfd fds[2] = { { session->fd, POLLIN, 0 }, { session->cancel_fd, POLLIN, 0 } };
		int64_t now = env_mono_us();
		if (wait->deadline && now >= wait->deadline && !stopping(wait))
			wait->timed_out = true;
		if (stopping(wait)) {
			if (wait->kill_at && now >= wait->kill_at) {
				reap(session, true, NULL);
				return stop_error(session, wait, err);
			}
			ask_to_stop(session, wait);
		}
		int n = env_poll(fds, wait->cancellable && !stopping(wait) ? 2 : 1, poll_ms(wait, now));
		if (n < 0 && n != -EINTR)
			return err_set_errno(err, ERR_WORKER, -n, "waiting for the query worker");
		if (n > 0 && fds[1].revents)
			wait->cancelled = true;
		if (n > 0 && fds[0].revents)
			break;
	}
	if (sql_inbox_fill(&session->inbox, session->fd, err) == ERR_OK)
		return ERR_OK;
	if (err->code == ERR_LOST)
		return reap(session, false, err);
	return err->code;
}

static int next_frame(struct sql_session *session, struct wait *wait, struct sql_frame *frame, struct err *err)
{
	for (;;) {
		int got = sql_inbox_next(&session->inbox, frame, err);
		if (got > 0)
			return ERR_OK;
		int rc = got < 0 ? err->code : wait_bytes(session, wait, err);
		if (rc)
			return rc;
	}
}

static int broken(struct err *err) { return err_set(err, ERR_PROTOCOL, "the query worker sent a malformed answer"); }

/* Sends; a worker that died in between is reported by how it died. */
static int request(struct sql_session *session, uint8_t type, struct str body, struct err *err)
{
	if (session->dead) {
		*err = session->death;
		return err->code;
	}
	int rc = sql_frame_send(session->fd, type, body, err);
	return rc == ERR_LOST ? reap(session, false, err) : rc;
}

static int on_error(struct str body, struct err *err)
{
	struct rbuf in = rbuf_of(body.p, body.n);
	uint32_t code = rbuf_u32_le(&in);
	struct str text = sql_get_str(&in);

	if (!rbuf_done(&in) || code == ERR_OK || code >= ERR_COUNT)
		return broken(err);
	return err_set(err, (int)code, "%.*s", STR_FMT(text));
}

/* The answer of a request without rows. */
static int confirm(struct sql_session *session, uint64_t *rows, struct wait *wait, struct err *err)
{
	struct sql_frame frame;

	int rc = next_frame(session, wait, &frame, err);
	if (rc)
		return rc;
	struct rbuf in = rbuf_of(frame.body.p, frame.body.n);
	if (frame.type == SQL_ERROR)
		return on_error(frame.body, err);
	if (frame.type != SQL_OK)
		return broken(err);
	uint64_t n = rbuf_u64_le(&in);
	if (rows)
		*rows = n;
	return ERR_OK;
}

static struct wait setup_wait(void) { return (struct wait){ .deadline = env_mono_us() + SETUP_US }; }

int sql_open(const struct sql_limits *limits, struct sql_session **out, struct err *err)
{
	int pair[2];
	struct sql_session *session = mem_zero(sizeof *session);

	if (!session)
		return err_nomem(err);
	session->limits = *limits;
	if (!session->limits.memory_bytes)
		session->limits.memory_bytes = DEFAULT_MEMORY_BYTES;
	if (session->limits.threads <= 0)
		session->limits.threads = 1;
	if (!session->limits.temp_bytes)
		session->limits.temp_bytes = DEFAULT_TEMP_BYTES;
	session->fd = session->temp_fd = -1;
	sql_inbox_init(&session->inbox);
	session->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = session->cancel_fd < 0 ? err_set_errno(err, ERR_IO, errno, "an event descriptor")
	                                : make_temp_dir(session, err);
	if (!rc && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		rc = err_set_errno(err, ERR_IO, errno, "a socket pair");
	if (!rc) {
		session->fd = pair[0];
		rc = spawn(session, pair[1], err);
		env_close(pair[1]);
	}
	if (!rc) {
		struct wbuf body;
		wbuf_init(&body, 0);
		wbuf_put_u64_le(&body, session->limits.memory_bytes);
		wbuf_put_u32_le(&body, (uint32_t)session->limits.threads);
		wbuf_put_u64_le(&body, session->limits.temp_bytes);
		wbuf_put_u64_le(&body, (uint64_t)session->limits.time_us);
		sql_put_str(&body, str_of(session->temp_dir));
		struct wait wait = setup_wait();
		rc = wbuf_check(&body, err, "a request");
		if (!rc)
			rc = request(session, SQL_OPEN, wbuf_str(&body), err);
		if (!rc)
			rc = confirm(session, NULL, &wait, err);
		wbuf_free(&body);
	}
	if (rc) {
		sql_close(session);
		return rc;
	}
	*out = session;
	return ERR_OK;
}

int sql_add_table(struct sql_session *session, const struct sql_table *table, struct err *err)
{
	struct wbuf body;
	struct wait wait = setup_wait();

	CHECK(!session->locked, "a table after the lock");
	wbuf_init(&body, SQL_FRAME_MAX);
	sql_put_str(&body, str_of(table->schema));
	sql_put_str(&body, str_of(table->name));
	wbuf_put_u32_le(&body, (uint32_t)table->n_columns);
	for (size_t i = 0; i < table->n_columns; i++) {
		const struct sql_column *column = &table->columns[i];
		sql_put_str(&body, str_of(column->name));
		wbuf_put(&body, &column->type, sizeof column->type);
		wbuf_put_u32_le(&body, (uint32_t)column->field_id);
		wbuf_put_u32_le(&body, (uint32_t)column->elem_id);
	}
	int rc = wbuf_check(&body, err, "a table's description");
	if (!rc)
		rc = request(session, SQL_TABLE, wbuf_str(&body), err);
	for (size_t i = 0; i < table->n_files && !rc; i++) {
		const struct sql_file *file = &table->files[i];
		wbuf_reset(&body);
		sql_put_str(&body, str_of(file->path));
		wbuf_put_u64_le(&body, file->rows);
		wbuf_put_u8(&body, file->dv != NULL);
		sql_put_str(&body, str_view(file->dv, file->dv ? file->dv_bytes : 0));
		rc = wbuf_check(&body, err, "a file's description");
		if (!rc)
			rc = request(session, SQL_FILE, wbuf_str(&body), err);
	}
	wbuf_free(&body);
	if (!rc)
		rc = request(session, SQL_TABLE_END, str_view("", 0), err);
	return rc ? rc : confirm(session, NULL, &wait, err);
}

int sql_lock(struct sql_session *session, struct err *err)
{
	struct wait wait = setup_wait();
	int rc = request(session, SQL_LOCK, str_view("", 0), err);

	if (!rc)
		rc = confirm(session, NULL, &wait, err);
	session->locked = rc == ERR_OK;
	return rc;
}

/* --- results --- */

struct receiver {
	const struct sql_sink *sink;
	struct str *cells;
	struct sql_result_column *columns;
	char *names; /* zero-ended names and type names of columns */
	size_t n_columns;
};

static void receiver_free(struct receiver *receiver)
{
	mem_free(receiver->cells);
	mem_free(receiver->columns);
	mem_free(receiver->names);
}

static char *keep_z(char **at, struct str s)
{
	char *z = *at;

	if (s.n)
		memcpy(z, s.p, s.n);
	z[s.n] = 0;
	*at += s.n + 1;
	return z;
}

static int on_columns(struct receiver *receiver, struct str body, struct err *err)
{
	struct rbuf in = rbuf_of(body.p, body.n);
	uint32_t n = rbuf_u32_le(&in);

	if (n > body.n) /* nine bytes each at least */
		return broken(err);
	receiver->n_columns = n;
	receiver->cells = mem_array(n ? n : 1, sizeof *receiver->cells);
	receiver->columns = mem_array(n ? n : 1, sizeof *receiver->columns);
	receiver->names = mem_alloc(body.n + 2 * (size_t)n + 1);
	if (!receiver->cells || !receiver->columns || !receiver->names)
		return err_nomem(err);
	char *at = receiver->names;
	for (uint32_t i = 0; i < n && rbuf_ok(&in); i++) {
		receiver->columns[i].name = keep_z(&at, sql_get_str(&in));
		receiver->columns[i].type_name = keep_z(&at, sql_get_str(&in));
		receiver->columns[i].kind = rbuf_u8(&in);
	}
	if (!rbuf_done(&in))
		return broken(err);
	return receiver->sink->columns ? receiver->sink->columns(receiver->sink->arg, receiver->columns, n, err)
	                               : ERR_OK;
}

static int on_rows(struct receiver *receiver, struct str body, struct err *err)
{
	struct rbuf in = rbuf_of(body.p, body.n);

	while (rbuf_left(&in) > 0 && rbuf_ok(&in)) {
		if (receiver->n_columns == 0)
			return broken(err);
		for (size_t i = 0; i < receiver->n_columns; i++) {
			uint32_t n = rbuf_u32_le(&in);
			receiver->cells[i] = n == SQL_NULL ? (struct str){ NULL, 0 } : rbuf_bytes(&in, n);
			if (n == 0)
				receiver->cells[i] = str_view("", 0);
		}
		if (!rbuf_ok(&in))
			return broken(err);
		int rc = receiver->sink->row
		                 ? receiver->sink->row(receiver->sink->arg, receiver->cells, receiver->n_columns, err)
		                 : ERR_OK;
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static void forget_cancels(struct sql_session *session)
{
	uint64_t count;

	/* non-blocking: a cancel without a query does nothing */
	(void)env_read(session->cancel_fd, &count, sizeof count);
}

static struct wait query_wait(const struct sql_session *session)
{
	return (struct wait){ .deadline = session->limits.time_us > 0 ? env_mono_us() + session->limits.time_us : 0,
		              .cancellable = true };
}

/* A stop that we asked for has its own words, whatever the worker said. */
static int judge(const struct sql_session *session, const struct wait *wait, int rc, struct err *err)
{
	return rc == ERR_CANCELLED && (wait->timed_out || wait->cancelled) ? stop_error(session, wait, err) : rc;
}

int sql_run(struct sql_session *session, const char *statement, const struct sql_sink *sink, struct err *err)
{
	struct receiver receiver = { .sink = sink };
	struct wait wait = query_wait(session);
	struct sql_frame frame;
	struct err sink_err = { 0 };
	int sink_rc = 0;

	CHECK(session->locked, "a query before the lock");
	forget_cancels(session);
	int rc = request(session, SQL_QUERY, str_of(statement), err);
	while (!rc) {
		rc = next_frame(session, &wait, &frame, err);
		if (rc)
			break;
		if (frame.type == SQL_OK)
			break;
		if (frame.type == SQL_ERROR) {
			rc = on_error(frame.body, err);
			break;
		}
		if (frame.type != SQL_COLUMNS && frame.type != SQL_ROWS) {
			rc = broken(err);
			break;
		}
		if (sink_rc) /* what is under way is thrown away */
			continue;
		sink_rc = frame.type == SQL_COLUMNS ? on_columns(&receiver, frame.body, &sink_err)
		                                    : on_rows(&receiver, frame.body, &sink_err);
		if (sink_rc) {
			wait.stopped = true;
			ask_to_stop(session, &wait);
		}
	}
	receiver_free(&receiver);
	if (sink_rc) {
		if (err)
			*err = sink_err;
		return sink_rc;
	}
	return judge(session, &wait, rc, err);
}

/* The worker writes into its own folder; the file is moved out, or copied when the target is on another file system. */
static int copy_file(const char *from, const char *to, struct err *err)
{
	int in = env_open(from, O_RDONLY, 0), out = -1, rc = ERR_OK;
	char *buf = mem_alloc(COPY_BYTES);

	if (in >= 0)
		out = env_open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (in < 0 || out < 0)
		rc = err_set_errno(err, ERR_IO, in < 0 ? -in : -out, "%s", in < 0 ? from : to);
	else if (!buf)
		rc = err_nomem(err);
	while (!rc) {
		ssize_t n = env_read(in, buf, COPY_BYTES);
		int wrote = n > 0 ? env_write(out, buf, (size_t)n) : 0;
		if (n < 0 || wrote < 0)
			rc = err_set_errno(err, ERR_IO, n < 0 ? (int)-n : -wrote, "%s", n < 0 ? from : to);
		if (n == 0)
			break;
	}
	if (in >= 0)
		env_close(in);
	if (out >= 0)
		env_close(out);
	mem_free(buf);
	return rc;
}

static int move_file(const char *from, const char *to, struct err *err)
{
	int moved = env_rename(from, to);

	if (moved == 0)
		return ERR_OK;
	if (moved != -EXDEV)
		return err_set_errno(err, ERR_IO, -moved, "%s", to);
	int rc = copy_file(from, to, err);
	(void)env_unlink(from);
	return rc;
}

int sql_run_to_parquet(struct sql_session *session, const char *statement, const char *path, struct err *err)
{
	struct wait wait = query_wait(session);
	char made[sizeof session->temp_dir + sizeof SQL_PARQUET_NAME + 1];

	CHECK(session->locked, "a query before the lock");
	snprintf(made, sizeof made, "%s/%s", session->temp_dir, SQL_PARQUET_NAME);
	forget_cancels(session);
	int rc = request(session, SQL_PARQUET, str_of(statement), err);
	if (!rc)
		rc = judge(session, &wait, confirm(session, NULL, &wait, err), err);
	if (!rc)
		return move_file(made, path, err);
	(void)env_unlink(made);
	return rc;
}

/* write(2) on an event descriptor: any thread, any signal handler. */
void sql_cancel(struct sql_session *session)
{
	uint64_t one = 1;
	ssize_t ignored = write(session->cancel_fd, &one, sizeof one);

	(void)ignored;
}

bool sql_is_alive(const struct sql_session *session) { return !session->dead; }
