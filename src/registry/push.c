/* SPDX-License-Identifier: MIT */
/*
 * A push: all layers at once (at most max-concurrent-uploads), then the configuration, then the
 * manifest. A layer that the repository has is skipped, one that another repository of the same
 * registry has is mounted, and only the rest is compressed and sent. Workers change a layer's state
 * and wake the caller, who tells the client.
 */
#include "base/error.h"
#include "base/fd.h"
#include "registry/internal.h"
#include "registry/upload.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define SHORT_ID 12
#define WAKE_US 100000

typedef enum {
	PUSH_PREPARING,
	PUSH_WAITING,
	PUSH_PUSHING,
	PUSH_EXISTS, /* the ends: */
	PUSH_MOUNTED,
	PUSH_PUSHED,
	PUSH_FAILED,
} PushPhase;

typedef struct {
	PushPhase phase;
	int64_t done;
	guint retry_seconds;
} PushState;

typedef struct Push Push;

typedef struct {
	Push *push;
	char id[SHORT_ID + 1];
	Layer *layer;
	int same_as; /* an earlier layer with the same content, or -1 */
	PushState told;

	/* under push->lock: */
	PushState state;
	Descriptor *blob;
	char *from; /* the repository it was mounted from */
	GError *error;
} PushLayer;

struct Push {
	Registry *r;
	const RegistryCall *call;
	const Reference *ref;
	Session *session;
	HttpCancel cancel;
	int wake, stop;
	GMutex lock;
	GCond idle;
	guint running;
	gint64 last_wake;
	PushLayer *layers;
	guint n;
};

/* ---- workers ---- */

/* With p->lock held. */
static void wake(Push *p)
{
	p->last_wake = g_get_monotonic_time();
	(void)!eventfd_write(p->wake, 1);
}

static void set_phase(PushLayer *l, PushPhase phase)
{
	g_mutex_lock(&l->push->lock);
	l->state.phase = phase;
	wake(l->push);
	g_mutex_unlock(&l->push->lock);
}

static void on_sent(void *arg, int64_t done)
{
	PushLayer *l = arg;
	g_mutex_lock(&l->push->lock);
	l->state.done = done;
	if (g_get_monotonic_time() - l->push->last_wake >= WAKE_US)
		wake(l->push);
	g_mutex_unlock(&l->push->lock);
}

static void take_blob(PushLayer *l, const Descriptor *d)
{
	l->blob = g_new0(Descriptor, 1);
	l->blob->digest = g_strdup(d->digest);
	l->blob->media_type = g_strdup(MEDIA_DOCKER_LAYER);
	l->blob->size = d->size;
}

/* A schema 2 manifest speaks of gzip only. */
static gboolean is_gzip(const Descriptor *d)
{
	return g_str_has_suffix(d->media_type, "gzip");
}

/* Skips or mounts what the registry is known to have. *ret_url: the upload that a refused mount
 * has begun. TRUE without l->blob: it must be sent. */
static gboolean reuse(PushLayer *l, char **ret_url, SessionError *fault, GError **error)
{
	Push *p = l->push;
	const Reference *ref = p->ref;
	g_autoptr(GPtrArray) known = known_find(p->r, l->layer->diff_id, ref);
	g_autofree char *own = g_strconcat(ref->domain, "/", ref->path, NULL);
	for (guint i = 0; i < known->len && !l->blob; i++) {
		const KnownBlob *k = known->pdata[i];
		GError *e = NULL;
		if (!is_gzip(&k->blob))
			continue;
		if (strcmp(k->repo, own) == 0) {
			if (upload_exists(
				    p->session, ref->path, k->blob.digest, &p->cancel, fault, &e)) {
				take_blob(l, &k->blob);
				set_phase(l, PUSH_EXISTS);
			} else if (e) {
				g_propagate_error(error, e);
				return FALSE;
			} else if (fault->status == 404) {
				known_forget(p->r, l->layer->diff_id, k->blob.digest, ref);
			}
			continue;
		}
		const char *path = k->repo + strlen(ref->domain) + 1;
		gboolean mounted = FALSE;
		session_add_scope(p->session, path, "pull");
		g_free(*ret_url);
		*ret_url = upload_begin(p->session, ref->path, k->blob.digest, path, &p->cancel,
			&mounted, fault, error);
		if (!*ret_url)
			return FALSE;
		if (!mounted)
			break; /* that upload is as good as any: one refusal is enough */
		take_blob(l, &k->blob);
		g_mutex_lock(&p->lock);
		l->from = g_strdup(path);
		g_mutex_unlock(&p->lock);
		set_phase(l, PUSH_MOUNTED);
	}
	return TRUE;
}

static gboolean send_layer(PushLayer *l, char **url, SessionError *fault, GError **error)
{
	Push *p = l->push;
	gboolean mounted;
	Descriptor *blob = NULL;
	set_phase(l, PUSH_PUSHING);
	if (!*url)
		*url = upload_begin(
			p->session, p->ref->path, NULL, NULL, &p->cancel, &mounted, fault, error);
	if (!*url || !upload_layer(p->session, p->r->store, l->layer, *url, &p->cancel, on_sent, l,
			     &blob, fault, error))
		return FALSE;
	l->blob = blob;
	set_phase(l, PUSH_PUSHED);
	return TRUE;
}

/* The pause before another attempt; FALSE: what went wrong is final. Takes e over. */
static gboolean try_again(PushLayer *l, guint n, const SessionError *fault, GError *e)
{
	Push *p = l->push;
	guint attempts = registry_attempts(p->call->config);
	gboolean passing = fault->fault == SESSION_BROKEN ||
			   (fault->fault == SESSION_UNREACHABLE && n < attempts);
	if (!passing || n >= attempts) {
		l->error = e;
		return FALSE;
	}
	g_error_free(e);
	guint ms = session_backoff_ms(n, fault->retry_after);
	g_mutex_lock(&p->lock);
	l->state.retry_seconds = (ms + 999) / 1000;
	l->state.done = 0;
	wake(p);
	g_mutex_unlock(&p->lock);
	if (!http_pause(&p->cancel, ms, &l->error))
		return FALSE;
	g_mutex_lock(&p->lock);
	l->state.retry_seconds = 0;
	g_mutex_unlock(&p->lock);
	return TRUE;
}

void push_run(void *layer, void *registry)
{
	(void)registry;
	PushLayer *l = layer;
	Push *p = l->push;
	for (guint n = 1;; n++) {
		SessionError fault = {.retry_after = -1};
		GError *e = NULL;
		g_autofree char *url = NULL;
		gboolean ok = http_pause(&p->cancel, 0, &e) && reuse(l, &url, &fault, &e) &&
			      (l->blob || send_layer(l, &url, &fault, &e));
		if (ok) {
			known_remember(p->r, l->layer->diff_id, p->ref, l->blob);
			break;
		}
		if (!try_again(l, n, &fault, e))
			break;
	}
	g_mutex_lock(&p->lock);
	if (l->error)
		l->state.phase = PUSH_FAILED;
	p->running--;
	wake(p);
	g_cond_broadcast(&p->idle);
	g_mutex_unlock(&p->lock);
}

/* ---- telling ---- */

static void tell_state(const RegistryCall *c, PushLayer *l, const PushState *now, const char *from)
{
	if (now->retry_seconds && now->retry_seconds != l->told.retry_seconds) {
		g_autofree char *text = g_strdup_printf("Retrying in %u second%s",
			now->retry_seconds, now->retry_seconds == 1 ? "" : "s");
		tell_layer(c, l->id, text);
	}
	gboolean is_new = now->phase != l->told.phase;
	switch (now->phase) {
	case PUSH_PUSHING:
		if (is_new || now->done != l->told.done)
			tell_progress(c, l->id, "Pushing", now->done, l->layer->tar_size);
		break;
	case PUSH_EXISTS:
		if (is_new)
			tell_layer(c, l->id, "Layer already exists");
		break;
	case PUSH_MOUNTED:
		if (is_new) {
			g_autofree char *text = g_strconcat("Mounted from ", from, NULL);
			tell_layer(c, l->id, text);
		}
		break;
	case PUSH_PUSHED:
		if (is_new)
			tell_layer(c, l->id, "Pushed");
		break;
	case PUSH_WAITING:
		if (is_new)
			tell_layer(c, l->id, "Waiting");
		break;
	case PUSH_PREPARING:
	case PUSH_FAILED:
		break;
	}
	l->told = *now;
}

/* FALSE with error when a layer failed; *ret_done when all are there. */
static gboolean look(Push *p, gboolean *ret_done, GError **error)
{
	*ret_done = TRUE;
	for (guint i = p->n; i-- > 0;) {
		PushLayer *l = &p->layers[i];
		if (l->same_as >= 0 || l->told.phase >= PUSH_EXISTS)
			continue;
		g_mutex_lock(&p->lock);
		PushState now = l->state;
		g_autofree char *from = g_strdup(l->from);
		GError *e = now.phase == PUSH_FAILED ? g_error_copy(l->error) : NULL;
		g_mutex_unlock(&p->lock);
		tell_state(p->call, l, &now, from);
		if (e) {
			g_propagate_error(error, e);
			return FALSE;
		}
		*ret_done &= now.phase >= PUSH_EXISTS;
	}
	return TRUE;
}

static gboolean wait_layers(Push *p, GError **error)
{
	for (;;) {
		gboolean done;
		if (!look(p, &done, error))
			return FALSE;
		if (done)
			return TRUE;
		struct pollfd f[] = {
			{p->wake, POLLIN, 0},
			{p->call->cancel_fd, POLLIN | POLLRDHUP, 0},
		};
		if (poll(f, G_N_ELEMENTS(f), -1) < 0 && errno != EINTR)
			return dh_error_errno(error, errno, "poll");
		if (f[1].revents)
			return dh_error(error, DH_ERROR_SYSTEM, HTTP_CANCELLED_TEXT);
		eventfd_t count;
		(void)!eventfd_read(p->wake, &count);
	}
}

/* ---- one tag ---- */

static void push_clear(Push *p)
{
	(void)!eventfd_write(p->stop, 1);
	g_mutex_lock(&p->lock);
	while (p->running > 0)
		g_cond_wait(&p->idle, &p->lock);
	g_mutex_unlock(&p->lock);
	for (guint i = 0; i < p->n; i++) {
		PushLayer *l = &p->layers[i];
		layer_unpin(p->r->store, l->layer->chain_id);
		layer_free(l->layer);
		descriptor_free(l->blob);
		g_free(l->from);
		g_clear_error(&l->error);
	}
	g_free(p->layers);
	dh_close(&p->wake);
	dh_close(&p->stop);
	g_mutex_clear(&p->lock);
	g_cond_clear(&p->idle);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Push, push_clear)

static gboolean start_layers(Push *p, const Image *image, GError **error)
{
	guint n = g_strv_length(image->chain_ids);
	p->layers = g_new0(PushLayer, n + 1);
	for (guint i = 0; i < n; i++) {
		if (!layer_pin(p->r->store, image->chain_ids[i]))
			return not_found_image(image->id, error);
		PushLayer *l = &p->layers[p->n++];
		l->push = p;
		l->layer = layer_lookup(p->r->store, image->chain_ids[i]);
		l->same_as = -1;
		g_strlcpy(l->id, digest_hex(l->layer->diff_id), sizeof l->id);
		for (guint k = 0; k < i && l->same_as < 0; k++)
			if (strcmp(p->layers[k].layer->diff_id, l->layer->diff_id) == 0)
				l->same_as = (int)k;
	}
	for (guint i = p->n; i-- > 0;)
		tell_layer(p->call, p->layers[i].id, "Preparing");
	guint max = (guint)g_thread_pool_get_max_threads(p->r->uploads), started = 0;
	for (guint i = p->n; i-- > 0;) {
		PushLayer *l = &p->layers[i];
		if (l->same_as >= 0)
			continue;
		g_mutex_lock(&p->lock);
		if (started++ >= max)
			l->state.phase = PUSH_WAITING;
		p->running++;
		g_mutex_unlock(&p->lock);
		g_thread_pool_push(p->r->uploads, l, NULL);
	}
	return TRUE;
}

/* Read before anything is sent: an rmi may take it away at any time. */
static char *read_config(Push *p, const Image *image, size_t *ret_len, GError **error)
{
	g_autoptr(GError) failed = NULL;
	char *text = blob_get(p->r->store, image->id, ret_len, &failed);
	if (!text && !store_has_blob(p->r->store, digest_hex(image->id)))
		not_found_image(image->id, error);
	else if (!text)
		g_propagate_error(error, g_steal_pointer(&failed));
	return text;
}

/* The configuration's descriptor, once the registry has it. */
static gboolean push_config(Push *p, const Image *image, const char *text, size_t n,
	Descriptor *ret, SessionError *fault, GError **error)
{
	*ret = (Descriptor){image->id, (char *)MEDIA_DOCKER_CONFIG, (int64_t)n, {0}, FALSE};
	GError *e = NULL;
	if (upload_exists(p->session, p->ref->path, image->id, &p->cancel, fault, &e))
		return TRUE;
	if (e) {
		g_propagate_error(error, e);
		return FALSE;
	}
	return upload_text(p->session, p->ref->path, image->id, text, n, &p->cancel, fault, error);
}

static gboolean put_manifest(
	Push *p, const char *tag, const char *text, SessionError *fault, GError **error)
{
	g_autofree char *url = g_strdup_printf("/v2/%s/manifests/%s", p->ref->path, tag);
	char *const headers[] = {(char *)"Content-Type: " MEDIA_DOCKER_MANIFEST, NULL};
	const HttpRequest q = {.method = "PUT",
		.url = url,
		.headers = headers,
		.body = text,
		.body_len = strlen(text),
		.cancel = p->cancel};
	g_autofree char *body =
		session_get(p->session, &q, SESSION_BODY_MAX, NULL, NULL, fault, error);
	return body != NULL;
}

static gboolean finish(
	Push *p, const Image *image, const char *tag, const char *manifest, GError **error)
{
	g_autofree char *digest = digest_of(manifest, strlen(manifest));
	g_autoptr(Reference) by_digest = reference_with(p->ref, NULL, digest);
	g_autofree char *name = index_name(by_digest);
	if (!name_image(p->r->store, image->id, name, error))
		return FALSE;
	tell(p->call, NULL, "%s: digest: %s size: %zu", tag, digest, strlen(manifest));
	g_autoptr(json_t) aux = json_pack("{s:s, s:s, s:I}", "Tag", tag, "Digest", digest, "Size",
		(json_int_t)strlen(manifest));
	if (p->call->tell)
		p->call->tell(p->call->arg, &(RegistryMessage){.aux = aux});
	return TRUE;
}

static gboolean push_tag(Registry *r, const RegistryCall *call, const Reference *ref,
	const Image *image, Session *s, SessionError *fault, GError **error)
{
	g_auto(Push) p = {.r = r, .call = call, .ref = ref, .session = s};
	g_mutex_init(&p.lock);
	g_cond_init(&p.idle);
	p.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p.cancel = (HttpCancel){{call->cancel_fd, p.stop}};
	fault->fault = SESSION_FAILED;
	if (p.wake < 0 || p.stop < 0)
		return dh_error_errno(error, errno, "eventfd");
	Descriptor config = {0};
	size_t n = 0;
	g_autofree char *text = read_config(&p, image, &n, error);
	if (!text || !start_layers(&p, image, error) || !wait_layers(&p, error) ||
		!push_config(&p, image, text, n, &config, fault, error))
		return FALSE;
	g_autoptr(GPtrArray) layers = g_ptr_array_new();
	for (guint i = 0; i < p.n; i++) {
		int same = p.layers[i].same_as;
		g_ptr_array_add(layers, p.layers[same >= 0 ? same : (int)i].blob);
		if (same >= 0)
			tell_layer(call, p.layers[i].id, "Layer already exists");
	}
	g_autofree char *manifest = manifest_build(&config, layers);
	return put_manifest(&p, ref->tag, manifest, fault, error) &&
	       finish(&p, image, ref->tag, manifest, error);
}

/* ---- what is asked for ---- */

typedef struct {
	Registry *r;
	const RegistryCall *call;
	const Reference *ref;
	GPtrArray *refs;   /* Reference with tag */
	GPtrArray *images; /* Image */
} Wanted;

static gboolean with_session(void *arg, Session *s, SessionError *fault, GError **error)
{
	const Wanted *w = arg;
	for (guint i = 0; i < w->refs->len; i++)
		if (!push_tag(
			    w->r, w->call, w->refs->pdata[i], w->images->pdata[i], s, fault, error))
			return FALSE;
	return TRUE;
}

static void find_all_tags(Wanted *w)
{
	g_autofree char *prefix = g_strconcat(w->ref->domain, "/", w->ref->path, ":", NULL);
	g_autoptr(GPtrArray) names = store_names_with_prefix(w->r->store, prefix);
	for (guint i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		Image *image = store_image_find(w->r->store, name, NULL);
		if (!image)
			continue;
		g_ptr_array_add(w->images, image);
		g_ptr_array_add(w->refs, reference_with(w->ref, name + strlen(prefix), NULL));
	}
}

static gboolean find_tag(Wanted *w, GError **error)
{
	g_autofree char *name = reference_familiar(w->ref);
	g_autofree char *whole = index_name(w->ref);
	Image *image = store_image_find(w->r->store, whole, NULL);
	if (!image) {
		Wanted any = *w;
		find_all_tags(&any);
		g_autofree char *bare = reference_familiar_name(w->ref);
		if (any.refs->len == 0)
			return dh_error(error, DH_ERROR_NOT_FOUND,
				"An image does not exist locally with the tag: %s", bare);
		return dh_error(error, DH_ERROR_NOT_FOUND, "tag does not exist: %s", name);
	}
	g_ptr_array_add(w->images, image);
	g_ptr_array_add(w->refs, reference_with(w->ref, w->ref->tag, NULL));
	return TRUE;
}

gboolean registry_push(
	Registry *r, const char *name, const char *tag, const RegistryCall *call, GError **error)
{
	g_autoptr(Reference) ref = reference_parse(name, error);
	if (!ref)
		return FALSE;
	if (tag && *tag) {
		if (!reference_valid_tag(tag))
			return dh_error(error, DH_ERROR_INVALID, "invalid tag format");
		g_free(ref->tag);
		ref->tag = g_strdup(tag);
	}
	if (ref->digest)
		return dh_error(error, DH_ERROR_INVALID, "cannot push a digest reference");
	tell(call, NULL, "The push refers to repository [%s/%s]", ref->domain, ref->path);
	g_autoptr(GPtrArray) refs = g_ptr_array_new_with_free_func((GDestroyNotify)reference_free);
	g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)image_unref);
	Wanted w = {r, call, ref, refs, images};
	if (ref->tag) {
		if (!find_tag(&w, error))
			return FALSE;
	} else {
		find_all_tags(&w);
		if (refs->len == 0) {
			g_autofree char *bare = reference_familiar_name(ref);
			return dh_error(error, DH_ERROR_NOT_FOUND,
				"An image does not exist locally with the tag: %s", bare);
		}
	}
	SessionError fault = {0};
	GError *e = NULL;
	if (registry_try_endpoints(r, ref, "pull,push", FALSE, call, with_session, &w, &fault, &e))
		return TRUE;
	/* Which of many requests met it first says nothing. */
	if (g_str_has_suffix(e->message, ": no basic auth credentials")) {
		g_clear_error(&e);
		dh_error(&e, DH_ERROR_SYSTEM, "no basic auth credentials");
	}
	g_propagate_error(error, e);
	return FALSE;
}
