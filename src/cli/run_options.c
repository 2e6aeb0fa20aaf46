/* SPDX-License-Identifier: MIT */
#include "cli/run_options.h"

void run_options_defaults(void *options)
{
	RunOptions *o = options;
	o->sig_proxy = TRUE;
	o->disable_content_trust = TRUE;
	o->memory_swappiness = -1;
	o->restart = "no";
	o->pull = "missing";
	o->init = -1;
}
