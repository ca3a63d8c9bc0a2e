/* src/engine/sql_guard.c — what keeps a query inside its worker. Four layers, each of which would do alone for most
 * attacks:
 *
 *   1. limits of the process: address space, open files, no core dumps, no new privileges;
 *   2. Landlock (kernel 5.13 on): the process can read the tables' files and write its private temp folder, nothing
 *      else on disk, no TCP;
 *   3. seccomp: no sockets, no exec, no ptrace, no mount;
 *   4. DuckDB's own: external access off but for the exact files, extensions and secrets off, settings locked; then a
 *      probe that it holds.
 *
 * 2 and 3 are skipped where the kernel lacks them; 1 and 4 must succeed. Statements that write files are refused
 * besides (sql_query.c). The user id stays: the lake's files are private to the server's user, another one could not
 * read them; Landlock gives what changing it would. There is no PR_SET_PDEATHSIG: it fires when the *thread* that
 * started the worker ends; the reader thread sees the session's end close instead. */
#include "engine/sql_worker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/env.h"
#include "base/wbuf.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define OPEN_FILES 1024

/* --- 1. limits --- */

static int limit(int what, rlim_t value, const char *name, struct err *err)
{
	struct rlimit now;

	if (getrlimit(what, &now) == 0 && now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
		value = now.rlim_max;
	if (setrlimit(what, &(struct rlimit){ value, value }))
		return err_set_errno(err, ERR_WORKER, errno, "the query worker could not limit its %s", name);
	return ERR_OK;
}

int sql_guard_limits(struct sql_worker *worker, struct err *err)
{
	/* DuckDB counts its buffers itself (memory_limit); the address space is the net below: mapped files, stacks,
	 * allocator arenas, the library. */
	rlim_t space = worker->limits.memory_bytes * 2 + ((rlim_t)4 << 30);
	int rc = ERR_OK;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = err_set_errno(err, ERR_WORKER, errno, "the query worker could not give up privileges");
	if (!rc)
		rc = limit(RLIMIT_CORE, 0, "core dumps", err);
	if (!rc)
		rc = limit(RLIMIT_NOFILE, OPEN_FILES, "open files", err);
	if (!rc && !SANITIZED) /* the sanitizer maps terabytes */
		rc = limit(RLIMIT_AS, space, "memory", err);
	signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of the query, not its death */
	if (!rc && worker->limits.temp_bytes)
		rc = limit(RLIMIT_FSIZE, worker->limits.temp_bytes, "file size", err);
	return rc;
}

/* --- 2. Landlock --- (numbers from linux/landlock.h, ABI 6; older build headers lack some) */

struct ll_ruleset {
	uint64_t fs, net, scoped;
};
struct ll_path {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
enum {
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_REMOVE_DIR = 1 << 4,
	LL_REMOVE_FILE = 1 << 5,
	LL_MAKE_DIR = 1 << 7,
	LL_MAKE_REG = 1 << 8,
	LL_TRUNCATE = 1 << 14,
	LL_FS_ABI1 = (1 << 13) - 1,
	LL_FS_ABI2 = (1 << 14) - 1,
	LL_FS_ABI3 = (1 << 15) - 1,
	LL_FS_ABI5 = (1 << 16) - 1,
	LL_NET = 3,
	LL_SCOPED = 3,
	LL_RULE_PATH = 1,
};
#define SYS_LANDLOCK_CREATE 444
#define SYS_LANDLOCK_ADD 445
#define SYS_LANDLOCK_RESTRICT 446

static int allow_path(int ruleset, const char *path, uint64_t rights, struct err *err)
{
	int fd = env_open(path, O_PATH, 0);

	if (fd < 0)
		return err_set_errno(err, ERR_IO, -fd, "%s", path);
	struct ll_path rule = { rights, fd };
	long rc = syscall(SYS_LANDLOCK_ADD, ruleset, LL_RULE_PATH, &rule, 0);
	int why = errno;
	env_close(fd);
	return rc ? err_set_errno(err, ERR_WORKER, why, "the query worker could not fence %s", path) : ERR_OK;
}

static int landlock(struct sql_worker *worker, struct err *err)
{
	long abi = syscall(SYS_LANDLOCK_CREATE, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);

	if (abi < 1)
		return ERR_OK; /* not in this kernel */
	uint64_t fs = abi >= 5 ? LL_FS_ABI5 : abi >= 3 ? LL_FS_ABI3 : abi == 2 ? LL_FS_ABI2 : LL_FS_ABI1;
	struct ll_ruleset rules = { fs, abi >= 4 ? LL_NET : 0, abi >= 6 ? LL_SCOPED : 0 };
	size_t size = abi >= 6 ? sizeof rules : abi >= 4 ? 16 : 8;
	int ruleset = (int)syscall(SYS_LANDLOCK_CREATE, &rules, size, 0);
	if (ruleset < 0)
		return err_set_errno(err, ERR_WORKER, errno, "the query worker could not fence itself in");
	uint64_t temp = fs & (LL_WRITE_FILE | LL_READ_FILE | LL_READ_DIR | LL_REMOVE_DIR | LL_REMOVE_FILE |
	                      LL_MAKE_DIR | LL_MAKE_REG | LL_TRUNCATE);
	int rc = allow_path(ruleset, worker->temp_dir, temp, err);
	for (size_t t = 0; t < worker->n_tables && !rc; t++) {
		for (size_t f = 0; f < worker->tables[t].n_files && !rc; f++)
			rc = allow_path(ruleset, worker->tables[t].files[f].path, LL_READ_FILE, err);
	}
	if (!rc && syscall(SYS_LANDLOCK_RESTRICT, ruleset, 0))
		rc = err_set_errno(err, ERR_WORKER, errno, "the query worker could not fence itself in");
	close(ruleset);
	return rc;
}

/* --- 3. seccomp --- */

#if defined(__x86_64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_AARCH64
#endif

#ifdef AUDIT_ARCH_HERE
#define REFUSE(name)                                                                                                   \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static int seccomp(struct err *err)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* the x32 numbers */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
#endif
		REFUSE(socket),
		REFUSE(socketpair),
		REFUSE(connect),
		REFUSE(bind),
		REFUSE(listen),
		REFUSE(accept4),
		REFUSE(execve),
		REFUSE(execveat),
		REFUSE(ptrace),
		REFUSE(process_vm_readv),
		REFUSE(process_vm_writev),
		REFUSE(pidfd_getfd),
		REFUSE(mount),
		REFUSE(umount2),
		REFUSE(pivot_root),
		REFUSE(chroot),
		REFUSE(unshare),
		REFUSE(setns),
		REFUSE(bpf),
		REFUSE(perf_event_open),
		REFUSE(keyctl),
		REFUSE(add_key),
		REFUSE(request_key),
		REFUSE(init_module),
		REFUSE(finit_module),
		REFUSE(kexec_load),
		REFUSE(io_uring_setup),
		REFUSE(symlinkat),
		REFUSE(linkat),
		REFUSE(mknodat),
		REFUSE(fchmodat),
		REFUSE(fchownat),
		REFUSE(setuid),
		REFUSE(setresuid),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) && errno != EINVAL && errno != ENOSYS)
		return err_set_errno(err, ERR_WORKER, errno, "the query worker could not give up system calls");
	return ERR_OK;
}
#else
static int seccomp(struct err *err)
{
	(void)err;
	return ERR_OK;
}
#endif

/* Other threads would stay outside of both. */
static int only_thread(struct err *err)
{
	char **names;
	size_t n = 0;
	int rc = env_list_dir("/proc/self/task", &names, &n);

	if (rc < 0)
		return ERR_OK; /* no /proc: nothing to look at */
	env_free_names(names, n);
	return n == 1 ? ERR_OK
	              : err_set(err, ERR_BUG, "the query worker has %zu threads before it fences itself in", n);
}

int sql_guard_sandbox(struct sql_worker *worker, struct err *err)
{
	int rc = SANITIZED ? ERR_OK : only_thread(err);

	if (!rc)
		rc = landlock(worker, err);
	return rc ? rc : seccomp(err);
}

/* --- 4. DuckDB --- */

static int set(struct sql_worker *worker, const char *sql, struct err *err)
{
	return duck_exec(worker->conn, sql, "the query worker could not lock itself down", err);
}

static int set_allowed_paths(struct sql_worker *worker, struct err *err)
{
	struct wbuf sql;

	wbuf_init(&sql, SQL_FRAME_MAX);
	wbuf_putz(&sql, "SET allowed_paths = [");
	wbuf_putz(&sql, "'");
	wbuf_putz(&sql, worker->temp_dir); /* made by the session: no quotes in it */
	wbuf_putz(&sql, "/" SQL_PARQUET_NAME "'");
	for (size_t t = 0; t < worker->n_tables; t++) {
		for (size_t f = 0; f < worker->tables[t].n_files; f++) {
			wbuf_putz(&sql, ", ");
			wbuf_put_sql_literal(&sql, str_of(worker->tables[t].files[f].path));
		}
	}
	wbuf_putz(&sql, "]");
	int rc = wbuf_check(&sql, err, "the list of files");
	if (!rc)
		rc = set(worker, wbuf_cstr(&sql), err);
	wbuf_free(&sql);
	return rc;
}

/* Extension and secret settings were given when the instance was opened (sql_worker.c). */
int sql_guard_settings(struct sql_worker *worker, struct err *err)
{
	static const char *const last[] = {
		"SET allowed_directories = []",
		"SET enable_external_access = false", /* cannot be turned on again */
		"SET lock_configuration = true",
	};
	int rc = set_allowed_paths(worker, err);

	for (size_t i = 0; i < sizeof last / sizeof *last && !rc; i++)
		rc = set(worker, last[i], err);
	return rc;
}

/* Each of these must fail with a refusal, not for another reason. INSTALL is not among them: DuckDB 1.5 tries the
 * network for it in spite of these settings (seccomp and the list of allowed statements stop it). */
int sql_guard_probe(struct sql_worker *worker, struct err *err)
{
	static const char *const attacks[] = {
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM read_blob('/proc/self/environ')",
		"COPY (SELECT 1) TO '/tmp/tarn-probe.csv'",
		"ATTACH '/tmp/tarn-probe.db'",
		"LOAD '/tmp/tarn-probe.duckdb_extension'",
		"SET enable_external_access = true",
		"SET memory_limit = '1TB'",
	};

	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		duckdb_result result;
		duckdb_state state = duck_api.query(worker->conn, attacks[i], &result);
		const char *text = duck_api.result_error(&result);
		bool refused =
			state != DuckDBSuccess && text &&
			(strstr(text, "disabled") || strstr(text, "Permission Error") || strstr(text, "locked") ||
		         strstr(text, "Cannot change") || strstr(text, "Invalid Input Error"));
		if (!refused)
			err_set(err, ERR_WORKER, "the query worker failed its own check and was stopped: \"%s\" %s%s",
			        attacks[i],
			        state == DuckDBSuccess ? "succeeded" : "failed for another reason: ", text ? text : "");
		duck_api.destroy_result(&result);
		if (!refused)
			return ERR_WORKER;
	}
	return ERR_OK;
}
