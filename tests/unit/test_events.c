/* SPDX-License-Identifier: MIT */
#include "container/event_journal.h"

#include "base/fs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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
	json_object_del(o, "sequence");
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

typedef struct {
	uint64_t first, last;
	guint n, gaps;
} Seen;

static int see(void *arg, Event *ev)
{
	Seen *s = arg;
	if (s->n == 0)
		s->first = ev->seq;
	else if (ev->seq != s->last + 1)
		s->gaps++;
	s->last = ev->seq;
	s->n++;
	return 0;
}

static void emit(Events *e, int n)
{
	for (int i = 0; i < n; i++)
		events_emit(e, "container", "start", "x", "name", "w\"\n\xff", NULL);
}

static void journal_survives(void **state)
{
	char dir[] = "/tmp/dhow-test-events.XXXXXX";
	assert_non_null(mkdtemp(dir));
	Events *e = events_open(dir, NULL);
	emit(e, 1500);
	g_autoptr(GPtrArray) recent = events_since(e, 0);
	int64_t middle = ((Event *)recent->pdata[500])->time;
	events_free(e);
	/* what a crash leaves of the last line */
	g_autofree char *file = g_build_filename(dir, "events.log", NULL);
	int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"n\":9999", 9), 9);
	close(fd);

	e = events_open(dir, NULL);
	emit(e, 10);
	Seen all = {0}, late = {0}, numbered = {0};
	assert_int_equal(events_past(e, 0, 0, see, &all), 0);
	assert_int_equal(all.first, 1);
	assert_int_equal(all.last, 1510);
	assert_int_equal(all.gaps, 0);
	assert_int_equal(events_past(e, middle, 0, see, &late), 0);
	assert_int_equal(late.first, 1001);
	assert_int_equal(late.n, 510);
	assert_int_equal(events_past(e, G_MININT64, 3, see, &numbered), 0);
	assert_int_equal(numbered.first, 4);
	assert_int_equal(numbered.n, 1507);
	events_free(e);
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
}

static void journal_is_bounded(void **state)
{
	char dir[] = "/tmp/dhow-test-events.XXXXXX";
	assert_non_null(mkdtemp(dir));
	EventJournal *j = event_journal_open(dir, 1000, NULL);
	for (guint i = 1; i <= 200; i++) {
		GHashTable *none = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		g_autoptr(Event) ev = event_new("image", "tag", "sha256:1", none);
		ev->seq = i;
		ev->time = 1000 + i;
		event_journal_append(j, ev);
	}
	g_autoptr(GArray) files = event_journal_files(j);
	assert_int_equal(files->len, EVENT_JOURNAL_FILES);
	Seen s = {0};
	for (guint i = 0; i < files->len; i++)
		assert_int_equal(
			event_journal_read(g_array_index(files, int, i), 0, G_MAXUINT64, see, &s),
			0);
	assert_int_equal(s.last, 200);
	assert_int_equal(s.gaps, 0);
	assert_in_range(s.n, 30, 80);
	event_journal_close(j);
	assert_true(dh_remove_tree(AT_FDCWD, dir, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_dockers),
		cmocka_unit_test(ring_keeps_the_last_thousand),
		cmocka_unit_test(subscribers_are_woken_and_bounded),
		cmocka_unit_test(journal_survives),
		cmocka_unit_test(journal_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
