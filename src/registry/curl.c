/* SPDX-License-Identifier: MIT */
#define CURL_OWN_NAMES
#include "registry/curl.h"

#include "base/error.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcurl.so.4" /* the ABI of all versions since 7.16 */

CurlFunctions curl_functions;

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
#define CURL_ENTRY(name) {#name, G_STRUCT_OFFSET(CurlFunctions, name)},
	CURL_FUNCTIONS(CURL_ENTRY)
#undef CURL_ENTRY
};

static gboolean load(GError **error)
{
	CurlFunctions found;
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return dh_error(error, DH_ERROR_SYSTEM, "registries need libcurl: %s", dlerror());
	for (size_t i = 0; i < G_N_ELEMENTS(functions); i++) {
		void *f = dlsym(library, functions[i].name);
		if (!f) {
			dlclose(library);
			return dh_error(
				error, DH_ERROR_SYSTEM, "%s has no %s", LIBRARY, functions[i].name);
		}
		memcpy((char *)&found + functions[i].offset, &f, sizeof f);
	}
	CURLcode code = found.curl_global_init(CURL_GLOBAL_ALL);
	if (code != CURLE_OK) {
		dlclose(library);
		return dh_error(
			error, DH_ERROR_SYSTEM, "libcurl: %s", found.curl_easy_strerror(code));
	}
	curl_functions = found;
	return TRUE;
}

gboolean curl_load(GError **error)
{
	static GMutex lock;
	static gboolean loaded;
	g_mutex_lock(&lock);
	loaded = loaded || load(error);
	gboolean ok = loaded;
	g_mutex_unlock(&lock);
	return ok;
}
