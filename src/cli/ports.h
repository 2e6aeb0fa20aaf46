/* SPDX-License-Identifier: MIT */
/* ports.h - a container's ports as ps shows them. */
#pragma once

#include "base/json.h"

/* "0.0.0.0:8080->80/tcp, 9000-9002/tcp": neighbours as ranges. ports: the API's list. Caller frees.
 */
char *ports_display(const json_t *ports);
