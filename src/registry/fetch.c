/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A fetch brings one layer into the store: socket -> sha256 -> inflate (in a thread of the store's)
 * -> sha256 -> tar -> files, in one stream; nothing waits on disk in between. It belongs to the
 * pulls that have joined it. They are woken through descriptors and look at its state; a pull whose
 * client is slow or gone holds up nobody else. When the last one leaves before the end, the fetch
 * is cancelled and clears away what it had made; when the last one leaves after the end, the
 * layer's pin goes, and with it the layer unless an image took it meanwhile.
 *
 * Running fetches are in the registry's table by chain ID. A fetch leaves the table when it ends or
 * is cancelled, so that whoever comes then starts a new one.
 */
#include "base/error.h"
#include "base/fd.h"
#include "registry/blob.h"
#include "registry/internal.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAKE_US 100000

struct Fetch {
	gint refs; /* the pulls', and the running thread's */
	Registry *registry;
	Session *session;
	Descriptor blob;
	char *path, *diff_id, *chain_id, *parent;
	int cancel_fd;

	GMutex lock;
	GArray *watchers; /* int: eventfds; one of a pull */
	FetchState state;
	gint64 last_wake; /* monotonic, us */
	GError *error;
	gboolean pinned, running;
	GCond ended;
};

static void fetch_unref(Fetch *f)
{
	if (!g_atomic_int_dec_and_test(&f->refs))
		return;
	if (f->pinned)
		layer_unpin(f->registry->store, f->chain_id);
	session_unref(f->session);
	g_free(f->blob.digest);
	g_free(f->blob.media_type);
	g_free(f->path);
	g_free(f->diff_id);
	g_free(f->chain_id);
	g_free(f->parent);
	dh_close(&f->cancel_fd);
	g_mutex_clear(&f->lock);
	g_cond_clear(&f->ended);
	g_array_unref(f->watchers);
	g_clear_error(&f->error);
	g_free(f);
}

static void wake(int fd)
{
	(void)!eventfd_write(fd, 1);
}

/* With f->lock held. */
static void wake_all(Fetch *f)
{
	f->last_wake = g_get_monotonic_time();
	for (guint i = 0; i < f->watchers->len; i++)
		wake(g_array_index(f->watchers, int, i));
}

static void set_phase(Fetch *f, FetchPhase phase)
{
	g_mutex_lock(&f->lock);
	if (f->state.phase != phase) {
		f->state.phase = phase;
		wake_all(f);
	}
	g_mutex_unlock(&f->lock);
}

/* ---- running ---- */

/* Called in the inflating thread. */
static void on_blob(void *arg, int64_t offset, guint retry_seconds)
{
	Fetch *f = arg;
	g_mutex_lock(&f->lock);
	gboolean loud = f->state.retry_seconds != retry_seconds || offset == f->blob.size ||
			g_get_monotonic_time() - f->last_wake >= WAKE_US;
	f->state.offset = offset;
	f->state.retry_seconds = retry_seconds;
	if (offset == f->blob.size)
		f->state.phase = FETCH_VERIFYING;
	if (loud)
		wake_all(f);
	g_mutex_unlock(&f->lock);
}

/* A StoreRead over the blob that sees its verified end, long before all is unpacked. */
static ssize_t read_blob(void *arg, void *buf, size_t n)
{
	void **both = arg;
	ssize_t got = blob_read(both[0], buf, n);
	if (got == 0)
		set_phase(both[1], FETCH_EXTRACTING);
	return got;
}

static gboolean bring(Fetch *f, GError **error)
{
	Store *s = f->registry->store;
	if (layer_pin(s, f->chain_id))
		return TRUE;
	set_phase(f, FETCH_DOWNLOADING);
	const HttpCancel cancel = {{f->cancel_fd, -1}};
	g_autoptr(Blob) blob = blob_new(f->session, f->path, &f->blob, &cancel, on_blob, f);
	void *both[] = {blob, f};
	unsigned how = UNTAR_AHEAD | (f->parent ? 0 : UNTAR_LOWEST);
	GError *e = NULL;
	g_autoptr(StagedLayer) staged = layer_stage(s, read_blob, both, how, f->diff_id, &e);
	/* A fault of the source, or bytes that are not the blob's, explain any other fault. */
	if (!blob_finish(blob, error)) {
		g_clear_error(&e);
		return FALSE;
	}
	if (!staged) {
		g_propagate_error(error, e);
		return FALSE;
	}
	set_phase(f, FETCH_EXTRACTING);
	return layer_adopt(s, staged, f->chain_id, f->parent, error);
}

static void leave_table(Fetch *f)
{
	Registry *r = f->registry;
	g_mutex_lock(&r->lock);
	if (g_hash_table_lookup(r->fetches, f->chain_id) == f)
		g_hash_table_remove(r->fetches, f->chain_id);
	g_mutex_unlock(&r->lock);
}

void fetch_run(void *fetch, void *registry)
{
	(void)registry;
	Fetch *f = fetch;
	GError *e = NULL;
	const HttpCancel cancel = {{f->cancel_fd, -1}};
	g_mutex_lock(&f->lock);
	f->running = TRUE;
	g_mutex_unlock(&f->lock);
	gboolean ok = http_pause(&cancel, 0, &e) && bring(f, &e);
	leave_table(f);
	g_mutex_lock(&f->lock);
	f->pinned = ok;
	f->error = e;
	f->state.phase = ok ? FETCH_DONE : FETCH_FAILED;
	f->running = FALSE;
	wake_all(f);
	g_cond_broadcast(&f->ended);
	g_mutex_unlock(&f->lock);
	fetch_unref(f);
}

/* ---- joining and leaving ---- */

static Fetch *fetch_new(Registry *r, Session *s, const FetchSpec *spec)
{
	Fetch *f = g_new0(Fetch, 1);
	f->refs = 1;
	f->registry = r;
	f->session = session_ref(s);
	f->blob.digest = g_strdup(spec->blob->digest);
	f->blob.media_type = g_strdup(spec->blob->media_type);
	f->blob.size = spec->blob->size;
	f->path = g_strdup(spec->path);
	f->diff_id = g_strdup(spec->diff_id);
	f->chain_id = g_strdup(spec->chain_id);
	f->parent = g_strdup(spec->parent);
	f->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->watchers = g_array_new(FALSE, FALSE, sizeof(int));
	g_mutex_init(&f->lock);
	g_cond_init(&f->ended);
	return f;
}

Fetch *fetch_join(Registry *r, Session *s, const FetchSpec *spec, int wake_fd)
{
	g_mutex_lock(&r->lock);
	Fetch *f = g_hash_table_lookup(r->fetches, spec->chain_id);
	gboolean is_new = f == NULL;
	if (is_new) {
		f = fetch_new(r, s, spec);
		g_hash_table_insert(r->fetches, f->chain_id, f);
	}
	g_atomic_int_inc(&f->refs);
	g_mutex_lock(&f->lock);
	g_array_append_val(f->watchers, wake_fd);
	g_mutex_unlock(&f->lock);
	g_mutex_unlock(&r->lock);
	if (is_new) {
		gboolean waits = g_thread_pool_get_num_threads(r->downloads) >=
				 (guint)g_thread_pool_get_max_threads(r->downloads);
		if (waits)
			set_phase(f, FETCH_WAITING);
		g_thread_pool_push(r->downloads, f, NULL);
	}
	return f;
}

FetchState fetch_state(Fetch *f, GError **ret_error)
{
	g_mutex_lock(&f->lock);
	FetchState state = f->state;
	if (ret_error && f->error)
		*ret_error = g_error_copy(f->error);
	g_mutex_unlock(&f->lock);
	return state;
}

void fetch_leave(Fetch *f, int wake_fd)
{
	Registry *r = f->registry;
	g_mutex_lock(&r->lock);
	g_mutex_lock(&f->lock);
	for (guint i = 0; i < f->watchers->len; i++) {
		if (g_array_index(f->watchers, int, i) == wake_fd) {
			g_array_remove_index_fast(f->watchers, i);
			break;
		}
	}
	gboolean last = f->watchers->len == 0;
	if (last && g_hash_table_lookup(r->fetches, f->chain_id) == f)
		g_hash_table_remove(r->fetches, f->chain_id);
	g_mutex_unlock(&f->lock);
	g_mutex_unlock(&r->lock);
	if (last)
		wake(f->cancel_fd);
}

void fetch_drop(Fetch *f)
{
	g_mutex_lock(&f->lock);
	while (f->watchers->len == 0 && f->running)
		g_cond_wait(&f->ended, &f->lock);
	g_mutex_unlock(&f->lock);
	fetch_unref(f);
}
