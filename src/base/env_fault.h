/* src/base/env_fault.h — an env table for tests: counts calls by kind and fails chosen ones. Never used by the
 * program itself.
 *
 * Install it while one thread runs; after that all threads may make calls. Counting starts at install. Failures are
 * set in calls from now on: env_fault_fail(ENV_PWRITE, 1, ENOSPC) fails the next write. The torture loop:
 *
 *   for (uint64_t n = 1; ; n++) {
 *           env_fault_install();
 *           env_fault_fail(ENV_ALLOC, n, ENOMEM);
 *           ... the work ...
 *           bool done = !env_fault_fired(ENV_ALLOC);
 *           env_fault_remove();
 *           ... check what must hold after a failure ...
 *           if (done)
 *                   break;
 *   }
 *
 * Unsynced content: env_fault_lose() puts back what every written file held at its last successful fdatasync (or when
 * it was first written), as a machine does that stops. Names (create, rename, unlink) are not undone. */
#ifndef TARN_BASE_ENV_FAULT_H
#define TARN_BASE_ENV_FAULT_H

#include "base/env.h"

enum env_call {
	ENV_OPEN,
	ENV_CLOSE,
	ENV_PREAD,
	ENV_PWRITE,
	ENV_READ,
	ENV_WRITE,
	ENV_SYNC,
	ENV_FTRUNCATE,
	ENV_RENAME,
	ENV_LINK,
	ENV_UNLINK,
	ENV_MKDIR,
	ENV_RMDIR,
	ENV_STAT,
	ENV_SYNCFS,
	ENV_RANDOM,
	ENV_ALLOC, /* alloc and realloc */
	ENV_CALLS
};

void env_fault_install(void);
void env_fault_remove(void);
void env_fault_fail(enum env_call call, uint64_t nth, int error); /* once; nth 0: never */
/* that one and all after it; nth 0: stop failing */
void env_fault_fail_from(enum env_call call, uint64_t nth, int error);
/* a failing pwrite or write puts this many bytes first */
void env_fault_tear(size_t bytes);
uint64_t env_fault_count(enum env_call call); /* calls since install */
bool env_fault_fired(enum env_call call);     /* a failure was delivered since install */

void env_fault_track(bool on); /* remember what to put back; off forgets */
void env_fault_lose(void);     /* put back; the files should be closed by then */

#endif
