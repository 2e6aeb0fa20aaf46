/* SPDX-License-Identifier: MIT */
/*
 * Feeds any bytes to the unpacking of a layer, in a directory of its own. Whatever the archive
 * says, nothing may appear beside that directory.
 */
#include "base/fs.h"
#include "store/untar.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
	const uint8_t *data;
	size_t left;
} Input;

static ssize_t read_input(void *arg, void *buf, size_t n)
{
	Input *in = arg;
	n = MIN(n, in->left);
	memcpy(buf, in->data, n);
	in->data += n;
	in->left -= n;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/dhow-fuzz-XXXXXX";
	if (!mkdtemp(path))
		abort();
	int outside = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (outside < 0)
		abort();
	for (int lowest = 0; lowest < 2; lowest++) {
		Input in = {data, size};
		Untarred got = {0};
		g_autoptr(GError) error = NULL;
		if (mkdirat(outside, "layer", 0700) < 0)
			abort();
		int dir = openat(outside, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			abort();
		(void)untar_layer(dir, read_input, &in, lowest, &got, &error);
		close(dir);
		g_free(got.diff_id);
		if (!dh_remove_tree(outside, "layer", NULL))
			abort();
	}
	close(outside);
	if (rmdir(path) < 0)
		abort(); /* something was left beside the layer */
	return 0;
}
