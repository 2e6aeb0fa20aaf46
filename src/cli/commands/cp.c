/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "base/tartree.h"
#include "cli/commands.h"
#include "cli/copy_path.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/untar.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STAT_MAX = 64 * 1024 };
#define GO_MODE_DIR (1u << 31)
#define GO_MODE_SYMLINK (1u << 27)
#define GO_MODE_TYPES (GO_MODE_DIR | GO_MODE_SYMLINK | 1u << 26 | 1u << 25 | 1u << 24 | 1u << 21)

typedef struct {
	gboolean archive, follow, quiet;
} CpOptions;

/* clang-format off */
static const OptionSpec cp_specs[] = {
	{'a', "archive", OPT_BOOL, offsetof(CpOptions, archive), NULL,
		"Archive mode (copy all uid/gid information)"},
	{'L', "follow-link", OPT_BOOL, offsetof(CpOptions, follow), NULL,
		"Always follow symbol link in SRC_PATH"},
	{'q', "quiet", OPT_BOOL, offsetof(CpOptions, quiet), NULL,
		"Suppress progress output during copy. Progress output is automatically "
		"suppressed if no terminal is attached"},
};
/* clang-format on */

typedef struct {
	Cli *cli;
	const CpOptions *o;
	char *container;
	const char *src, *dst;
	int64_t bytes; /* of the archive */
} Copy;

/* "CONTAINER:PATH"; NULL: a path of the user's own. Returns the container's name. */
static char *split_arg(const char *arg, const char **ret_path)
{
	const char *colon = strchr(arg, ':');
	*ret_path = arg;
	if (*arg == '/' || *arg == '.' || !colon)
		return NULL;
	*ret_path = colon + 1;
	return g_strndup(arg, (gsize)(colon - arg));
}

static void tell(const Copy *c, const char *container, const char *to)
{
	if (c->o->quiet || !isatty(STDOUT_FILENO))
		return;
	g_autofree char *size = dh_size_human((double)c->bytes, 3);
	fprintf(stderr, "Successfully copied %s to %s%s%s\n", size, container ? container : "",
		container ? ":" : "", to);
}

/* ---- what the daemon says of a path ---- */

typedef struct {
	guint32 mode;
	char *link_target;
} RemoteStat;

static gboolean parse_stat(const Response *r, RemoteStat *ret, GError **error)
{
	const char *coded = response_header(r, "X-Docker-Container-Path-Stat");
	gsize n = 0;
	g_autofree guchar *text = NULL;
	if (coded && strlen(coded) < STAT_MAX)
		text = g_base64_decode(coded, &n);
	g_autoptr(json_t) stat = text ? dh_json_loads((const char *)text, n, NULL) : NULL;
	if (!stat)
		return dh_error(
			error, DH_ERROR_SYSTEM, "unable to decode container path stat header");
	ret->mode = (guint32)list_int(stat, "mode");
	ret->link_target = g_strdup(list_string(stat, "linkTarget"));
	return TRUE;
}

static Response *archive_request(const Copy *c, const char *method, const char *path,
	const char *const *more, int body, GError **error)
{
	g_autofree char *url = g_strdup_printf("/containers/%s/archive", c->container);
	g_autoptr(GPtrArray) query = g_ptr_array_new();
	g_ptr_array_add(query, (gpointer) "path");
	g_ptr_array_add(query, (gpointer)path);
	for (; more && *more; more++)
		g_ptr_array_add(query, (gpointer)*more);
	g_ptr_array_add(query, NULL);
	const Request req = {.method = method,
		.path = url,
		.query = (char *const *)query->pdata,
		.body_fd = body};
	return cli_request(c->cli, &req, error);
}

static gboolean remote_stat(const Copy *c, const char *path, RemoteStat *ret, GError **error)
{
	g_autoptr(Response) r = archive_request(c, "HEAD", path, NULL, 0, error);
	return r && parse_stat(r, ret, error);
}

/* A link's target, made absolute. */
static char *absolute_target(const char *path, const char *target)
{
	if (*target == '/')
		return g_strdup(target);
	g_autofree char *dir = NULL, *base = NULL;
	copy_split(path, &dir, &base);
	return g_build_filename(dir, target, NULL);
}

/* ---- from a container ---- */

typedef struct {
	Copy *c;
	Response *r;
} Incoming;

static ssize_t read_response(void *arg, void *buf, size_t n, GError **error)
{
	Incoming *in = arg;
	ssize_t got = response_read(in->r, buf, n, error);
	if (got > 0)
		in->c->bytes += got;
	return got;
}

static gboolean check_local(const char *path, GError **error)
{
	struct stat st;
	g_autofree char *plain = g_canonicalize_filename(path, NULL);
	g_autofree char *dir = g_path_get_dirname(plain);
	if (stat(dir, &st) < 0 && errno == ENOENT)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid output path: directory \"%s\" does not exist", dir);
	if (stat(path, &st) < 0 || S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
		return TRUE;
	return dh_error(error, DH_ERROR_INVALID,
		"invalid output path: \"%s\" must be a directory or a regular file", path);
}

static gboolean unpack(
	Copy *c, Response *r, const CopyInfo *src, const char *dst_path, GError **error)
{
	g_auto(CopyInfo) dst = {0};
	g_autofree char *dir = NULL, *from = NULL, *to = NULL;
	if (!copy_local_destination(dst_path, &dst, error) ||
		!copy_prepare(src, &dst, &dir, &from, &to, error))
		return FALSE;
	if (src->rebase) {
		/* Names begin as the link's target is called. */
		g_autofree char *parent = NULL;
		g_free(from);
		copy_split(src->path, &parent, &from);
		if (!to)
			to = g_strdup(src->rebase);
	}
	Incoming in = {c, r};
	g_autoptr(TarReader) reader = tar_reader_new(read_response, &in);
	const Untar u = {.dir = dir, .from = from, .to = to, .owners = c->o->archive};
	return untar(&u, reader, error);
}

static gboolean from_container(Copy *c, GError **error)
{
	g_auto(CopyInfo) src = {.path = g_strdup(c->src), .exists = TRUE};
	gboolean to_stdout = strcmp(c->dst, "-") == 0;
	g_autofree char *dst = to_stdout ? NULL : copy_absolute(c->dst);
	if (dst && !check_local(dst, error))
		return FALSE;
	RemoteStat stat = {0};
	if (c->o->follow && remote_stat(c, c->src, &stat, NULL) && (stat.mode & GO_MODE_SYMLINK)) {
		g_autofree char *target = absolute_target(c->src, stat.link_target);
		copy_rebase(&src, c->src, target);
	}
	g_clear_pointer(&stat.link_target, g_free);
	g_autoptr(Response) r = archive_request(c, "GET", src.path, NULL, 0, error);
	if (!r)
		return FALSE;
	if (to_stdout)
		return output_copy(r, STDOUT_FILENO, error);
	gboolean ok = parse_stat(r, &stat, error);
	g_clear_pointer(&stat.link_target, g_free);
	src.is_dir = stat.mode & GO_MODE_DIR;
	if (!ok || !unpack(c, r, &src, dst, error))
		return FALSE;
	tell(c, NULL, dst);
	return TRUE;
}

/* ---- to a container ---- */

/* The thread that writes the archive; the request's body is the other end of its pipe. */
typedef struct {
	const CopyInfo *src;
	const char *from, *to;
	int fd;
	int64_t bytes;
	GError *error;
} Outgoing;

static int write_pipe(void *arg, const void *buf, size_t n)
{
	Outgoing *out = arg;
	out->bytes += (int64_t)n;
	return dh_write_all(out->fd, buf, n);
}

static void *write_archive(void *arg)
{
	Outgoing *out = arg;
	g_autofree char *dir = NULL, *base = NULL;
	sigset_t pipe_signal;
	/* The daemon may have refused before it read everything; its answer says why. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	copy_split(out->src->path, &dir, &base);
	const char *as = out->to ? out->to : out->src->rebase ? out->src->rebase : base;
	dh_autofd int fd = open(*dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	g_auto(TarTree) t = {0};
	tar_tree_init(&t, write_pipe, out);
	gboolean ok = fd >= 0 || dh_error_errno(&out->error, errno, "open %s", dir);
	if (ok)
		ok = tar_tree_all(&t, fd, base, *as ? as : "/", &out->error) &&
		     tar_tree_end(&t, &out->error);
	dh_close(&out->fd);
	return GINT_TO_POINTER(ok);
}

static gboolean put(Copy *c, const char *dir, int body, GError **error)
{
	const char *const more[] = {
		"noOverwriteDirNonDir", "true", c->o->archive ? "copyUIDGID" : NULL, "true", NULL};
	g_autoptr(Response) r = archive_request(c, "PUT", dir, more, body, error);
	return r != NULL;
}

static gboolean send_tree(Copy *c, const CopyInfo *dst, GError **error)
{
	g_auto(CopyInfo) src = {0};
	g_autofree char *dir = NULL, *from = NULL, *to = NULL, *path = copy_absolute(c->src);
	int ends[2];
	if (!copy_local_source(path, c->o->follow, &src, error) ||
		!copy_prepare(&src, dst, &dir, &from, &to, error))
		return FALSE;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dh_error_errno(error, errno, "pipe");
	dh_autofd int in = ends[0];
	Outgoing out = {.src = &src, .from = from, .to = to, .fd = ends[1]};
	GThread *t = g_thread_new("archive", write_archive, &out);
	gboolean ok = put(c, dir, in, error);
	dh_close(&in);
	gboolean written = GPOINTER_TO_INT(g_thread_join(t));
	c->bytes = out.bytes;
	if (ok && !written) {
		g_propagate_error(error, out.error);
		return FALSE;
	}
	g_clear_error(&out.error);
	return ok;
}

static gboolean send_stdin(Copy *c, const CopyInfo *dst, GError **error)
{
	if (!dst->is_dir)
		return dh_error(error, DH_ERROR_INVALID,
			"destination \"%s:%s\" must be a directory", c->container, c->dst);
	dh_autofd int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return in >= 0 ? put(c, dst->path, in, error) : dh_error_errno(error, errno, "stdin");
}

static gboolean to_container(Copy *c, GError **error)
{
	g_auto(CopyInfo) dst = {.path = g_strdup(c->dst)};
	RemoteStat stat = {0};
	gboolean known = remote_stat(c, c->dst, &stat, NULL);
	if (known && (stat.mode & GO_MODE_SYMLINK)) {
		g_free(dst.path);
		dst.path = absolute_target(c->dst, stat.link_target);
		g_clear_pointer(&stat.link_target, g_free);
		known = remote_stat(c, dst.path, &stat, NULL);
	}
	g_clear_pointer(&stat.link_target, g_free);
	if (known && (stat.mode & GO_MODE_TYPES & ~GO_MODE_DIR))
		return dh_error(error, DH_ERROR_INVALID,
			"destination \"%s:%s\" must be a directory or a regular file", c->container,
			c->dst);
	dst.exists = known;
	dst.is_dir = known && (stat.mode & GO_MODE_DIR);
	if (strcmp(c->src, "-") == 0)
		return send_stdin(c, &dst, error);
	if (!send_tree(c, &dst, error))
		return FALSE;
	tell(c, c->container, dst.path);
	return TRUE;
}

static int cp_run(Cli *cli, void *options, char **args, GError **error)
{
	Copy c = {.cli = cli, .o = options};
	if (!*args[0] || !*args[1]) {
		dh_error(error, DH_ERROR_INVALID, "%s can not be empty",
			*args[0] ? "destination" : "source");
		return 1;
	}
	g_autofree char *from = split_arg(args[0], &c.src);
	g_autofree char *to = split_arg(args[1], &c.dst);
	if (from && to) {
		dh_error(error, DH_ERROR_INVALID, "copying between containers is not supported");
		return 1;
	}
	if (!from && !to) {
		dh_error(error, DH_ERROR_INVALID, "must specify at least one container source");
		return 1;
	}
	c.container = from ? from : to;
	return (from ? from_container(&c, error) : to_container(&c, error)) ? 0 : 1;
}

const Command cmd_cp = {
	.name = "cp",
	.usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
		 "\t@ [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
	.summary = "Copy files/folders between a container and the local filesystem",
	.details = "Copy files/folders between a container and the local filesystem\n\n"
		   "Use '-' as the source to read a tar archive from stdin\n"
		   "and extract it to a directory destination in a container.\n"
		   "Use '-' as the destination to stream a tar archive of a\n"
		   "container source to stdout.",
	.aliases = "docker container cp, docker cp",
	.min_args = 2,
	.max_args = 2,
	.options = cp_specs,
	.n_options = G_N_ELEMENTS(cp_specs),
	.options_size = sizeof(CpOptions),
	.run = cp_run,
};
