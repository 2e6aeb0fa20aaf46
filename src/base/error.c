/* SPDX-License-Identifier: MIT */
#define DH_ERROR_DEFINES
#include "base/error.h"

#include <errno.h>
#include <string.h>

/* Threads may meet their first errors at the same time, which G_DEFINE_QUARK takes lightly. */
GQuark dh_error_quark(void)
{
	static gsize quark;
	if (g_once_init_enter(&quark))
		g_once_init_leave(&quark, g_quark_from_static_string("dhow-error-quark"));
	return (GQuark)quark;
}

static const int http_status[] = {
	[DH_ERROR_SYSTEM] = 500,
	[DH_ERROR_INVALID] = 400,
	[DH_ERROR_UNAUTHORIZED] = 401,
	[DH_ERROR_FORBIDDEN] = 403,
	[DH_ERROR_NOT_FOUND] = 404,
	[DH_ERROR_NOT_ACCEPTABLE] = 406,
	[DH_ERROR_CONFLICT] = 409,
	[DH_ERROR_NOT_MODIFIED] = 304,
	[DH_ERROR_TOO_LARGE] = 413,
	[DH_ERROR_NOT_BUILT] = 501,
	[DH_ERROR_UNAVAILABLE] = 503,
	[DH_ERROR_EXEC_NOT_FOUND] = 400,
	[DH_ERROR_EXEC_NOT_RUNNABLE] = 400,
};
_Static_assert(G_N_ELEMENTS(http_status) == DH_ERROR_N_CODES, "a status for every error code");

gboolean dh_error(GError **error, DhError code, const char *fmt, ...)
{
	if (error) {
		va_list ap;
		va_start(ap, fmt);
		*error = g_error_new_valist(DH_ERROR, (int)code, fmt, ap);
		va_end(ap);
	}
	return FALSE;
}

/* What the disk says is known in the words of Docker, which scripts look for. */
static const char *error_text(int errnum)
{
	switch (errnum) {
	case ENOSPC:
		return "no space left on device";
	case EDQUOT:
		return "disk quota exceeded";
	case EROFS:
		return "read-only file system";
	case EIO:
		return "input/output error";
	default:
		return g_strerror(errnum);
	}
}

gboolean dh_error_errno(GError **error, int errnum, const char *fmt, ...)
{
	if (error) {
		va_list ap;
		va_start(ap, fmt);
		g_autofree char *text = g_strdup_vprintf(fmt, ap);
		va_end(ap);
		*error = g_error_new(DH_ERROR, DH_ERROR_SYSTEM, "%s: %s", text, error_text(errnum));
	}
	return FALSE;
}

int dh_error_http_status(const GError *error)
{
	if (error->domain != DH_ERROR || error->code < 0 || error->code >= DH_ERROR_N_CODES)
		return 500;
	return http_status[error->code];
}
