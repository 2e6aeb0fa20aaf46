/* SPDX-License-Identifier: MIT */
/*
 * json.h - C structures bound to JSON by static tables.
 *
 * A table lists a structure's members: JSON name, type, offset, flags. The same table parses,
 * emits, copies and frees, so that a member is described once. Absent members keep their zero value
 * (TRISTATE: -1). Names match exactly, else without regard to case, as Go clients expect.
 *
 * Field types and the C member each stands for:
 *   BOOL gboolean · TRISTATE int (-1 absent) · INT int64_t · DOUBLE double · STRING char* ·
 *   STRV char** (NULL = null) · STRSLICE char** that also accepts a single string ·
 *   STRMAP GHashTable* (char* -> char*) · SET GHashTable* used as a set, {"k":{}} ·
 *   OBJECT pointer to a structure of .table, NULL = null · EMBED the structure itself, inline ·
 *   INLINE like EMBED, but its members lie in the enclosing JSON object ·
 *   LIST GPtrArray* of structure pointers · MAP GHashTable* (char* -> structure pointer) ·
 *   MAPLIST GHashTable* (char* -> GPtrArray* of structure pointers, value NULL = null) ·
 *   RAW json_t*
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
	DH_JSON_BOOL,
	DH_JSON_TRISTATE,
	DH_JSON_INT,
	DH_JSON_DOUBLE,
	DH_JSON_STRING,
	DH_JSON_STRV,
	DH_JSON_STRSLICE,
	DH_JSON_STRMAP,
	DH_JSON_SET,
	DH_JSON_OBJECT,
	DH_JSON_EMBED,
	DH_JSON_INLINE,
	DH_JSON_LIST,
	DH_JSON_MAP,
	DH_JSON_MAPLIST,
	DH_JSON_RAW,
} DhJsonType;

enum {
	DH_JSON_REQUIRED = 1 << 0,
	DH_JSON_OMITEMPTY = 1 << 1, /* emit nothing for zero, NULL, "" and empty containers */
	DH_JSON_NOTNULL = 1 << 2,   /* emit [] or {} where the member is NULL */
	DH_JSON_IN_ONLY = 1 << 3,   /* parsed, never emitted */
	DH_JSON_MINUS_ONE = 1 << 4, /* INT: absent (and OMITEMPTY's zero) is -1 */
};

typedef struct DhJsonTable DhJsonTable;

typedef struct {
	const char *name;
	DhJsonType type;
	size_t offset;
	unsigned flags;
	const DhJsonTable
		*table; /* of the structure in OBJECT, EMBED, INLINE, LIST, MAP, MAPLIST */
} DhJsonField;

struct DhJsonTable {
	const char *name; /* for error messages */
	size_t size;      /* of the structure */
	const DhJsonField *fields;
	size_t n_fields;
	gboolean strict; /* unknown members are an error */
};

#define DH_JSON_TABLE(sym, ctype, fields_, strict_)                                                \
	const DhJsonTable sym = {#ctype, sizeof(ctype), fields_, G_N_ELEMENTS(fields_), strict_}

/* A field: DH_F(STRING, Struct, member, "Name", flags [, &table]) */
#define DH_F(type_, ctype, member, name_, flags_, ...)                                             \
	{                                                                                          \
		name_, DH_JSON_##type_, offsetof(ctype, member), flags_, __VA_ARGS__               \
	}

/* Parses a JSON object into a new structure, or into *obj (zeroed by the caller, or holding values
 * that the JSON overrides). Errors are DH_ERROR_INVALID and name the member. dh_json_parse_into
 * leaves what it had filled in on failure: free with dh_json_clear. */
void *dh_json_parse(const DhJsonTable *t, json_t *json, GError **error);
gboolean dh_json_parse_into(const DhJsonTable *t, json_t *json, void *obj, GError **error);

/* The same from text (at most max nesting that jansson allows). */
void *dh_json_parse_text(const DhJsonTable *t, const char *text, size_t n, GError **error);

/* The objects of an array in a text, one after the other: for lists of thousands. */
typedef struct {
	const char *text, *at, *end;
	size_t done; /* of the text */
	size_t next; /* field that is expected */
	gboolean begun, ended;
	gboolean growing; /* this is not all of the text yet */
} DhJsonScan;
/* The whole text, or the beginning of one that grows. */
void dh_json_scan(DhJsonScan *s, const char *text, size_t n, gboolean whole);
/* The same text, of which there is more now; it may have moved. */
void dh_json_scan_more(DhJsonScan *s, const char *text, size_t n, gboolean whole);
/* Fills *obj, which is empty (free with dh_json_clear, also after a failure), by a table without
 * INLINE, REQUIRED and strictness; names match exactly. FALSE at the end, with error, or, while the
 * text grows, for want of more. */
gboolean dh_json_scan_next(DhJsonScan *s, const DhJsonTable *t, void *obj, GError **error);

/* A zeroed structure with TRISTATE and MINUS_ONE members at -1, also in structures inside it. */
void *dh_json_new(const DhJsonTable *t);

/* New reference. Members in table order, map keys sorted. */
json_t *dh_json_emit(const DhJsonTable *t, const void *obj);
/* Compact text of the same; caller frees with g_free. */
char *dh_json_emit_text(const DhJsonTable *t, const void *obj);
void dh_json_append_text(const DhJsonTable *t, const void *obj, GString *out);

void *dh_json_copy(const DhJsonTable *t, const void *obj);
/* One more owner, who frees it with dh_json_free, of what nobody changes any more and dh_json_new,
 * _parse or _copy made; NULL is accepted. */
void *dh_json_ref(void *obj);

/* Frees the members (clear) or the structure as well (free); NULL is accepted. */
void dh_json_clear(const DhJsonTable *t, void *obj);
void dh_json_free(const DhJsonTable *t, void *obj);

/* An empty list for structures made by dh_json_new or dh_json_parse, which it frees with itself. */
GPtrArray *dh_json_list_new(void);

/* json_dumps with compact separators, unescaped slashes; caller frees with g_free. */
char *dh_json_dumps(const json_t *json, size_t indent);

/* json_loadb with a text that says what and where; DH_ERROR_INVALID. New reference. */
json_t *dh_json_loads(const char *text, size_t n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)
