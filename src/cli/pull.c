/* SPDX-License-Identifier: MIT */
#include "cli/pull.h"

#include "base/error.h"
#include "cli/client.h"
#include "registry/reference.h"

#include <stdio.h>

static const char *text_of(json_t *message, const char *name)
{
	return json_string_value(json_object_get(message, name));
}

static void print_progress(json_t *message)
{
	const char *id = text_of(message, "id");
	const char *status = text_of(message, "status");
	/* Progress in figures is for a display that redraws itself. */
	if (!status || json_object_size(json_object_get(message, "progressDetail")) > 0)
		return;
	fprintf(stderr, "%s%s%s\n", id ? id : "", id ? ": " : "", status);
}

gboolean pull_image(
	Cli *cli, const char *image, const char *platform, gboolean quiet, GError **error)
{
	g_autoptr(Reference) ref = reference_parse(image, error);
	if (!ref)
		return FALSE;
	g_autofree char *name = g_strdup_printf("%s/%s", ref->domain, ref->path);
	const char *tag = ref->digest ? ref->digest : ref->tag ? ref->tag : "latest";
	g_auto(GStrv) query = cli_query("fromImage", name, "platform", platform, "tag", tag, NULL);
	Request req = {.method = "POST", .path = "/images/create", .query = query};
	g_autoptr(Response) r = cli_request(cli, &req, error);
	if (!r)
		return FALSE;
	for (;;) {
		g_autoptr(GError) local = NULL;
		g_autoptr(json_t) message = response_next_json(r, &local);
		if (local) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (!message)
			return TRUE;
		const char *failure = text_of(message, "error");
		if (failure)
			return dh_error(error, DH_ERROR_SYSTEM, "%s", failure);
		if (!quiet)
			print_progress(message);
	}
}
