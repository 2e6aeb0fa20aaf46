/* SPDX-License-Identifier: MIT */
/*
 * A pull: manifest, (of an index) the platform's manifest, configuration, then all missing layers
 * at once (fetch.c), then the image. Nothing of it can be seen before all of it is there.
 */
#include "base/error.h"
#include "base/fd.h"
#include "registry/blob.h"
#include "registry/internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SHORT_ID 12
#define TAGS_MAX 10000
#define TAG_PAGES_MAX 1000

typedef struct {
	Registry *r;
	const RegistryCall *call;
	const Reference *ref; /* with tag or digest; neither: all tags */
	Platform platform;
	HttpCancel cancel;
	gboolean any_new; /* a name has changed */
} Pull;

/* A layer on its way, and what the client knows of it. */
typedef struct {
	char id[SHORT_ID + 1];
	const Descriptor *blob;
	const char *diff_id;
	Fetch *fetch;       /* NULL: it was there, */
	const char *pinned; /* and is pinned */
	FetchState told;
} PullLayer;

typedef struct {
	Pull *p;
	int wake;
	PullLayer *layers;
	guint n;
} Layers;

/* ---- progress ---- */

/* Lines for every phase between what was told and what is: quick layers skip none. */
static void tell_state(const RegistryCall *c, PullLayer *l, const FetchState *now)
{
	static const char *const lines[] = {
		[FETCH_PULLING] = NULL,
		[FETCH_WAITING] = NULL,
		[FETCH_DOWNLOADING] = NULL,
		[FETCH_VERIFYING] = "Verifying Checksum",
		[FETCH_DOWNLOADED] = "Download complete",
		[FETCH_EXTRACTING] = NULL,
		[FETCH_DONE] = "Pull complete",
		[FETCH_FAILED] = NULL,
	};
	if (now->retry_seconds && now->retry_seconds != l->told.retry_seconds) {
		g_autofree char *text = g_strdup_printf("Retrying in %u second%s",
			now->retry_seconds, now->retry_seconds == 1 ? "" : "s");
		tell_layer(c, l->id, text);
	} else if (now->phase == FETCH_WAITING && l->told.phase < FETCH_WAITING) {
		tell_layer(c, l->id, "Waiting");
	} else if (now->phase <= FETCH_VERIFYING && now->offset != l->told.offset) {
		tell_progress(c, l->id, "Downloading", now->offset, l->blob->size);
	}
	/* FETCH_FAILED, which is the last, has no lines: the error tells it. */
	int end = now->phase < FETCH_FAILED ? (int)now->phase + 1 : 0;
	for (int phase = (int)l->told.phase + 1; phase < end; phase++) {
		if (phase == FETCH_EXTRACTING)
			tell_progress(c, l->id, "Extracting", l->blob->size, l->blob->size);
		else if (lines[phase])
			tell_layer(c, l->id, lines[phase]);
	}
	l->told = *now;
}

/* Tells what is new. FALSE with error if a layer failed; *ret_done: all are there. */
static gboolean look(Layers *ls, gboolean *ret_done, GError **error)
{
	*ret_done = TRUE;
	for (guint i = 0; i < ls->n; i++) {
		PullLayer *l = &ls->layers[i];
		if (!l->fetch || l->told.phase == FETCH_DONE)
			continue;
		GError *e = NULL;
		FetchState now = fetch_state(l->fetch, &e);
		tell_state(ls->p->call, l, &now);
		if (now.phase == FETCH_FAILED) {
			g_propagate_error(error, e);
			return FALSE;
		}
		g_clear_error(&e);
		*ret_done &= now.phase == FETCH_DONE;
	}
	return TRUE;
}

static gboolean wait_layers(Layers *ls, GError **error)
{
	for (;;) {
		gboolean done;
		if (!look(ls, &done, error))
			return FALSE;
		if (done)
			return TRUE;
		struct pollfd f[] = {
			{ls->wake, POLLIN, 0},
			{ls->p->call->cancel_fd, POLLIN | POLLRDHUP, 0},
		};
		if (poll(f, G_N_ELEMENTS(f), -1) < 0 && errno != EINTR)
			return dh_error_errno(error, errno, "poll");
		if (f[1].revents)
			return dh_error(error, DH_ERROR_SYSTEM, HTTP_CANCELLED_TEXT);
		eventfd_t count;
		(void)!eventfd_read(ls->wake, &count);
	}
}

/* ---- layers ---- */

static void layers_clear(Layers *ls)
{
	for (guint i = 0; i < ls->n; i++)
		if (ls->layers[i].fetch)
			fetch_leave(ls->layers[i].fetch, ls->wake);
	for (guint i = 0; i < ls->n; i++) {
		if (ls->layers[i].fetch)
			fetch_drop(ls->layers[i].fetch);
		if (ls->layers[i].pinned)
			layer_unpin(ls->p->r->store, ls->layers[i].pinned);
	}
	g_free(ls->layers);
	dh_close(&ls->wake);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Layers, layers_clear)

/* What is there stays there, also when its image is removed meanwhile. FALSE: not all is. */
static gboolean pin_layers(Layers *ls, const Manifest *m, const ImageCore *core)
{
	gboolean all = TRUE;
	for (guint i = 0; i < m->layers->len; i++) {
		gboolean there = layer_pin(ls->p->r->store, core->chain_ids[i]);
		ls->layers[i].pinned = there ? core->chain_ids[i] : NULL;
		all &= there;
	}
	ls->n = m->layers->len;
	return all;
}

static void start_layers(Layers *ls, Session *s, const Manifest *m, const ImageCore *core)
{
	Registry *r = ls->p->r;
	for (guint i = 0; i < ls->n; i++) {
		PullLayer *l = &ls->layers[i];
		l->blob = m->layers->pdata[i];
		l->diff_id = core->diff_ids[i];
		g_strlcpy(l->id, digest_hex(l->blob->digest), sizeof l->id);
		const char *chain = core->chain_ids[i];
		if (l->pinned) {
			tell_layer(ls->p->call, l->id, "Already exists");
			continue;
		}
		tell_layer(ls->p->call, l->id, "Pulling fs layer");
		const FetchSpec spec = {l->blob, ls->p->ref->path, l->diff_id, chain,
			i ? core->chain_ids[i - 1] : NULL};
		l->fetch = fetch_join(r, s, &spec, ls->wake);
	}
}

static gboolean adopt(Pull *p, const Reference *ref, ImageCore *core, const char *text, size_t n,
	const char *digest, gboolean *ret_new, GError **error)
{
	Store *s = p->r->store;
	g_autoptr(Reference) by_digest = reference_with(ref, NULL, digest);
	g_autofree char *digest_name = index_name(by_digest);
	g_autofree char *tag_name = ref->digest ? NULL : index_name(ref);
	const char *asked = tag_name ? tag_name : digest_name;
	g_autoptr(Image) old = store_image_find(s, asked, NULL);
	*ret_new = !old || strcmp(old->id, core->id) != 0;

	g_autoptr(GPtrArray) staged = g_ptr_array_new();
	for (char **c = core->chain_ids; *c; c++)
		g_ptr_array_add(staged, NULL);
	char *const names[] = {digest_name, tag_name, NULL};
	const NewImage image = {core, text, n, staged, NULL, names};
	return store_adopt(s, &image, NULL, error);
}

static gboolean pull_image(Pull *p, Session *s, const Reference *ref, const Manifest *m,
	const char *digest, GError **error)
{
	g_autofree char *text = blob_text(s, ref->path, m->config, &p->cancel, error);
	size_t n = (size_t)m->config->size;
	g_autoptr(ImageCore) core = text ? image_parse(text, n, error) : NULL;
	if (!core || !image_check_platform(core, error))
		return FALSE;
	if (g_strv_length(core->diff_ids) != m->layers->len)
		return dh_error(error, DH_ERROR_SYSTEM,
			"invalid manifest: %u layers, but the configuration has %u", m->layers->len,
			g_strv_length(core->diff_ids));

	g_auto(Layers) ls = {p, -1, NULL, 0};
	g_autoptr(Image) have = store_image_find(p->r->store, m->config->digest, NULL);
	ls.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ls.wake < 0)
		return dh_error_errno(error, errno, "eventfd");
	ls.layers = g_new0(PullLayer, m->layers->len + 1);
	gboolean pinned = pin_layers(&ls, m, core);
	if (!have || !pinned) {
		start_layers(&ls, s, m, core);
		if (!wait_layers(&ls, error))
			return FALSE;
	}
	gboolean is_new = FALSE;
	if (!adopt(p, ref, core, text, n, digest, &is_new, error))
		return FALSE;
	for (guint i = 0; i < m->layers->len; i++)
		known_remember(p->r, core->diff_ids[i], ref, m->layers->pdata[i]);
	tell(p->call, NULL, "Digest: %s", digest);
	p->any_new |= is_new;
	return TRUE;
}

/* ---- one tag ---- */

static gboolean pull_one(
	Pull *p, Session *s, const Reference *ref, SessionError *fault, GError **error)
{
	const char *what = ref->digest ? ref->digest : ref->tag;
	g_autofree char *digest = NULL;
	g_autoptr(Manifest) m =
		registry_manifest(s, ref, what, &p->cancel, &digest, NULL, fault, error);
	if (!m) {
		registry_explain(ref, fault, error);
		return FALSE;
	}
	tell(p->call, what, "Pulling from %s", ref->path);
	fault->fault = SESSION_FAILED;
	if (m->manifests) {
		const Descriptor *d = manifest_choose(m, &p->platform, error);
		Manifest *chosen = d ? registry_manifest(s, ref, d->digest, &p->cancel, NULL, NULL,
					       fault, error)
				     : NULL;
		manifest_free(m);
		m = chosen;
		if (m && m->manifests)
			return dh_error(
				error, DH_ERROR_SYSTEM, "invalid manifest: an index in an index");
	}
	fault->fault = SESSION_FAILED;
	return m && pull_image(p, s, ref, m, digest, error);
}

/* ---- all tags ---- */

static gboolean add_tags(const char *text, size_t n, GPtrArray *out, GError **error)
{
	g_autoptr(json_t) json = dh_json_loads(text, n, error);
	if (!json) {
		g_prefix_error(error, "invalid list of tags: ");
		return FALSE;
	}
	size_t i;
	const json_t *tag;
	json_array_foreach (json_object_get(json, "tags"), i, tag) {
		const char *t = json_string_value(tag);
		if (!t || !reference_valid_tag(t) || out->len >= TAGS_MAX)
			return dh_error(error, DH_ERROR_SYSTEM, "invalid list of tags");
		g_ptr_array_add(out, g_strdup(t));
	}
	return TRUE;
}

/* The next page of a Link header: </v2/...?last=x>; rel="next"; caller frees. */
static char *next_page(const Session *s, const char *link)
{
	const char *start = link ? strchr(link, '<') : NULL;
	const char *end = start ? strchr(start, '>') : NULL;
	if (!end || !strstr(end, "next"))
		return NULL;
	char *url = g_strndup(start + 1, (gsize)(end - start - 1));
	if (*url == '/' || g_str_has_prefix(url, session_endpoint(s)->url))
		return url;
	g_free(url);
	return NULL;
}

static GPtrArray *list_tags(Pull *p, Session *s, SessionError *fault, GError **error)
{
	g_autoptr(GPtrArray) tags = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *url = g_strdup_printf("/v2/%s/tags/list", p->ref->path);
	for (guint page = 0; url && page < TAG_PAGES_MAX; page++) {
		const HttpRequest q = {.method = "GET", .url = url, .cancel = p->cancel};
		g_auto(SessionReply) reply = {0};
		size_t n = 0;
		g_autofree char *text =
			session_get(s, &q, SESSION_BODY_MAX, &n, &reply, fault, error);
		if (!text || !add_tags(text, n, tags, error))
			return NULL;
		char *next = next_page(s, http_header(reply.http, "link"));
		g_free(url);
		url = next;
	}
	return g_steal_pointer(&tags);
}

static gboolean pull_all(Pull *p, Session *s, SessionError *fault, GError **error)
{
	g_autoptr(GPtrArray) tags = list_tags(p, s, fault, error);
	if (!tags) {
		registry_explain(p->ref, fault, error);
		return FALSE;
	}
	fault->fault = SESSION_FAILED;
	for (guint i = 0; i < tags->len; i++) {
		g_autoptr(Reference) ref = reference_with(p->ref, tags->pdata[i], NULL);
		if (!pull_one(p, s, ref, fault, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean with_session(void *arg, Session *s, SessionError *fault, GError **error)
{
	Pull *p = arg;
	return p->ref->tag || p->ref->digest ? pull_one(p, s, p->ref, fault, error)
					     : pull_all(p, s, fault, error);
}

/* ---- what is asked for ---- */

static Reference *parse(const char *name, const char *tag, GError **error)
{
	g_autofree char *text = g_strdup(name);
	if (g_str_has_suffix(text, ":"))
		text[strlen(text) - 1] = '\0'; /* pull -a of old clients */
	g_autoptr(Reference) r = reference_parse(text, error);
	if (!r || !tag || !*tag)
		return g_steal_pointer(&r);
	if (strchr(tag, ':')) {
		g_autofree char *full = g_strconcat(r->domain, "/", r->path, "@", tag, NULL);
		return reference_parse(full, error);
	}
	if (!reference_valid_tag(tag)) {
		dh_error(error, DH_ERROR_INVALID, "invalid tag format");
		return NULL;
	}
	return reference_with(r, tag, NULL);
}

gboolean registry_pull(Registry *r, const char *name, const char *tag, const char *platform,
	const RegistryCall *call, GError **error)
{
	g_autoptr(Reference) ref = parse(name, tag, error);
	if (!ref)
		return FALSE;
	if (strcmp(ref->domain, "docker.io") == 0 && strcmp(ref->path, "library/scratch") == 0)
		return dh_error(error, DH_ERROR_INVALID, "'scratch' is a reserved name");
	g_auto(Platform) want = {0};
	if (!platform_parse(platform, &want, error))
		return FALSE;
	Pull p = {r, call, ref, want, {{call->cancel_fd, -1}}, FALSE};
	SessionError fault = {0};
	if (!registry_try_endpoints(r, ref, "pull", TRUE, call, with_session, &p, &fault, error))
		return FALSE;
	g_autofree char *asked =
		ref->tag || ref->digest ? reference_familiar(ref) : reference_familiar_name(ref);
	tell(call, NULL, "Status: %s for %s",
		p.any_new ? "Downloaded newer image" : "Image is up to date", asked);
	return TRUE;
}
