/* SPDX-License-Identifier: MIT */
/* rows.h - the rows of one command's table that another shows as well. */
#pragma once

#include "base/json.h"

/* One row for each name of an element of GET /images/json. */
void images_add_rows(json_t *rows, const json_t *image);
/* Of an element of GET /containers/json. */
json_t *ps_row(json_t *c, gboolean trunc);
