/* src/store/store_int.h — what the implementations of store_ops share; only src/store includes this. */
#ifndef TARN_STORE_STORE_INT_H
#define TARN_STORE_STORE_INT_H

#include "store/store.h"

int store_open_fs(const char *path, struct store **out, struct err *err) TARN_MUST_CHECK;

#endif
