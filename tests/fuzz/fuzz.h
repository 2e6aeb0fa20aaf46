/* SPDX-License-Identifier: MIT */
/* fuzz.h - what every libFuzzer target begins with. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
