/* SPDX-License-Identifier: MIT */
/* check.h - what should be compared with what is, while the engine runs. */
#pragma once

#include "container/container.h"

/* Body of GET /dhow/check: Problems (each with Kind, Text, Repaired), Checked (how much was looked
 * at), LogsDropped, LastStart (what the reconciler did). repair: mends what can be mended without
 * touching anything that runs. What belongs to nothing counts when it has not been changed for
 * min_age seconds. New reference. */
enum { CHECK_MIN_AGE = 30 };
json_t *engine_check(Engine *e, gboolean repair, int64_t min_age);

/* A deed of the reconciler: logged, and kept for LastStart. */
void engine_report(Engine *e, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
