/* SPDX-License-Identifier: MIT */
#include "container/identity.h"
#include "container/subids.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void check_map(const GPtrArray *list, guint i, int64_t inside, int64_t outside, int64_t size)
{
	const OciIdMap *m = list->pdata[i];
	assert_int_equal(m->container_id, inside);
	assert_int_equal(m->host_id, outside);
	assert_int_equal(m->size, size);
}

static void ranges_of_the_first_owner(void **state)
{
	static const char text[] = "# comment\nb:1:2\na:100000:65536\n\n a:300000:1000 \na:x:5\n"
				   "a:5\na:5:0\na:-5:7\na:4294967290:100\nab:9:9\n";
	static const char *const a[] = {"none", "a", "b", NULL}, *const none[] = {"none", NULL};
	g_autoptr(GPtrArray) list = subids_of(text, a);
	assert_non_null(list);
	assert_int_equal(list->len, 2);
	check_map(list, 0, 0, 100000, 65536);
	check_map(list, 1, 65536, 300000, 1000);
	assert_null(subids_of(text, none));
	assert_null(subids_of(NULL, a));
	assert_null(subids_of("", a));
}

static void each_its_own(void **state)
{
	Identities *all = identities_new(NULL, NULL);
	assert_false(identities_remap(all));
	HostConfig h = {.userns_mode = (char *)"auto"};
	Identity *i[3], *none;
	for (guint k = 0; k < 3; k++)
		assert_true(identity_choose(all, &h, &i[k], NULL));
	for (guint k = 0; k < 3; k++) {
		const OciIdMap *m = i[k]->uids->pdata[0], *n = i[(k + 1) % 3]->uids->pdata[0];
		assert_int_equal(m->size, 65536);
		assert_true(m->host_id != n->host_id);
	}
	/* A row with the same mapping is the same identity, which stays taken. */
	Identity *again = identity_restore(all, i[0]->uids, i[0]->gids);
	assert_ptr_equal(again, i[0]);
	identity_unref(again);
	h.userns_mode = NULL;
	assert_true(identity_choose(all, &h, &none, NULL));
	assert_null(none);
	h.userns_mode = (char *)"bogus";
	g_autoptr(GError) error = NULL;
	assert_false(identity_validate(all, &h, &error));
	assert_string_equal(error->message, "invalid user namespace mode: bogus");
	for (guint k = 0; k < 3; k++)
		identity_unref(i[k]);
	identities_free(all);
}

static void all_ranges_and_no_more(void **state)
{
	Identities *all = identities_new("auto", NULL);
	assert_true(identities_remap(all));
	HostConfig h = {0};
	g_autoptr(GPtrArray) got = g_ptr_array_new_with_free_func((GDestroyNotify)identity_unref);
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	g_autoptr(GError) error = NULL;
	Identity *i;
	while (identity_choose(all, &h, &i, &error)) {
		const OciIdMap *m = i->gids->pdata[0];
		assert_true(g_hash_table_add(seen, GSIZE_TO_POINTER(m->host_id)));
		g_ptr_array_add(got, i);
		assert_true(got->len < 100000);
	}
	assert_true(got->len > 0);
	assert_true(strstr(error->message, "no range of 65536 IDs is left") != NULL);
	/* One that is given back is the next. */
	const OciIdMap *m = ((Identity *)got->pdata[got->len / 2])->uids->pdata[0];
	int64_t freed = m->host_id;
	g_ptr_array_remove_index(got, got->len / 2);
	assert_true(identity_choose(all, &h, &i, NULL));
	m = i->uids->pdata[0];
	assert_int_equal(m->host_id, freed);
	g_ptr_array_add(got, i);
	g_clear_pointer(&got, g_ptr_array_unref);
	identities_free(all);
}

static void there_and_back(void **state)
{
	static const char *const a[] = {"a", NULL};
	g_autoptr(GPtrArray) maps = subids_of("a:100000:10\na:200000:10\n", a);
	Identities *all = identities_new(NULL, NULL);
	Identity *i = identity_restore(all, maps, maps);
	int64_t uid = 3, gid = 12;
	assert_true(identity_to_host(i, &uid, &gid, NULL));
	assert_int_equal(uid, 100003);
	assert_int_equal(gid, 200002);
	identity_to_container(i, &uid, &gid);
	assert_int_equal(uid, 3);
	assert_int_equal(gid, 12);
	uid = 0, gid = 99999;
	identity_to_container(i, &uid, &gid);
	assert_int_equal(uid, 65534);
	assert_int_equal(gid, 65534);
	uid = 9, gid = 20;
	g_autoptr(GError) error = NULL;
	assert_false(identity_to_host(i, &uid, &gid, &error));
	assert_string_equal(error->message, "Container ID 20 cannot be mapped to a host ID");
	uid = 7, gid = 8;
	assert_true(identity_to_host(NULL, &uid, &gid, NULL));
	identity_to_container(NULL, &uid, &gid);
	assert_int_equal(uid, 7);
	assert_null(identity_restore(all, NULL, NULL));
	identity_unref(i);
	identities_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_of_the_first_owner),
		cmocka_unit_test(each_its_own),
		cmocka_unit_test(all_ranges_and_no_more),
		cmocka_unit_test(there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
