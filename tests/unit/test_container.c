/* SPDX-License-Identifier: MIT */
/* The parts of the container room that need no engine: the state table, capability lists. */
#include "base/error.h"
#include "container/caps.h"
#include "container/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static gboolean allowed(ContainerOp op, ContainerStatus s, GError **error)
{
	return container_op_allowed(op, s, "0123", "web", error);
}

/* The contract, once more and independently of the table under test. */
static void each_state_allows_what_it_should(void **state)
{
	static const gboolean expect[N_STATUSES][N_OPS] = {
		[STATUS_CREATED] = {[OP_START] = 1,
			[OP_ATTACH] = 1,
			[OP_RENAME] = 1,
			[OP_UPDATE] = 1,
			[OP_REMOVE] = 1,
			[OP_FORCE_REMOVE] = 1},
		[STATUS_RUNNING] = {[OP_STOP] = 1,
			[OP_KILL] = 1,
			[OP_PAUSE] = 1,
			[OP_EXEC] = 1,
			[OP_ATTACH] = 1,
			[OP_RESIZE] = 1,
			[OP_TOP] = 1,
			[OP_RENAME] = 1,
			[OP_UPDATE] = 1,
			[OP_FORCE_REMOVE] = 1},
		[STATUS_PAUSED] = {[OP_STOP] = 1,
			[OP_KILL] = 1,
			[OP_UNPAUSE] = 1,
			[OP_RESIZE] = 1,
			[OP_TOP] = 1,
			[OP_RENAME] = 1,
			[OP_UPDATE] = 1,
			[OP_FORCE_REMOVE] = 1},
		[STATUS_RESTARTING] = {[OP_STOP] = 1,
			[OP_KILL] = 1,
			[OP_RESIZE] = 1,
			[OP_RENAME] = 1,
			[OP_UPDATE] = 1,
			[OP_FORCE_REMOVE] = 1},
		[STATUS_REMOVING] = {0},
		[STATUS_EXITED] = {[OP_START] = 1,
			[OP_ATTACH] = 1,
			[OP_RENAME] = 1,
			[OP_UPDATE] = 1,
			[OP_REMOVE] = 1,
			[OP_FORCE_REMOVE] = 1},
		[STATUS_DEAD] = {[OP_REMOVE] = 1, [OP_FORCE_REMOVE] = 1},
	};
	for (ContainerStatus s = 0; s < N_STATUSES; s++) {
		for (ContainerOp op = 0; op < N_OPS; op++) {
			g_autoptr(GError) error = NULL;
			gboolean ok = allowed(op, s, &error);
			if (ok != expect[s][op])
				fail_msg("operation %d in state %s", op, container_status_name(s));
			assert_true(ok == (error == NULL));
			if (!ok)
				assert_null(strchr(error->message, '%'));
		}
	}
}

static void refusals_have_dockers_words(void **state)
{
	g_autoptr(GError) error = NULL;
	assert_false(allowed(OP_START, STATUS_PAUSED, &error));
	assert_string_equal(error->message, "cannot start a paused container, try unpause instead");
	assert_int_equal(dh_error_http_status(error), 409);
	g_clear_error(&error);
	assert_false(allowed(OP_REMOVE, STATUS_RUNNING, &error));
	assert_string_equal(error->message, "cannot remove container \"/web\": container is "
					    "running: stop the container before removing or "
					    "force remove");
	g_clear_error(&error);
	assert_false(allowed(OP_STOP, STATUS_EXITED, &error));
	assert_int_equal(dh_error_http_status(error), 304);
	g_clear_error(&error);
	assert_false(allowed(OP_EXEC, STATUS_EXITED, &error));
	assert_string_equal(error->message, "container 0123 is not running");
}

static gboolean has(char **caps, const char *name)
{
	return g_strv_contains((const char *const *)caps, name);
}

static void capabilities(void **state)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) plain = caps_resolve(NULL, NULL, FALSE, &error);
	assert_int_equal(g_strv_length(plain), 14);
	assert_true(has(plain, "CAP_NET_RAW"));
	assert_false(has(plain, "CAP_SYS_ADMIN"));

	char *add[] = {(char *)"sys_admin", NULL}, *drop[] = {(char *)"CAP_NET_RAW", NULL};
	g_auto(GStrv) changed = caps_resolve(add, drop, FALSE, &error);
	assert_int_equal(g_strv_length(changed), 14);
	assert_true(has(changed, "CAP_SYS_ADMIN"));
	assert_false(has(changed, "CAP_NET_RAW"));

	char *all[] = {(char *)"all", NULL};
	g_auto(GStrv) only = caps_resolve(add, all, FALSE, &error);
	assert_int_equal(g_strv_length(only), 1);
	g_auto(GStrv) but = caps_resolve(all, drop, FALSE, &error);
	assert_true(has(but, "CAP_SYS_MODULE"));
	assert_false(has(but, "CAP_NET_RAW"));
	/* Added and dropped: Docker adds. */
	g_auto(GStrv) both = caps_resolve(drop, drop, FALSE, &error);
	assert_true(has(both, "CAP_NET_RAW"));
	g_auto(GStrv) all_both = caps_resolve(all, all, FALSE, &error);
	assert_true(has(all_both, "CAP_SYS_MODULE"));
	g_auto(GStrv) privileged = caps_resolve(NULL, NULL, TRUE, &error);
	assert_true(g_strv_length(privileged) > 30);

	char *unknown[] = {(char *)"FLY", NULL};
	assert_null(caps_resolve(unknown, NULL, FALSE, &error));
	assert_string_equal(error->message, "invalid CapAdd: unknown capability: \"CAP_FLY\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_allows_what_it_should),
		cmocka_unit_test(refusals_have_dockers_words),
		cmocka_unit_test(capabilities),
	};
	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
