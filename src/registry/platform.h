/* SPDX-License-Identifier: MIT */
/* platform.h - os, architecture and variant, in the spellings of docker and of the kernel. */
#pragma once

#include "base/json.h"

typedef struct {
	char *os, *architecture, *variant; /* "" if not said */
} Platform;
void platform_clear(Platform *p);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Platform, platform_clear)
/* os[/architecture[/variant]] in docker's and the kernel's spellings; NULL or "": this machine's.
 */
gboolean platform_parse(const char *text, Platform *ret, GError **error);
/* Of a descriptor in an index; NULL says nothing. */
void platform_read(const json_t *json, Platform *ret);
/* What clients of the API send: {"os": ..., "architecture": ..., "variant": ...}. */
gboolean platform_decode(const char *text, Platform *ret, GError **error);
/* How well what is made for one serves the other: 0 not at all. */
int platform_match(const Platform *have, const Platform *want);
/* Whether what was made for os/architecture[/variant] is what is wanted. */
gboolean platform_serves(
	const char *os, const char *architecture, const char *variant, const Platform *want);
/* Caller frees. */
char *platform_text(const Platform *p);
