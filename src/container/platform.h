/* SPDX-License-Identifier: MIT */
/* platform.h - whether an image is for a platform ("linux/arm64", "arm64", "linux/arm/v7"). */
#pragma once

#include "store/store.h"

/* wanted NULL or "": any. DH_ERROR_NOT_FOUND with Docker's text (clients then pull the right one),
 * DH_ERROR_INVALID: not a platform. reference: the user's word for the image. */
gboolean platform_check(
	const Image *image, const char *reference, const char *wanted, GError **error);

/* What to say when nobody asked for a platform and the image is for another than the host's: new
 * string, or NULL. */
char *platform_warning(const Image *image);
