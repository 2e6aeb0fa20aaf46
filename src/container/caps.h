/* SPDX-License-Identifier: MIT */
/* caps.h - capability lists: Docker's default set and what --cap-add, --cap-drop make of it. */
#pragma once

#include <glib.h>

/* "CAP_..." strv; unknown names are DH_ERROR_INVALID with docker's text. */
char **caps_resolve(char *const *add, char *const *drop, gboolean privileged, GError **error);
