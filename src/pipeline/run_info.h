/* src/pipeline/run_info.h — finding the tarn that runs on a state folder: <state>/run.json says its addresses. */
#ifndef TARN_PIPELINE_RUN_INFO_H
#define TARN_PIPELINE_RUN_INFO_H

#include "base/json.h"
#include "config/config.h"

/* Its HTTP address. ERR_CONNECT when none runs there (the text names the state folder and `tarn run`). */
int run_info_address(const struct config *config, char *out, size_t n, struct err *err) TARN_MUST_CHECK;
/* GET /api/v1/status; owned. */
int run_info_status(const struct config *config, json_t **out, struct err *err) TARN_MUST_CHECK;

#endif
