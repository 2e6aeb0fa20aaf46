/* SPDX-License-Identifier: MIT */
/*
 * curl.h - libcurl, loaded when it is first needed.
 *
 * Linked in, libcurl would bring two dozen libraries (TLS, Kerberos, LDAP, SSH ...) into every
 * daemon: 3 MB that one which pulls nothing would carry. Instead of <curl/curl.h> include this: the
 * names below stand for pointers that curl_load() fills (dlopen(3)); before that they are NULL.
 */
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <glib.h>

#define CURL_FUNCTIONS(X)                                                                          \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_init)                                                                          \
	X(curl_easy_pause)                                                                         \
	X(curl_easy_reset)                                                                         \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_strerror)                                                                      \
	X(curl_free)                                                                               \
	X(curl_global_init)                                                                        \
	X(curl_multi_add_handle)                                                                   \
	X(curl_multi_cleanup)                                                                      \
	X(curl_multi_info_read)                                                                    \
	X(curl_multi_init)                                                                         \
	X(curl_multi_perform)                                                                      \
	X(curl_multi_poll)                                                                         \
	X(curl_multi_remove_handle)                                                                \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)                                                                     \
	X(curl_url)                                                                                \
	X(curl_url_cleanup)                                                                        \
	X(curl_url_get)                                                                            \
	X(curl_url_set)

/* curl.h has macros of these names. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

typedef struct {
#define CURL_MEMBER(name) __typeof__(&(name)) name;
	CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
} CurlFunctions;

extern CurlFunctions curl_functions;

/* Idempotent, of any thread. Error DH_ERROR_SYSTEM: the library is not installed. */
gboolean curl_load(GError **error);

#ifndef CURL_OWN_NAMES
#define curl_easy_cleanup curl_functions.curl_easy_cleanup
#define curl_easy_getinfo curl_functions.curl_easy_getinfo
#define curl_easy_init curl_functions.curl_easy_init
#define curl_easy_pause curl_functions.curl_easy_pause
#define curl_easy_reset curl_functions.curl_easy_reset
#define curl_easy_setopt curl_functions.curl_easy_setopt
#define curl_easy_strerror curl_functions.curl_easy_strerror
#define curl_free curl_functions.curl_free
#define curl_global_init curl_functions.curl_global_init
#define curl_multi_add_handle curl_functions.curl_multi_add_handle
#define curl_multi_cleanup curl_functions.curl_multi_cleanup
#define curl_multi_info_read curl_functions.curl_multi_info_read
#define curl_multi_init curl_functions.curl_multi_init
#define curl_multi_perform curl_functions.curl_multi_perform
#define curl_multi_poll curl_functions.curl_multi_poll
#define curl_multi_remove_handle curl_functions.curl_multi_remove_handle
#define curl_slist_append curl_functions.curl_slist_append
#define curl_slist_free_all curl_functions.curl_slist_free_all
#define curl_url curl_functions.curl_url
#define curl_url_cleanup curl_functions.curl_url_cleanup
#define curl_url_get curl_functions.curl_url_get
#define curl_url_set curl_functions.curl_url_set
#endif
