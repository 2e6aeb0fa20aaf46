/* SPDX-License-Identifier: MIT */
/* reload.h - SIGHUP: the configuration file is read again. */
#pragma once

#include "daemon/options.h"

/* in_force: what the daemon began with; argv: from which. What can be changed follows the file, all
 * or nothing; what cannot is named in the log. */
void reload_configuration(Engine *e, const DaemonOptions *in_force, char *const *argv);
