/* SPDX-License-Identifier: MIT */
#include "cli/messages.h"

#include "base/error.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

static gboolean copy_plain(Response *r, GError **error)
{
	char buf[8192];
	for (;;) {
		ssize_t n = response_read(r, buf, sizeof buf, error);
		if (n <= 0)
			return n == 0;
		fwrite(buf, 1, (size_t)n, stdout);
	}
}

static gboolean print_message(const json_t *m, gboolean quiet, GError **error)
{
	const json_t *detail = json_object_get(m, "errorDetail");
	const char *failure = list_string(detail, "message");
	failure = *failure ? failure : list_string(m, "error");
	const char *stream = list_string(m, "stream");
	const char *status = list_string(m, "status");
	const char *id = list_string(m, "id");
	if (*failure)
		return dh_error(error, DH_ERROR_SYSTEM, "%s", failure);
	if (*stream)
		fputs(stream, stdout);
	/* figures of progress are for a display that redraws itself */
	else if (*status && !quiet && !json_object_size(json_object_get(m, "progressDetail")))
		printf("%s%s%s\n", id, *id ? ": " : "", status);
	fflush(stdout);
	return TRUE;
}

gboolean messages_print(Response *r, gboolean quiet, GError **error)
{
	const char *type = response_header(r, "Content-Type");
	if (type && !g_str_has_prefix(type, "application/json"))
		return copy_plain(r, error);
	for (;;) {
		g_autoptr(GError) local = NULL;
		g_autoptr(json_t) m = response_next_json(r, &local);
		if (local) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (!m)
			return TRUE;
		if (!print_message(m, quiet, error))
			return FALSE;
	}
}
