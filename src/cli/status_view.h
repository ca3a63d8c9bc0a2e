/* src/cli/status_view.h — the status object (GET /api/v1/status) as text. Pure: JSON in, text out, so that recorded
 * objects can be tested.
 *
 * Unknown members are passed over and missing ones left out: an older tarn may answer a newer command. */
#ifndef TARN_CLI_STATUS_VIEW_H
#define TARN_CLI_STATUS_VIEW_H

#include "base/json.h"
#include "base/wbuf.h"

/* before: an older sample, for rates; NULL: none. width: columns at which sentences are wrapped, 0: never. */
void status_view_put(struct wbuf *out, const json_t *now, const json_t *before, unsigned width);
/* What the catalog knows while no tarn runs: {"tables": as table_admin_list, "pipelines": as table_admin_positions}. */
void status_view_stored(struct wbuf *out, const json_t *stored);
/* Everything the sources had when last looked at is in published tables, and all tables run; else false and why not. */
bool status_is_caught_up(const json_t *now, char *why, size_t n);

#endif
