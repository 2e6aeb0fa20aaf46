/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "registry/blob.h"
#include "registry/internal.h"

#include <string.h>

typedef struct {
	const RegistryCall *call;
	const Reference *ref;
	json_t *result;
} Inspect;

static json_t *platform_json(const Platform *p)
{
	json_t *o = json_pack("{s:s, s:s}", "architecture", p->architecture, "os", p->os);
	if (*p->variant)
		json_object_set_new(o, "variant", json_string(p->variant));
	return o;
}

static json_t *list_platforms(const Manifest *m)
{
	json_t *out = json_array();
	for (guint i = 0; i < m->manifests->len; i++) {
		const Descriptor *d = m->manifests->pdata[i];
		json_array_append_new(out, platform_json(&d->platform));
	}
	return out;
}

static json_t *own_platform(
	const Inspect *i, Session *s, const Manifest *m, const HttpCancel *cancel, GError **error)
{
	g_autofree char *text = blob_text(s, i->ref->path, m->config, cancel, error);
	g_autoptr(ImageCore) core = text ? image_parse(text, (size_t)m->config->size, error) : NULL;
	if (!core)
		return NULL;
	const Platform p = {core->os, core->architecture, core->variant};
	return json_pack("[o]", platform_json(&p));
}

static gboolean with_session(void *arg, Session *s, SessionError *fault, GError **error)
{
	Inspect *i = arg;
	const HttpCancel cancel = {{i->call->cancel_fd, -1}};
	const char *what = i->ref->digest ? i->ref->digest : i->ref->tag ? i->ref->tag : "latest";
	g_autofree char *digest = NULL;
	size_t n = 0;
	g_autoptr(Manifest) m =
		registry_manifest(s, i->ref, what, &cancel, &digest, &n, fault, error);
	if (!m)
		return FALSE;
	fault->fault = SESSION_FAILED;
	json_t *platforms =
		m->manifests ? list_platforms(m) : own_platform(i, s, m, &cancel, error);
	if (!platforms)
		return FALSE;
	i->result = json_pack("{s:{s:s, s:s, s:I}, s:o}", "Descriptor", "mediaType", m->media_type,
		"digest", digest, "size", (json_int_t)n, "Platforms", platforms);
	return TRUE;
}

json_t *registry_inspect(Registry *r, const char *name, const RegistryCall *call, GError **error)
{
	g_autoptr(Reference) ref = reference_parse(name, error);
	if (!ref)
		return NULL;
	Inspect i = {call, ref, NULL};
	SessionError fault = {0};
	if (!registry_try_endpoints(r, ref, "pull", TRUE, call, with_session, &i, &fault, error))
		return NULL;
	return i.result;
}
