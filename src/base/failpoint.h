/* src/base/failpoint.h — named places between two durable effects, where tests inject failure or death.
 *
 * FAILPOINT("journal.append.after_write") is nothing in release builds (-Dfailpoints=false). In test builds the
 * environment variable TARN_FAILPOINTS arms them: "name=action[@hit][;name=action...]", action one of
 *   kill (SIGKILL to ourselves)   error (FAILPOINT_ERR returns ERR_IO)   delay:MS   off
 * and @N fires at the N-th hit only. `tarn version --failpoints` lists all names of the binary: the kill matrix is
 * generated, not typed. */
#ifndef TARN_BASE_FAILPOINT_H
#define TARN_BASE_FAILPOINT_H

#include "base/err.h"

#ifdef TARN_FAILPOINTS
struct failpoint {
	const char *name;
	unsigned hits;
	unsigned char state;
};
int failpoint_hit(struct failpoint *point, struct err *err);
#define FAILPOINT_STRUCT(literal)                                                                                      \
	static struct failpoint failpoint_here_                                                                        \
		__attribute__((section("failpoints"), used, aligned(8))) = { literal, 0, 0 }
#define FAILPOINT(literal)                                                                                             \
	do {                                                                                                           \
		FAILPOINT_STRUCT(literal);                                                                             \
		(void)failpoint_hit(&failpoint_here_, NULL);                                                           \
	} while (0)
/* As FAILPOINT; with action "error" the enclosing int function returns ERR_IO through err. */
#define FAILPOINT_ERR(literal, err)                                                                                    \
	do {                                                                                                           \
		FAILPOINT_STRUCT(literal);                                                                             \
		int failpoint_rc_ = failpoint_hit(&failpoint_here_, (err));                                            \
		if (failpoint_rc_)                                                                                     \
			return failpoint_rc_;                                                                          \
	} while (0)
#else
#define FAILPOINT(literal)                                                                                             \
	do {                                                                                                           \
	} while (0)
#define FAILPOINT_ERR(literal, err)                                                                                    \
	do {                                                                                                           \
	} while (0)
#endif
/* Calls fn for each name; nothing in release builds. */
void failpoint_list(void (*fn)(const char *name, void *arg), void *arg);

#endif
