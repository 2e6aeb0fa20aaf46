/* SPDX-License-Identifier: MIT */
/*
 * health_record.c - theory of operation: the record belongs to one run, which the time of its start
 * tells. Its date is of the monotonic clock: the run it is of cannot outlive a boot.
 */
#include "container/health.h"
#include "container/internal.h"

#include "base/fs.h"

#include <fcntl.h>
#include <string.h>

#define NAME "health.json"
enum { MAX_RECORD = 128 * 1024 };

typedef struct {
	int64_t started_at, status, failing, due;
	GPtrArray *results; /* HealthResult */
} Record;

static const DhJsonField result_fields[] = {
	DH_F(INT, HealthResult, start, "Start", 0),
	DH_F(INT, HealthResult, end, "End", 0),
	DH_F(INT, HealthResult, code, "ExitCode", 0),
	DH_F(STRING, HealthResult, output, "Output", 0),
};
static DH_JSON_TABLE(result_table, HealthResult, result_fields, FALSE);

static const DhJsonField record_fields[] = {
	DH_F(INT, Record, started_at, "StartedAt", DH_JSON_REQUIRED),
	DH_F(INT, Record, status, "Status", 0),
	DH_F(INT, Record, failing, "FailingStreak", 0),
	DH_F(INT, Record, due, "Due", 0),
	DH_F(LIST, Record, results, "Log", DH_JSON_NOTNULL, &result_table),
};
static DH_JSON_TABLE(record_table, Record, record_fields, FALSE);

char *health_record_text(const Container *c)
{
	g_autoptr(GPtrArray) results = g_ptr_array_new();
	for (GList *l = c->health->results.head; l; l = l->next)
		g_ptr_array_add(results, l->data);
	Record r = {
		.started_at = c->state.started_at,
		.status = c->health->status,
		.failing = c->health->failing,
		.due = c->probe_due,
		.results = results,
	};
	return dh_json_emit_text(&record_table, &r);
}

void health_record_write(const Container *c, const char *text)
{
	g_autofree char *path = g_build_filename(c->dir, NAME, NULL);
	(void)dh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, NULL);
}

gboolean health_record_read(Container *c)
{
	g_autofree char *path = g_build_filename(c->dir, NAME, NULL);
	size_t n;
	g_autofree char *text = dh_read_file(AT_FDCWD, path, MAX_RECORD, &n, NULL);
	Record *r = text ? dh_json_parse_text(&record_table, text, n, NULL) : NULL;
	gboolean ours = r && r->started_at == c->state.started_at && r->status >= 0 &&
			r->status <= HEALTH_UNHEALTHY;
	if (ours) {
		health_free(c->health);
		c->health = g_new0(struct Health, 1);
		c->health->status = (HealthStatus)r->status;
		c->health->failing = r->failing;
		c->probe_due = r->due;
		for (guint i = 0; i < r->results->len; i++) {
			const HealthResult *from = r->results->pdata[i];
			HealthResult *to = g_new0(HealthResult, 1);
			*to = *from;
			to->output = g_strdup(from->output ? from->output : "");
			g_queue_push_tail(&c->health->results, to);
		}
	}
	dh_json_free(&record_table, r);
	return ours;
}
