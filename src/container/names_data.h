/* SPDX-License-Identifier: MIT */
/* names_data.h - the words that generated container names are made of. */
#pragma once

#include <glib.h>

extern const char *const name_adjectives[];
extern const guint name_n_adjectives;
extern const char *const name_surnames[];
extern const guint name_n_surnames;
