/* SPDX-License-Identifier: MIT */
#include "cli/messages.h"

#include "base/error.h"
#include "cli/listing.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

static gboolean copy_plain(Response *r, FILE *out, unsigned flags, GError **error)
{
	char buf[8192];
	for (;;) {
		ssize_t n = response_read(r, buf, sizeof buf, error);
		if (n <= 0)
			return n == 0;
		if (!(flags & MESSAGES_SILENT))
			fwrite(buf, 1, (size_t)n, out);
	}
}

static void show_status(Progress *p, const json_t *m, const char *status)
{
	const json_t *detail = json_object_get(m, "progressDetail");
	const char *id = list_string(m, "id");
	if (!*id || !json_is_object(detail)) {
		progress_say(p, id, status);
		return;
	}
	ProgressFigures f = {.current = list_int(detail, "current"),
		.total = list_int(detail, "total"),
		.units = list_string(detail, "units"),
		.hide_counts = json_is_true(json_object_get(detail, "hidecounts"))};
	progress_part(p, id, status, &f);
}

static gboolean show_message(Progress *p, const json_t *m, unsigned flags, GError **error)
{
	const json_t *detail = json_object_get(m, "errorDetail");
	const char *failure = list_string(detail, "message");
	failure = *failure ? failure : list_string(m, "error");
	const char *stream = list_string(m, "stream");
	const char *status = list_string(m, "status");
	if (*failure) {
		g_autofree char *clean = text_printable(failure, "\n\t");
		return dh_error(error, DH_ERROR_SYSTEM, "%s", clean);
	}
	if (flags & MESSAGES_SILENT)
		return TRUE;
	if (*stream)
		progress_text(p, stream);
	else if (*status && !(flags & MESSAGES_STREAM_ONLY))
		show_status(p, m, status);
	return TRUE;
}

gboolean messages_show(Response *r, FILE *out, unsigned flags, GError **error)
{
	g_autoptr(Progress) p = progress_new(out);
	const char *type = response_header(r, "Content-Type");
	if (type && !g_str_has_prefix(type, "application/json"))
		return copy_plain(r, out, flags, error);
	for (;;) {
		g_autoptr(GError) local = NULL;
		g_autoptr(json_t) m = response_next_json(r, &local);
		if (local) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (!m)
			return TRUE;
		gboolean ok = show_message(p, m, flags, error);
		fflush(out);
		if (!ok)
			return FALSE;
	}
}
