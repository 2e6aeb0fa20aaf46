/* SPDX-License-Identifier: MIT */
#include "container/events.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static gboolean readable(EventsSub *s)
{
	struct pollfd p = {events_sub_fd(s), POLLIN, 0};
	return poll(&p, 1, 0) == 1;
}

static char *without_time(json_t *o)
{
	json_object_del(o, "time");
	json_object_del(o, "timeNano");
	return dh_json_dumps(o, 0);
}

static void json_is_dockers(void **state)
{
	Events *e = events_new();
	events_emit(e, "container", "start", "abc", "name", "web", "image", "nginx", "none", NULL,
		NULL);
	events_emit(e, "image", "tag", "sha256:1", "name", "x:1", NULL);
	events_emit(e, "daemon", "reload", "id", NULL);
	g_autoptr(GPtrArray) all = events_since(e, 0);
	static const char *const expect[] = {
		"{\"status\":\"start\",\"id\":\"abc\",\"from\":\"nginx\",\"Type\":\"container\","
		"\"Action\":\"start\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":{\"image\":"
		"\"nginx\","
		"\"name\":\"web\"}},\"scope\":\"local\"}",
		"{\"status\":\"tag\",\"id\":\"sha256:1\",\"Type\":\"image\",\"Action\":\"tag\","
		"\"Actor\":{\"ID\":\"sha256:1\",\"Attributes\":{\"name\":\"x:1\"}},\"scope\":"
		"\"local\"}",
		"{\"Type\":\"daemon\",\"Action\":\"reload\",\"Actor\":{\"ID\":\"id\","
		"\"Attributes\":{}},"
		"\"scope\":\"local\"}",
	};
	assert_int_equal(all->len, 3);
	for (guint i = 0; i < all->len; i++) {
		const Event *ev = all->pdata[i];
		g_autoptr(json_t) o = event_to_json(ev);
		assert_int_equal(json_integer_value(json_object_get(o, "timeNano")), ev->time);
		assert_int_equal(
			json_integer_value(json_object_get(o, "time")), ev->time / 1000000000);
		g_autofree char *text = without_time(o);
		assert_string_equal(text, expect[i]);
	}
	events_free(e);
}

static void ring_keeps_the_last_thousand(void **state)
{
	Events *e = events_new();
	for (int i = 0; i < 1500; i++) {
		g_autofree char *id = g_strdup_printf("%d", i);
		events_emit(e, "container", "start", id, NULL);
	}
	g_autoptr(GPtrArray) all = events_since(e, 0);
	assert_int_equal(all->len, 1000);
	assert_string_equal(((Event *)all->pdata[0])->id, "500");
	int64_t middle = ((Event *)all->pdata[400])->time;
	g_autoptr(GPtrArray) late = events_since(e, middle);
	assert_int_equal(late->len, 600);
	for (guint i = 1; i < all->len; i++)
		assert_true(((Event *)all->pdata[i])->time > ((Event *)all->pdata[i - 1])->time);
	events_free(e);
}

static void subscribers_are_woken_and_bounded(void **state)
{
	Events *e = events_new();
	events_emit(e, "container", "before", "x", NULL);
	EventsSub *s = events_subscribe(e);
	assert_int_equal(events_n_subscribers(e), 1);
	assert_false(readable(s));
	events_emit(e, "container", "one", "x", NULL);
	events_emit(e, "container", "two", "x", NULL);
	assert_true(readable(s));
	Event *ev = events_sub_next(s);
	assert_string_equal(ev->action, "one");
	event_unref(ev);
	assert_true(readable(s));
	ev = events_sub_next(s);
	assert_string_equal(ev->action, "two");
	event_unref(ev);
	assert_null(events_sub_next(s));
	assert_false(readable(s));

	for (int i = 0; i < 5000; i++)
		events_emit(e, "container", "many", "x", NULL);
	guint n = 0;
	while ((ev = events_sub_next(s))) {
		event_unref(ev);
		n++;
	}
	assert_int_equal(n, 4096);
	assert_true(events_sub_overflowed(s));
	assert_true(readable(s));
	events_unsubscribe(s);
	assert_int_equal(events_n_subscribers(e), 0);
	events_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_dockers),
		cmocka_unit_test(ring_keeps_the_last_thousand),
		cmocka_unit_test(subscribers_are_woken_and_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
