/* SPDX-License-Identifier: MIT */
#include "daemon/reload.h"

#include "base/log.h"
#include "daemon/systemd.h"

static void tell_begin(void)
{
	g_autofree char *text = g_strdup_printf(
		"RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());
	systemd_notify(text);
}

static void warn_of_the_rest(const DaemonOptions *in_force, const DaemonOptions *wanted)
{
	g_auto(GStrv) names = daemon_options_differences(in_force, wanted);
	for (char **n = names; *n; n++)
		dh_warn("%s cannot be changed while the daemon runs: as it was until its next "
			"start",
			*n);
}

void reload_configuration(Engine *e, const DaemonOptions *in_force, char *const *argv)
{
	g_auto(DaemonOptions) wanted = {0};
	g_autoptr(GError) error = NULL;
	tell_begin();
	dh_info("got a signal to reload the configuration, from %s", in_force->config_file);
	/* Whoever has other firewalls loaded again sends the same signal: no matter what is in the
	 * file. */
	net_mend_firewall(e->net);
	if (daemon_options_parse(argv, &wanted, &error)) {
		warn_of_the_rest(in_force, &wanted);
		dh_log_set_level(settings_log_level(wanted.settings));
		engine_reload(e, wanted.settings);
		dh_info("reloaded the configuration");
	} else
		dh_log_error("the configuration stays as it is: %s", error->message);
	systemd_notify("READY=1");
}
