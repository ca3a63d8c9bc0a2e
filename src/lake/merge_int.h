/* src/lake/merge_int.h — between merge.c and merge_run.c. */
#ifndef TARN_LAKE_MERGE_INT_H
#define TARN_LAKE_MERGE_INT_H

#include "lake/merge.h"

void merge_run(void *merge); /* the worker's main function */

#endif
