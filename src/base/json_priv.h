/* SPDX-License-Identifier: MIT */
/* json_priv.h - what the files behind json.h share. */
#pragma once

#include "base/json.h"

static inline void *json_member(const DhJsonField *f, const void *obj)
{
	return (char *)obj + f->offset;
}
#define AS(ctype) (*(ctype *)json_member(f, obj))

/* A structure that frees itself: elements of lists and maps. */
void *json_box_new(const DhJsonTable *t);
void json_box_free(void *obj);
void json_list_free(void *list);

/* Sets a member, unless the value is null. */
gboolean json_parse_field(
	const DhJsonTable *t, const DhJsonField *f, json_t *v, void *obj, GError **error);

/* By its flags and its value. */
gboolean json_emits(const DhJsonField *f, const void *obj);
