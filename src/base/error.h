/* SPDX-License-Identifier: MIT */
/*
 * error.h - the one error object: a GError in the domain DH_ERROR.
 *
 * An error is made where the fault is, gets context on the way up (g_prefix_error) and is mapped
 * once, at the border, to an HTTP status or an exit code. Library code does not log.
 */
#pragma once

#include <glib.h>

#define DH_ERROR (dh_error_quark())
GQuark dh_error_quark(void);

/* What kind of failure it is; decides the HTTP status (see dh_error_http_status). */
typedef enum {
	DH_ERROR_SYSTEM,            /* 500: the machine or ourselves */
	DH_ERROR_INVALID,           /* 400: the caller's words are wrong */
	DH_ERROR_UNAUTHORIZED,      /* 401 */
	DH_ERROR_FORBIDDEN,         /* 403 */
	DH_ERROR_NOT_FOUND,         /* 404 */
	DH_ERROR_NOT_ACCEPTABLE,    /* 406 */
	DH_ERROR_CONFLICT,          /* 409 */
	DH_ERROR_NOT_MODIFIED,      /* 304: already in the state asked for */
	DH_ERROR_TOO_LARGE,         /* 413 */
	DH_ERROR_NOT_BUILT,         /* 501: known, but this engine does not have it yet */
	DH_ERROR_UNAVAILABLE,       /* 503 */
	DH_ERROR_EXEC_NOT_FOUND,    /* 400: the program to run does not exist (exit code 127) */
	DH_ERROR_EXEC_NOT_RUNNABLE, /* 400: it exists but cannot be executed (exit code 126) */
	DH_ERROR_N_CODES
} DhError;

/* Sets *error to DH_ERROR/code with a printf text; does nothing else. Returns false always, so
 * that "return dh_error(...)" ends a bool function. */
gboolean dh_error(GError **error, DhError code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* The same for a failed system call: text ": " strerror(errnum), code DH_ERROR_SYSTEM
 * (ENOENT is not NOT_FOUND: only the caller knows what its absence means). */
gboolean dh_error_errno(GError **error, int errnum, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

#if defined(__clang_analyzer__) && !defined(DH_ERROR_DEFINES)
/* The analyzer sees one file at a time: this tells it what the functions promise. */
#define dh_error(...) ((void)dh_error(__VA_ARGS__), FALSE)
#define dh_error_errno(...) ((void)dh_error_errno(__VA_ARGS__), FALSE)
#endif

/* HTTP status for an error of any domain (foreign domains: 500). */
int dh_error_http_status(const GError *error);
