/* SPDX-License-Identifier: MIT */
/*
 * The real server on a socket of its own, spoken to in raw HTTP. The engine behind it is made of
 * the fakes in this file.
 */
#include "api/internal.h"
#include "api/server.h"
#include "base/error.h"
#include "base/fd.h"
#include "container/changes.h"
#include "container/check.h"
#include "container/container.h"
#include "container/copy.h"
#include "container/internal.h"
#include "container/logs.h"
#include "container/usage.h"
#include "registry/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1024 * 1024)

static struct {
	Engine engine;
	ApiServer *server;
	char *dir, *path;
	Container c;
	ContainerConfig config;
	HostConfig host;
	gint wait_cancelled, wait_is_stuck;
	int exit_fd; /* eventfd: the container ends */
	gint64 loaded;
	gint load_started, load_failed;
	char *created_name;
	gint attach_fails;
	GMutex lock;
	GString *attached; /* what came as preface */
} fake;

/* ---- the engine ---- */

Container *container_ref(Container *c)
{
	return c;
}
void container_unref(Container *c)
{
}

Container *container_find(Engine *e, const char *name, GError **error)
{
	if (strcmp(name, "web") == 0 || strcmp(name, "/web") == 0)
		return &fake.c;
	dh_error(error, DH_ERROR_NOT_FOUND, "No such container: %s", name);
	return NULL;
}

GPtrArray *container_all(Engine *e)
{
	GPtrArray *all = g_ptr_array_new();
	g_ptr_array_add(all, &fake.c);
	return all;
}

ContainerSnapshot *container_snapshot(Container *c)
{
	ContainerSnapshot *s = g_new0(ContainerSnapshot, 1);
	s->name = g_strdup("web");
	s->state.started_at = 5;
	s->state.status = STATUS_EXITED;
	return s;
}
void container_snapshot_free(ContainerSnapshot *s)
{
	g_free(s->name);
	g_free(s);
}

Container *container_create(
	Engine *e, const char *name, const CreateRequest *req, char ***ret_warnings, GError **error)
{
	if (req->config.image && strcmp(req->config.image, "gone") == 0) {
		dh_error(error, DH_ERROR_NOT_FOUND, "No such image: gone:latest");
		return NULL;
	}
	g_free(fake.created_name);
	fake.created_name = g_strdup(name);
	*ret_warnings = g_strsplit("careful", ",", -1);
	return &fake.c;
}
gboolean container_start(Container *c, GError **error)
{
	return dh_error(error, DH_ERROR_NOT_MODIFIED, "already");
}
gboolean container_stop(Container *c, const char *signal, int64_t timeout, GError **error)
{
	return TRUE;
}
gboolean container_restart(Container *c, const char *signal, int64_t timeout, GError **error)
{
	return TRUE;
}
gboolean container_kill(Container *c, const char *signal, GError **error)
{
	return dh_error(error, DH_ERROR_CONFLICT, "not running \xff");
}
gboolean container_pause(Container *c, GError **error)
{
	return TRUE;
}
gboolean container_unpause(Container *c, GError **error)
{
	return TRUE;
}
gboolean container_rename(Container *c, const char *new_name, GError **error)
{
	return TRUE;
}
gboolean container_update(Container *c, HostConfig *asked, char ***ret_warnings, GError **error)
{
	*ret_warnings = NULL;
	return asked->memory == 64 << 20;
}
gboolean container_resize(Container *c, int64_t height, int64_t width, GError **error)
{
	return height == 24 && width == 80;
}
gboolean container_remove(Container *c, gboolean force, gboolean volumes, GError **error)
{
	return TRUE;
}
gboolean container_departed(Engine *e, const char *id, int64_t *ret_status)
{
	return FALSE;
}
GHashTable *container_link_names(const GPtrArray *all)
{
	return g_hash_table_new(g_str_hash, g_str_equal);
}
gboolean container_unlink(Engine *e, const char *name, GError **error)
{
	return TRUE;
}

struct ContainerWait {
	int unused;
};
int64_t container_wait_since(const ContainerWait *w)
{
	(void)w;
	return 0;
}

void container_wait_resume(ContainerWait *w, int64_t finished_at)
{
	(void)w;
	(void)finished_at;
}

ContainerWait *container_wait_begin(Container *c, WaitCondition condition)
{
	return g_new0(ContainerWait, 1);
}
gboolean container_wait_end(ContainerWait *w, int cancel_fd, int64_t *ret_status, char **ret_error)
{
	struct pollfd p[] = {
		{cancel_fd, POLLIN, 0},
		{fake.exit_fd, POLLIN, 0},
	};
	g_free(w);
	gboolean stuck = g_atomic_int_get(&fake.wait_is_stuck);
	poll(p + stuck, 2 - stuck, -1);
	if (p[0].revents || stuck) {
		g_atomic_int_set(&fake.wait_cancelled, 1);
		return FALSE;
	}
	eventfd_t n;
	eventfd_read(fake.exit_fd, &n);
	*ret_status = 42;
	return TRUE;
}

gboolean container_attach_check(Container *c, const AttachRequest *a, GError **error)
{
	if (g_atomic_int_get(&fake.attach_fails))
		return dh_error(error, DH_ERROR_CONFLICT, "paused");
	return TRUE;
}
/* Echoes what comes, in another thread with its own descriptor, as a shim would. */
static void *echo(void *arg)
{
	int fd = GPOINTER_TO_INT(arg);
	char buf[256];
	ssize_t n;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		dh_write_all(fd, buf, (size_t)n);
	close(fd);
	return NULL;
}
gboolean container_attach(Container *c, const AttachRequest *a, int fd, GError **error)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	dh_write_all(own, a->head, strlen(a->head));
	dh_write_all(own, "<", 1);
	dh_write_all(own, a->preface, a->preface_len);
	dh_write_all(own, ">", 1);
	g_thread_unref(g_thread_new("echo", echo, GINT_TO_POINTER(own)));
	return TRUE;
}

static const DhJsonField no_fields[] = {DH_F(BOOL, ExecConfig, tty, "Tty", 0)};
DH_JSON_TABLE(exec_config_table, ExecConfig, no_fields, FALSE);
Exec *exec_ref(Exec *x)
{
	return x;
}
void exec_unref(Exec *x)
{
}
char *exec_create(Container *c, const ExecConfig *config, GError **error)
{
	return g_strdup("e1");
}
Exec *exec_find(Engine *e, const char *id, GError **error)
{
	if (strcmp(id, "e1") == 0)
		return (Exec *)&fake;
	dh_error(error, DH_ERROR_NOT_FOUND, "No such exec instance: %s", id);
	return NULL;
}
gboolean exec_is_tty(const Exec *x)
{
	return FALSE;
}
gboolean exec_check_start(Exec *x, GError **error)
{
	return TRUE;
}
gboolean exec_start(Exec *x, int fd, int64_t height, int64_t width, const void *preface,
	size_t preface_len, GError **error)
{
	char text[64];
	int n = snprintf(text, sizeof text, "%d %d", (int)height, (int)width);
	if (fd >= 0)
		dh_write_all(fd, text, (size_t)n);
	return TRUE;
}
gboolean exec_resize(Exec *x, int64_t height, int64_t width, GError **error)
{
	return TRUE;
}
json_t *exec_inspect(Exec *x, GError **error)
{
	return json_object();
}
json_t *engine_usage(Engine *e)
{
	(void)e;
	return json_object();
}
json_t *engine_check(Engine *e, gboolean repair, int64_t min_age)
{
	(void)e;
	(void)min_age;
	return json_pack("{s:b}", "Repair", repair);
}

json_t *container_inspect(Container *c, gboolean size)
{
	return json_pack("{s:s,s:b}", "Id", c->id, "Size", size);
}
SummaryWriter *summary_writer_new(Engine *e, const ListRequest *r, const GPtrArray *all)
{
	return NULL;
}
void summary_writer_free(SummaryWriter *w)
{
}
void summary_append(SummaryWriter *w, Container *c, const ContainerSnapshot *s, GString *out)
{
	g_string_append_printf(out, "{\"Id\":\"%s\",\"SizeRw\":7}", c->id);
}
void container_sizes(Container *c, int64_t *ret_rw, int64_t *ret_root_fs)
{
	(void)c;
	*ret_rw = 7;
	*ret_root_fs = 8;
}

static Image *new_image(void)
{
	static const char *const tags[] = {"registry/ns/app:1", NULL};
	Image *i = g_new0(Image, 1);
	i->id = (char *)"sha256:aa";
	i->repo_tags = (char **)tags;
	i->config = &fake.config;
	i->os = (char *)"linux";
	i->architecture = (char *)"amd64";
	return i;
}
void image_unref(Image *i)
{
	g_free(i);
}
Image *store_image_find(Store *s, const char *name, GError **error)
{
	if (strcmp(name, "registry/ns/app:1") == 0)
		return new_image();
	dh_error(error, DH_ERROR_NOT_FOUND, "No such image: %s", name);
	return NULL;
}
GPtrArray *store_images(Store *s)
{
	GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)image_unref);
	g_ptr_array_add(all, new_image());
	return all;
}
char **store_image_lower(Store *s, const Image *i)
{
	return g_strsplit("/top,/bottom", ",", -1);
}
gboolean store_tag(Store *s, const char *image, const char *repo, const char *tag, GError **error)
{
	return TRUE;
}
GPtrArray *store_image_remove(Store *s, const char *name, const Image *seen, gboolean force,
	gboolean no_prune, StoreInUse in_use, void *arg, GError **error)
{
	return g_ptr_array_new();
}
GPtrArray *store_image_history(Store *s, const Image *i, GError **error)
{
	return g_ptr_array_new();
}
gboolean store_load(Store *s, StoreRead read_fn, void *read_arg, StoreProgress progress, void *arg,
	GError **error)
{
	g_autofree char *buf = g_malloc(64 * 1024);
	gint64 total = 0;
	ssize_t n;
	while ((n = read_fn(read_arg, buf, 64 * 1024)) > 0) {
		total += n;
		g_atomic_int_set(&fake.load_started, 1);
		if (memcmp(buf, "BAD", 3) == 0)
			return dh_error(error, DH_ERROR_INVALID, "bad archive");
	}
	if (n < 0) {
		g_atomic_int_set(&fake.load_failed, 1);
		return dh_error(error, DH_ERROR_SYSTEM, "cut off");
	}
	fake.loaded = total;
	progress(arg, "Loaded image: registry/ns/app:1");
	return TRUE;
}
gboolean store_save(Store *s, char *const *names, StoreWrite write_fn, void *arg, GError **error)
{
	if (strcmp(names[0], "gone") == 0)
		return dh_error(error, DH_ERROR_NOT_FOUND, "No such image: gone");
	write_fn(arg, "tar", 3);
	if (strcmp(names[0], "half") == 0)
		return dh_error(error, DH_ERROR_SYSTEM, "disk error");
	return write_fn(arg, "end", 3) == 0;
}
char *store_import(Store *s, StoreRead read_fn, void *read_arg, char *const *changes,
	const char *message, const char *repo, const char *tag, const char *source,
	const char *platform, GError **error)
{
	char buf[64];
	ssize_t total = 0, n;
	while ((n = read_fn(read_arg, buf, sizeof buf)) > 0)
		total += n;
	return g_strdup_printf("sha256:%zd-%s-%u", total, repo, g_strv_length((char **)changes));
}
int64_t store_shared_size(Store *s, const Image *i)
{
	return 0;
}

GPtrArray *container_changes(Container *c, GError **error)
{
	return g_ptr_array_new();
}

gboolean container_export(Container *c, StoreWrite write, void *arg, GError **error)
{
	return TRUE;
}

char *container_commit(Container *c, const CommitRequest *r, GError **error)
{
	return g_strdup("sha256:0");
}

ContainerPath *container_path_open(
	Container *c, const char *asked, const char *path, GError **error)
{
	return NULL;
}

ContainerPath *container_path_open_dir(
	Container *c, const char *asked, const char *path, GError **error)
{
	return NULL;
}

void container_path_close(ContainerPath *p)
{
}

const PathStat *container_path_stat(const ContainerPath *p)
{
	return NULL;
}

gboolean container_path_tar(ContainerPath *p, StoreWrite write, void *arg, GError **error)
{
	return TRUE;
}

gboolean container_path_extract(
	ContainerPath *p, StoreRead read, void *arg, gboolean strict, GError **error)
{
	return TRUE;
}

/* A pull tells of one layer and then fails or not, as the name says. */
gboolean registry_pull(Registry *r, const char *name, const char *tag, const char *platform,
	const RegistryCall *call, GError **error)
{
	if (strcmp(name, "refused") == 0)
		return dh_error(
			error, DH_ERROR_NOT_FOUND, "manifest for %s:%s not found", name, tag);
	call->tell(call->arg, &(RegistryMessage){.id = tag, .status = "Pulling from x"});
	call->tell(call->arg, &(RegistryMessage){.id = "0123456789ab",
				      .status = "Downloading",
				      .detail = TRUE,
				      .current = 1500,
				      .total = 3000});
	if (strcmp(name, "broken") == 0)
		return dh_error(error, DH_ERROR_SYSTEM, "unexpected EOF");
	return TRUE;
}

gboolean registry_push(
	Registry *r, const char *name, const char *tag, const RegistryCall *call, GError **error)
{
	g_autoptr(json_t) aux = json_pack("{s:s, s:s}", "Tag", tag, "User", call->auth->username);
	call->tell(call->arg, &(RegistryMessage){.aux = aux});
	return TRUE;
}

gboolean registry_login(
	const RegistryCall *call, char **ret_status, char **ret_token, GError **error)
{
	if (g_strcmp0(call->auth->password, "right") != 0)
		return dh_error(error, DH_ERROR_UNAUTHORIZED, "unauthorized");
	*ret_status = g_strdup("Login Succeeded");
	*ret_token = NULL;
	return TRUE;
}

json_t *registry_search(const char *term, int limit, const RegistryCall *call, GError **error)
{
	return json_pack("{s:[{s:s, s:i, s:b}, {s:s, s:i, s:b}]}", "results", "name", "one",
		"star_count", 5, "is_official", 1, "name", "two", "star_count", 1, "is_official",
		0);
}

json_t *registry_inspect(Registry *r, const char *name, const RegistryCall *call, GError **error)
{
	dh_error(error, DH_ERROR_NOT_FOUND, "no %s", name);
	return NULL;
}

void store_usage(Store *s, StoreUsage *ret)
{
	*ret = (StoreUsage){.n_images = 1};
}
RtCgroupMode rt_cgroup_mode(void)
{
	return RT_CGROUP_V1;
}
GArray *rt_cgroup_pids(const char *path, GError **error)
{
	return NULL;
}
gboolean rt_cgroup_stats(const char *path, RtStats *ret, GError **error)
{
	return FALSE;
}
void rt_stats_clear(RtStats *s)
{
}
char *container_network_id(Engine *e, const char *mode)
{
	return g_strdup_printf("id-of-%s", mode);
}
const NetInfo *net_engine_info(NetEngine *n)
{
	static const NetInfo info = {
		(char *)"dhow0", (char *)"172.18.0.0/16", (char *)"172.18.0.1", 1500};
	return &info;
}

/* ---- the server and its client ---- */

static int setup(void **state)
{
	memset(&fake, 0, sizeof fake);
	g_autoptr(GError) error = NULL;
	fake.dir = g_dir_make_tmp("dhow-test-api-XXXXXX", NULL);
	fake.path = g_build_filename(fake.dir, "sock", NULL);
	fake.engine.events = events_new();
	fake.engine.id = (char *)"engine";
	fake.engine.config.data_root = (char *)"/";
	fake.engine.settings = settings_new();
	fake.exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fake.host.network_mode = (char *)"bridge";
	fake.c = (Container){.engine = &fake.engine,
		.id = (char *)"c0ffee",
		.image_id = (char *)"sha256:aa",
		.config = &fake.config,
		.host_config = &fake.host};
	int fd = dh_unix_listen(fake.path, SOCK_STREAM, 0600, &error);
	assert_true(fd >= 0);
	fake.server = api_server_start(&fake.engine, &fd, 1, NULL, &error);
	assert_non_null(fake.server);
	return 0;
}

static int teardown(void **state)
{
	api_server_stop(fake.server, 2000);
	g_unlink(fake.path);
	g_rmdir(fake.dir);
	events_free(fake.engine.events);
	settings_unref(fake.engine.settings);
	close(fake.exit_fd);
	g_free(fake.created_name);
	g_free(fake.path);
	g_free(fake.dir);
	return 0;
}

static int dial(void)
{
	int fd = dh_unix_connect(fake.path, SOCK_STREAM, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(dh_write_all(fd, text, strlen(text)), 0);
}

/* What there is until the peer closes; times out loudly. */
static char *read_rest(int fd)
{
	GString *s = g_string_new(NULL);
	char buf[4096];
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		assert_int_equal(poll(&p, 1, 60000), 1);
		ssize_t n = read(fd, buf, sizeof buf);
		if (n <= 0)
			break;
		g_string_append_len(s, buf, n);
	}
	return g_string_free(s, FALSE);
}

/* Until text has come (and maybe more). */
static char *read_until(int fd, const char *text)
{
	GString *s = g_string_new(NULL);
	char c;
	while (!strstr(s->str, text)) {
		struct pollfd p = {fd, POLLIN, 0};
		assert_int_equal(poll(&p, 1, 60000), 1);
		if (read(fd, &c, 1) != 1)
			break;
		g_string_append_c(s, c);
	}
	assert_non_null(strstr(s->str, text));
	return g_string_free(s, FALSE);
}

static char *talk(const char *request)
{
	int fd = dial();
	send_text(fd, request);
	char *answer = read_rest(fd);
	close(fd);
	return answer;
}

static char *call(const char *method, const char *path, const char *body)
{
	g_autofree char *type =
		g_strdup_printf("Content-Type: application/json\r\nContent-Length: %zu\r\n",
			body ? strlen(body) : 0);
	g_autofree char *request =
		g_strdup_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n%s",
			method, path, body ? type : "", body ? body : "");
	return talk(request);
}

static void check_has(const char *answer, const char *text)
{
	if (!strstr(answer, text))
		fail_msg("no »%s« in »%s«", text, answer);
}

#define EXPECT(method, path, body, ...)                                                            \
	do {                                                                                       \
		static const char *const want_[] = {__VA_ARGS__};                                  \
		g_autofree char *a_ = call(method, path, body);                                    \
		for (guint i_ = 0; i_ < G_N_ELEMENTS(want_); i_++)                                 \
			check_has(a_, want_[i_]);                                                  \
	} while (0)

static long rss_kb(void)
{
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
	return strtol(strstr(text, "VmRSS:") + 6, NULL, 10);
}

/* ---- ordinary requests ---- */

static void ping_and_headers(void **state)
{
	EXPECT("GET", "/_ping", NULL, "HTTP/1.1 200 OK\r\n", "Api-Version: 1.51\r\n",
		"Docker-Experimental: false\r\n", "Ostype: linux\r\n", "Server: Dhow/",
		" (linux)\r\n", "\r\n\r\nOK");
	g_autofree char *head = call("HEAD", "/_ping", NULL);
	check_has(head, "HTTP/1.1 200 OK\r\n");
	check_has(head, "Api-Version: 1.51\r\n");
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
}

static void versions(void **state)
{
	EXPECT("GET", "/v1.24/_ping", NULL, " 200 ");
	EXPECT("GET", "/v1.51/_ping", NULL, " 200 ");
	EXPECT("GET", "/v1.22/_ping", NULL, " 200 ");
	EXPECT("GET", "/v1.10/_ping", NULL, " 400 ",
		"{\"message\":\"client version 1.10 is too old. Minimum supported API version is "
		"1.24, "
		"please upgrade your client to a newer version\"}");
	EXPECT("GET", "/v1.99/_ping", NULL, " 400 ",
		"{\"message\":\"client version 1.99 is too new. Maximum supported API version is "
		"1.51\"}");
	EXPECT("GET", "/v2/_ping", NULL, " 400 ", "too new");
	EXPECT("GET", "/version", NULL, "\"ApiVersion\":\"1.51\"", "\"MinAPIVersion\":\"1.24\"",
		"\"Components\":[{\"Name\":\"Engine\"");
	EXPECT("POST", "/v1.24/build/prune", NULL, " 404 ");
}

static void paths_and_methods(void **state)
{
	EXPECT("GET", "/", NULL, " 404 ", "{\"message\":\"page not found\"}");
	EXPECT("GET", "/nothing", NULL, " 404 ", "page not found");
	EXPECT("GET", "/containers/web", NULL, " 405 ");
	EXPECT("POST", "/info", NULL, " 405 ");
	EXPECT("PATCH", "/containers/json", NULL, " 405 ");
	EXPECT("GET", "/containers/web/attach/ws", NULL, " 501 ",
		"{\"message\":\"GET /containers/{*}/attach/ws is not built yet\"}");
	EXPECT("POST", "/networks/create", "{}", " 501 ", "is not built yet");
	EXPECT("GET", "/containers/none/json", NULL, " 404 ",
		"{\"message\":\"No such container: none\"}");
	EXPECT("GET", "/containers/web/json?size=1", NULL, "{\"Id\":\"c0ffee\",\"Size\":true}");
	EXPECT("GET", "/containers/%2Fweb/json", NULL, "{\"Id\":\"c0ffee\",\"Size\":false}");
	EXPECT("GET", "/containers/w%65b/json?size=false", NULL, "\"Size\":false}");
	EXPECT("GET", "/containers//json", NULL, " 404 ");
	EXPECT("GET", "/containers/%zz/json", NULL, " 400 ");
	EXPECT("GET", "/containers/a%00b/json", NULL, " 400 ");
	EXPECT("GET", "/containers/%ff%fe/json", NULL, " 400 ");
	EXPECT("GET", "/containers/../../etc/passwd", NULL, " 405 ");
}

#define IMAGE "/v1.49/images/registry/ns/app:1/json"
#define PLATFORM(arch) "%7B%22os%22:%22linux%22,%22architecture%22:%22" arch "%22%7D"

static void images_with_slashes(void **state)
{
	EXPECT("GET", "/images/registry/ns/app:1/json", NULL, " 200 ", "\"Id\":\"sha256:aa\"",
		"\"GraphDriver\"");
	EXPECT("GET", "/v1.40/images/registry%2Fns%2Fapp%3A1/json", NULL, " 200 ",
		"\"VirtualSize\":0");
	EXPECT("GET", "/images/none/json", NULL, " 404 ", "No such image: none");
	EXPECT("GET", IMAGE "?platform=" PLATFORM("amd64"), NULL, " 200 ", "\"Id\":\"sha256:aa\"");
	EXPECT("GET", IMAGE "?platform=" PLATFORM("x86_64"), NULL, " 200 ");
	EXPECT("GET", IMAGE "?platform=" PLATFORM("arm64"), NULL, " 404 ",
		"image with reference registry/ns/app:1 was found but its platform (linux/amd64) "
		"does not match the specified platform (linux/arm64)");
	EXPECT("GET", IMAGE "?platform=linux", NULL, " 400 ", "failed to parse platform");
	EXPECT("GET", IMAGE "?platform=%7B%22os%22:%22linux%22%7D", NULL, " 400 ",
		"both OS and Architecture must be provided");
	EXPECT("GET", "/v1.48/images/registry/ns/app:1/json?platform=" PLATFORM("arm64"), NULL,
		" 200 "); /* older clients did not ask */
	EXPECT("GET", "/images/json", NULL, "[{\"Containers\":-1,");
	EXPECT("GET", "/images/json?filters=%7B%22reference%22%3A%5B%22registry%2Fns%2Fa*%22%5D%7D",
		NULL, "\"RepoTags\":[\"registry/ns/app:1\"]");
	EXPECT("GET", "/images/json?filters=%7B%22reference%22%3A%5B%22app%22%5D%7D", NULL,
		"\r\n\r\n[]\n");
	EXPECT("GET", "/images/json?filters=%7B%22x%22%3A%5B%22app%22%5D%7D", NULL, " 400 ",
		"invalid filter 'x'");
	EXPECT("POST", "/images/registry/ns/app:1/tag?repo=a&tag=b", NULL, " 201 ");
	EXPECT("GET", "/images/get?names=gone", NULL, " 404 ", "No such image: gone");
	EXPECT("GET", "/images/get?names=a&names=b", NULL, " 200 ", "application/x-tar",
		"3\r\ntar\r\n3\r\nend\r\n0\r\n\r\n");
	g_autofree char *half = call("GET", "/images/half/get", NULL);
	check_has(half, "3\r\ntar\r\n");
	assert_null(strstr(half, "0\r\n\r\n"));
}

static void json_bodies(void **state)
{
	EXPECT("POST", "/containers/create?name=a%20b+c", "{\"Image\":\"x\"}", " 201 ",
		"{\"Id\":\"c0ffee\",\"Warnings\":[\"careful\"]}");
	assert_string_equal(fake.created_name, "a b c");
	EXPECT("POST", "/containers/create", "{\"Image\":\"gone\"}", " 404 ",
		"No such image: gone:latest");
	EXPECT("POST", "/containers/create", "{", " 400 ", "{\"message\":\"invalid JSON: ");
	EXPECT("POST", "/containers/create", "{} x", " 400 ");
	EXPECT("POST", "/containers/create", "[]", " 400 ");
	EXPECT("POST", "/containers/create", "{\"Image\":1}", " 400 ",
		"json: cannot unmarshal number");
	EXPECT("POST", "/containers/create", "{\"HostConfig\":{\"Binds\":[1]}}", " 400 ");
	EXPECT("POST", "/containers/create", NULL, " 400 ",
		"config cannot be empty in order to create a container");
	g_autofree char *plain =
		talk("POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: "
		     "close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
	check_has(plain, " 400 ");
	check_has(
		plain, "unsupported Content-Type header (text/plain): must be 'application/json'");
	g_autofree char *none = talk("POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: "
				     "close\r\nContent-Length: 2\r\n\r\n{}");
	check_has(none, "malformed Content-Type header");
	g_autofree char *chunked = talk(
		"POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
		"application/json; charset=utf-8\r\nTransfer-Encoding: "
		"chunked\r\n\r\n1\r\n{\r\n1\r\n}"
		"\r\n0\r\n\r\n");
	check_has(chunked, " 201 ");
	/* nesting that would eat the stack */
	g_autofree char *deep = g_strnfill(200000, '[');
	EXPECT("POST", "/containers/create", deep, " 400 ");
}

static void codes(void **state)
{
	g_autofree char *start = call("POST", "/containers/web/start", NULL);
	check_has(start, " 304 ");
	assert_string_equal(strstr(start, "\r\n\r\n"), "\r\n\r\n");
	EXPECT("POST", "/containers/web/stop?t=5", NULL, " 204 ");
	EXPECT("POST", "/containers/web/stop?t=x", NULL, " 400 ");
	EXPECT("POST", "/containers/web/kill", NULL, " 409 ", "not running");
	EXPECT("POST", "/containers/web/rename", NULL, " 400 ",
		"Neither old nor new names may be empty");
	EXPECT("POST", "/containers/web/resize?h=24&w=80", NULL, " 200 ");
	EXPECT("DELETE", "/containers/web", NULL, " 204 ");
	EXPECT("POST", "/containers/web/wait?condition=x", NULL, " 400 ", "invalid condition");
	EXPECT("GET", "/containers/web/logs", NULL, " 400 ",
		"Bad parameters: you must choose at least one stream");
	EXPECT("GET", "/containers/web/stats?one-shot=1", NULL, " 400 ");
	EXPECT("GET", "/containers/web/stats?stream=0", NULL, " 200 ", "\"name\":\"/web\"");
	EXPECT("GET", "/containers/web/top", NULL, " 409 ");
	EXPECT("POST", "/containers/prune", NULL,
		"{\"ContainersDeleted\":[\"c0ffee\"],\"SpaceReclaimed\":7}");
	EXPECT("GET", "/containers/json?all=1", NULL, "[{\"Id\":\"c0ffee\"");
	EXPECT("GET", "/containers/json", NULL, "\r\n\r\n[]\n");
	EXPECT("POST", "/containers/web/exec", "{\"Cmd\":[\"x\"]}", " 201 ", "{\"Id\":\"e1\"}");
	EXPECT("POST", "/exec/e1/start", "{\"Detach\":true}", " 200 ");
	EXPECT("POST", "/exec/none/start", "{}", " 404 ", "No such exec instance: none");
	EXPECT("POST", "/exec/e1/start", "{\"Detach\":1}", " 400 ");
	EXPECT("GET", "/info", NULL, " 200 ", "\"Containers\":1", "\"LiveRestoreEnabled\"",
		"name=seccomp,profile=builtin");
	EXPECT("GET", "/networks", NULL, "[{\"Name\":\"bridge\",\"Id\":\"id-of-bridge\"",
		"\"Config\":[{\"Subnet\":\"172.18.0.0/16\",\"Gateway\":\"172.18.0.1\"}]");
	EXPECT("GET", "/networks/none", NULL, "\"Name\":\"none\"");
	EXPECT("GET", "/networks/mine", NULL, " 404 ", "network mine not found");
}

/* The first message comes with status 200; an error before it has its own status, one after it is
 * the last message. */
static void pulls_and_pushes(void **state)
{
	EXPECT("POST", "/images/create?fromImage=refused&tag=t", NULL, " 404 ",
		"{\"message\":\"manifest for refused:t not found\"}");
	static const char half[] =
		"{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1500,"
		"\"total\":3000},\"progress\":\"[=========================>         "
		"                ]    1.5kB/3kB\",\"id\":\"0123456789ab\"}\r\n";
	EXPECT("POST", "/images/create?fromImage=fine&tag=t", NULL, " 200 ",
		"{\"status\":\"Pulling from x\",\"id\":\"t\"}\r\n");
	EXPECT("POST", "/images/create?fromImage=fine&tag=t", NULL, " 200 ", half);
	EXPECT("POST", "/images/create?fromImage=broken&tag=t", NULL, " 200 ",
		"{\"errorDetail\":{\"message\":\"unexpected EOF\"},\"error\":\"unexpected "
		"EOF\"}\r\n");
	g_autofree char *push = talk("POST /images/host:5/x/push?tag=v HTTP/1.1\r\nHost: x\r\n"
				     "X-Registry-Auth: eyJ1c2VybmFtZSI6ImpvZSJ9\r\n\r\n");
	check_has(push, "{\"progressDetail\":{},\"aux\":{\"Tag\":\"v\",\"User\":\"joe\"}}\r\n");
	g_autofree char *bad = talk("POST /images/x/push?tag=v HTTP/1.1\r\nHost: x\r\n"
				    "X-Registry-Auth: !\r\nConnection: close\r\n\r\n");
	check_has(bad, " 400 ");
	EXPECT("POST", "/auth", "{\"username\":\"a\",\"password\":\"right\"}", " 200 ",
		"{\"IdentityToken\":\"\",\"Status\":\"Login Succeeded\"}");
	EXPECT("POST", "/auth", "{\"username\":\"a\"}", " 401 ", "unauthorized");
	EXPECT("GET", "/images/search?term=x", NULL, " 200 ", "\"name\":\"two\"");
	g_autofree char *stars = call(
		"GET", "/images/search?term=x&filters=%7B%22stars%22%3A%5B%223%22%5D%7D", NULL);
	check_has(stars, "\"name\":\"one\"");
	assert_null(strstr(stars, "two"));
	EXPECT("GET", "/distribution/a/b:c/json", NULL, " 404 ", "no a/b:c");
}

static void keep_alive(void **state)
{
	int fd = dial();
	for (int i = 0; i < 3; i++) {
		send_text(fd, "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
		g_autofree char *answer = read_until(fd, "\r\n\r\nOK");
		send_text(fd, "POST /containers/web/start HTTP/1.1\r\nHost: x\r\nContent-Length: "
			      "4\r\n\r\nnull");
		g_autofree char *second = read_until(fd, "\r\n\r\n");
		check_has(second, " 304 ");
		send_text(fd, "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nnull");
		g_autofree char *third = read_until(fd, "page not found\"}\n");
	}
	close(fd);
}

/* ---- bodies ---- */

static void big_bodies_are_refused_unread(void **state)
{
	static const struct {
		const char *path;
		gint64 length;
	} cases[] = {
		{"/containers/web/start", 100 * MIB},
		{"/containers/create", 5 * MIB},
		{"/nothing", 100 * MIB},
		{"/_ping", 100 * MIB},
		{"/build", 100 * MIB},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		int fd = dial();
		g_autofree char *head = g_strdup_printf(
			"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
			"%" G_GINT64_FORMAT "\r\n\r\n",
			cases[i].path, cases[i].length);
		send_text(fd, head);
		shutdown(fd, SHUT_WR);
		g_autofree char *answer = read_rest(fd);
		check_has(answer, "{\"message\":");
		if (i < 2)
			check_has(answer, " 413 ");
		close(fd);
	}
}

/* Chunks without end: there is no length to look at, and nothing may be kept. */
static void endless_bodies_are_cut(void **state)
{
	static const char *const paths[] = {
		"/containers/web/start", "/containers/create", "/_ping"};
	g_autofree char *data = g_strnfill(64 * 1024, ' ');
	long before = rss_kb();
	for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
		int fd = dial();
		g_autofree char *head = g_strdup_printf(
			"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
			"Transfer-Encoding: chunked\r\n\r\n",
			paths[i]);
		send_text(fd, head);
		gint64 sent = 0;
		while (sent < 100 * MIB) {
			if (dh_write_all(fd, "10000\r\n", 7) < 0 ||
				dh_write_all(fd, data, 64 * 1024) < 0 ||
				dh_write_all(fd, "\r\n", 2) < 0)
				break;
			sent += 64 * 1024;
			struct pollfd p = {fd, POLLIN, 0};
			if (poll(&p, 1, 0) == 1)
				break;
		}
		assert_true(sent < 20 * MIB);
		shutdown(fd, SHUT_WR);
		g_autofree char *answer = read_rest(fd);
		check_has(answer, i < 2 ? " 413 " : " 405 ");
		close(fd);
	}
	assert_in_range(rss_kb() - before + 1024, 0, 24 * 1024);
}

static gboolean becomes_true(gint *flag)
{
	gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
	while (!g_atomic_int_get(flag) && g_get_monotonic_time() < until)
		g_usleep(1000);
	return g_atomic_int_get(flag);
}

static int begin_load(gint64 length)
{
	int fd = dial();
	g_autofree char *head = g_strdup_printf(
		"POST /images/load HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
		"%" G_GINT64_FORMAT "\r\n\r\n",
		length);
	send_text(fd, head);
	return fd;
}

static void uploads_stream_through(void **state)
{
	g_autofree char *data = g_strnfill(MIB, 'x');
	long before = rss_kb();
	int fd = begin_load(64 * MIB);
	for (int i = 0; i < 64; i++)
		assert_int_equal(dh_write_all(fd, data, MIB), 0);
	g_autofree char *answer = read_rest(fd);
	check_has(answer, " 200 ");
	check_has(answer, "{\"stream\":\"Loaded image: registry/ns/app:1\\n\"}\r\n");
	assert_int_equal(fake.loaded, 64 * MIB);
	close(fd);
	assert_in_range(rss_kb() - before + 1024, 0, 24 * 1024);
	g_autofree char *import = talk(
		"POST /images/create?fromSrc=-&repo=r&changes=A&changes=B HTTP/1.1\r\nHost: x\r\n"
		"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n");
	check_has(import, "{\"status\":\"sha256:5-r-2\"}\r\n");
}

static void uploads_may_be_cut_off(void **state)
{
	int fd = begin_load(64 * MIB);
	send_text(fd, "only this");
	assert_true(becomes_true(&fake.load_started));
	close(fd);
	assert_true(becomes_true(&fake.load_failed));
}

static void bad_uploads_are_told_early(void **state)
{
	int fd = begin_load((gint64)64 * 1024 * MIB);
	send_text(fd, "BAD");
	g_autofree char *data = g_strnfill(MIB, 'x');
	gint64 sent = 0;
	while (sent < 512 * MIB && dh_write_all(fd, data, MIB) == 0) {
		struct pollfd p = {fd, POLLIN, 0};
		sent += MIB;
		if (poll(&p, 1, 0) == 1)
			break;
	}
	assert_true(sent < 512 * MIB);
	shutdown(fd, SHUT_WR);
	g_autofree char *answer = read_rest(fd);
	check_has(answer, " 400 ");
	check_has(answer, "{\"message\":\"bad archive\"}");
	close(fd);
}

/* ---- streams ---- */

static void wait_answers_at_once(void **state)
{
	int fd = dial();
	send_text(fd, "POST /containers/web/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *head = read_until(fd, "\r\n\r\n");
	check_has(head, "HTTP/1.1 200 OK\r\n");
	check_has(head, "Content-Type: application/json\r\n");
	check_has(head, "Transfer-Encoding: chunked\r\n");
	eventfd_write(fake.exit_fd, 1);
	g_autofree char *body = read_rest(fd);
	assert_string_equal(body, "12\r\n{\"StatusCode\":42}\n\r\n0\r\n\r\n");
	close(fd);
}

static void wait_ends_with_the_client(void **state)
{
	int fd = dial();
	send_text(fd, "POST /containers/web/wait HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *head = read_until(fd, "\r\n\r\n");
	close(fd);
	assert_true(becomes_true(&fake.wait_cancelled));
}

static void events_stream(void **state)
{
	int fd = dial();
	send_text(fd, "GET /events?filters=%7B%22event%22%3A%5B%22die%22%2C%22exec_start%22%5D%7D "
		      "HTTP/1.0\r\nHost: x\r\n\r\n");
	g_autofree char *head = read_until(fd, "\r\n\r\n");
	assert_null(strstr(head, "chunked"));
	while (events_n_subscribers(fake.engine.events) == 0)
		g_usleep(1000);
	events_emit(fake.engine.events, "container", "start", "c1", NULL);
	events_emit(
		fake.engine.events, "container", "die", "c1", "name", "web", "exitCode", "3", NULL);
	g_autofree char *line = read_until(fd, "\n");
	check_has(line,
		"{\"status\":\"die\",\"id\":\"c1\",\"Type\":\"container\",\"Action\":\"die\",");
	events_emit(fake.engine.events, "container", "exec_start: sh", "c1", NULL);
	g_autofree char *second = read_until(fd, "\n");
	check_has(second, "exec_start: sh");
	close(fd);
	while (events_n_subscribers(fake.engine.events) != 0)
		g_usleep(1000);

	EXPECT("GET", "/events?since=1&until=2", NULL, " 200 ", "\r\n\r\n0\r\n\r\n");
	g_autofree char *path =
		g_strdup_printf("/events?since=1&until=%" G_GINT64_FORMAT "&filters="
				"%%7B%%22container%%22%%3A%%5B%%22we%%22%%5D%%7D",
			g_get_real_time() / G_USEC_PER_SEC + 1);
	g_autofree char *past = call("GET", path, NULL);
	check_has(past, "\"exitCode\":\"3\"");
	assert_null(strstr(past, "exec_start"));
	EXPECT("GET", "/events?since=5&until=2", NULL, " 400 ");
	EXPECT("GET", "/events?filters=x", NULL, " 400 ", "invalid filter");
}

/* ---- upgrades ---- */

static void attach_upgrades(void **state)
{
	int fd = dial();
	send_text(fd,
		"POST /v1.51/containers/web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: "
		"x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly");
	g_autofree char *head = read_until(fd, "\r\n\r\n");
	assert_true(g_str_has_prefix(head, "HTTP/1.1 101 UPGRADED\r\n"));
	check_has(head, "Content-Type: application/vnd.docker.multiplexed-stream\r\n");
	check_has(head, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	g_autofree char *preface = read_until(fd, ">");
	assert_string_equal(preface, "<early>");
	for (int i = 0; i < 3; i++) {
		send_text(fd, "hello;");
		g_autofree char *back = read_until(fd, ";");
		assert_string_equal(back, "hello;");
	}
	shutdown(fd, SHUT_WR);
	g_autofree char *rest = read_rest(fd);
	assert_string_equal(rest, "");
	close(fd);
}

static void attach_without_upgrade(void **state)
{
	int fd = dial();
	send_text(fd, "POST /v1.40/containers/web/attach?stream=1 HTTP/1.1\r\nHost: "
		      "x\r\nContent-Length: 0\r\n\r\n");
	g_autofree char *head = read_until(fd, "\r\n\r\n");
	assert_true(g_str_has_prefix(head, "HTTP/1.1 200 OK\r\n"));
	check_has(head, "Content-Type: application/vnd.docker.raw-stream\r\n");
	g_autofree char *preface = read_until(fd, ">");
	assert_string_equal(preface, "<>");
	send_text(fd, "x;");
	g_autofree char *back = read_until(fd, ";");
	assert_string_equal(back, "x;");
	close(fd);
	g_atomic_int_set(&fake.attach_fails, 1);
	EXPECT("POST", "/containers/web/attach?stream=1", NULL, " 409 ", "paused");
}

static void exec_upgrades(void **state)
{
	static const char body[] = "{\"Tty\":true,\"ConsoleSize\":[24,80]}";
	g_autofree char *request = g_strdup_printf(
		"POST /exec/e1/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	g_autofree char *answer = talk(request);
	assert_true(g_str_has_prefix(answer, "HTTP/1.1 101 UPGRADED\r\n"));
	check_has(answer, "application/vnd.docker.raw-stream");
	assert_true(g_str_has_suffix(answer, "\r\n\r\n24 80"));
}

/* ---- rude clients ---- */

static void garbage(void **state)
{
	static const char *const rude[] = {"\r\n\r\n\r\n", "GET\r\n\r\n", "\1\2\3\4\r\n\r\n",
		"GET /_ping\r\n\r\n", "GET /_ping HTTP/9.9\r\n\r\n",
		"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
		"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: "
		"99999999999999999999999999\r\n\r\n",
		"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked\r\n\r\nzz\r\n",
		"GET http://[/ HTTP/1.1\r\n\r\n", "GET * HTTP/1.1\r\nHost: x\r\n\r\n"};
	for (guint i = 0; i < G_N_ELEMENTS(rude); i++) {
		int fd = dial();
		send_text(fd, rude[i]);
		shutdown(fd, SHUT_WR);
		g_autofree char *answer = read_rest(fd);
		assert_null(strstr(answer, " 201 "));
		close(fd);
	}
	g_autoptr(GString) huge = g_string_new("GET /_ping HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 20000; i++)
		g_string_append_printf(huge, "X-Header-%d: value\r\n", i);
	int fd = dial();
	dh_write_all(fd, huge->str, huge->len);
	shutdown(fd, SHUT_WR);
	char buf[64] = "";
	assert_true(
		read(fd, buf, sizeof buf - 1) <= 0 || strstr(buf, " 431 ") || strstr(buf, " 413 "));
	close(fd);
	EXPECT("GET", "/_ping", NULL, " 200 ");
}

static void slow_clients_hold_nobody_up(void **state)
{
	int slow[40];
	for (guint i = 0; i < G_N_ELEMENTS(slow); i++) {
		slow[i] = dial();
		send_text(slow[i], "GET /_pi");
	}
	EXPECT("GET", "/_ping", NULL, " 200 ");
	send_text(slow[0], "ng HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *answer = read_until(slow[0], "OK");
	for (guint i = 0; i < G_N_ELEMENTS(slow); i++)
		close(slow[i]);
}

static void stopping_ends_streams(void **state)
{
	int waiting = dial(), listening = dial(), attached = dial(), idle = dial();
	send_text(waiting, "POST /containers/web/wait HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *a = read_until(waiting, "\r\n\r\n");
	send_text(listening, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *b = read_until(listening, "\r\n\r\n");
	send_text(attached,
		"POST /containers/web/attach?stream=1 HTTP/1.1\r\nHost: x\r\nConnection: "
		"Upgrade\r\nUpgrade: tcp\r\n\r\n");
	g_autofree char *c = read_until(attached, ">");
	send_text(idle, "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *d = read_until(idle, "OK");
	gint64 before = g_get_monotonic_time();
	api_server_stop(g_steal_pointer(&fake.server), 60000);
	assert_true(g_get_monotonic_time() - before < 30 * G_USEC_PER_SEC);
	g_autofree char *rest = read_rest(waiting);
	assert_null(strstr(rest, "StatusCode"));
	g_autofree char *events = read_rest(listening);
	assert_string_equal(events, ""); /* no closing chunk: it is not complete */
	/* the attached client is the shim's: it lives on */
	send_text(attached, "still;");
	g_autofree char *back = read_until(attached, "still;");
	close(waiting);
	close(listening);
	close(attached);
	close(idle);
}

/* ---- daemons that follow each other ---- */

static void late_threads_are_not_handed_over(void **state)
{
	g_autoptr(GError) error = NULL;
	ApiServer *s = fake.server;
	gboolean quiet = TRUE;
	int fd = dial();
	g_atomic_int_set(&fake.wait_is_stuck, 1);
	send_text(fd, "POST /containers/web/wait HTTP/1.1\r\nHost: x\r\n\r\n");
	g_autofree char *head = read_until(fd, "\r\n\r\n");
	assert_true(api_server_drain(s, 0, TRUE, &error));
	g_autoptr(json_t) left = api_server_hand_over(s, &quiet);
	assert_false(quiet);
	/* Now it leaves, while what was left may be being written down. */
	eventfd_write(fake.exit_fd, 1);
	g_mutex_lock(&s->lock);
	while (s->active->len > 0)
		g_cond_wait(&s->changed, &s->lock);
	g_mutex_unlock(&s->lock);
	assert_int_equal(json_array_size(json_object_get(left, "Requests")), 0);
	close(fd);
}

/* A listener to events whose client, *ret_peer, has not taken these bytes from the daemon before.
 */
static json_t *left_by_another(const char *unsent, size_t n, int *ret_peer)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_peer = pair[0];
	g_autofree char *text = g_base64_encode((const guchar *)unsent, n);
	return json_pack("{s:[{s:s, s:s, s:i, s:b, s:s, s:{s:i}}], s:[]}", "Requests", "Method",
		"GET", "Uri", "/events", "Fd", pair[1], "Begun", 1, "Unsent", text, "State", "Last",
		0, "Unread");
}

static char *much(size_t n)
{
	char *text = g_malloc(n + 1);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + (i / 1000) % 26);
	text[n] = '\0';
	return text;
}

static void what_is_not_taken_is_handed_on(void **state)
{
	g_autoptr(GError) error = NULL;
	gboolean quiet = FALSE;
	int peer;
	g_autofree char *text = much(3 * MIB);
	g_autoptr(json_t) before = left_by_another(text, strlen(text), &peer);
	api_server_resume(fake.server, before);
	assert_true(api_server_drain(fake.server, 1000, FALSE, &error));
	g_autoptr(json_t) left = api_server_hand_over(g_steal_pointer(&fake.server), &quiet);
	assert_true(quiet);
	json_t *one = json_array_get(json_object_get(left, "Requests"), 0);
	assert_string_equal(json_string_value(json_object_get(one, "Uri")), "/events");
	assert_true(json_is_true(json_object_get(one, "Begun")));
	assert_non_null(json_object_get(json_object_get(one, "State"), "Last"));
	close((int)json_integer_value(json_object_get(one, "Fd")));
	size_t n;
	g_autofree char *taken = read_rest(peer);
	g_autofree guchar *rest =
		g_base64_decode(json_string_value(json_object_get(one, "Unsent")), &n);
	assert_int_equal(strlen(taken) + n, strlen(text));
	assert_memory_equal(taken, text, strlen(taken));
	assert_memory_equal(rest, text + strlen(taken), n);
	close(peer);
}

static void stopping_ends_resumed_streams(void **state)
{
	int peer;
	g_autofree char *text = much(3 * MIB);
	g_autoptr(json_t) before = left_by_another(text, strlen(text), &peer);
	api_server_resume(fake.server, before);
	api_server_stop(g_steal_pointer(&fake.server), 5000);
	g_autofree char *taken = read_rest(peer);
	assert_true(strlen(taken) < strlen(text));
	close(peer);
}

/* Nothing but the end of its socket gets such a thread out of where it is. */
static void stopping_ends_resumed_answers(void **state)
{
	char filler[4096];
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	memset(filler, '.', sizeof filler);
	for (size_t n = sizeof filler; n > 0; n /= 2) {
		while (send(pair[1], filler, n, MSG_DONTWAIT) > 0)
			;
	}
	g_autoptr(json_t) before = json_pack("{s:[{s:s, s:s, s:i, s:{}}], s:[]}", "Requests",
		"Method", "POST", "Uri", "/dhow/upgrade", "Fd", pair[1], "State", "Unread");
	api_server_resume(fake.server, before);
	api_server_stop(g_steal_pointer(&fake.server), 100);
	g_autofree char *taken = read_rest(pair[0]);
	assert_null(strstr(taken, "HTTP"));
	close(pair[0]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		TEST(ping_and_headers),
		TEST(versions),
		TEST(paths_and_methods),
		TEST(images_with_slashes),
		TEST(json_bodies),
		TEST(codes),
		TEST(pulls_and_pushes),
		TEST(keep_alive),
		TEST(big_bodies_are_refused_unread),
		TEST(endless_bodies_are_cut),
		TEST(uploads_stream_through),
		TEST(uploads_may_be_cut_off),
		TEST(bad_uploads_are_told_early),
		TEST(wait_answers_at_once),
		TEST(wait_ends_with_the_client),
		TEST(events_stream),
		TEST(attach_upgrades),
		TEST(attach_without_upgrade),
		TEST(exec_upgrades),
		TEST(garbage),
		TEST(slow_clients_hold_nobody_up),
		TEST(stopping_ends_streams),
		TEST(late_threads_are_not_handed_over),
		TEST(what_is_not_taken_is_handed_on),
		TEST(stopping_ends_resumed_streams),
		TEST(stopping_ends_resumed_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
