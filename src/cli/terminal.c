/* SPDX-License-Identifier: MIT */
#include "cli/terminal.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* For signal handlers: fd is stored last and cleared first. */
static struct termios saved;
static volatile int raw_fd = -1;

gboolean terminal_is_tty(int fd)
{
	return isatty(fd) == 1;
}

void terminal_size(int fd, unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize ws = {0};
	gboolean ok = ioctl(fd, TIOCGWINSZ, &ws) == 0;
	*ret_rows = ok ? ws.ws_row : 0;
	*ret_columns = ok ? ws.ws_col : 0;
}

static gboolean change(int fd, void (*how)(struct termios *), const char *failure, GError **error)
{
	struct termios t;
	if (!terminal_is_tty(fd))
		return TRUE;
	terminal_restore();
	if (tcgetattr(fd, &t) < 0)
		return dh_error_errno(error, errno, "%s", failure);
	saved = t;
	how(&t);
	if (tcsetattr(fd, TCSADRAIN, &t) < 0)
		return dh_error_errno(error, errno, "%s", failure);
	raw_fd = fd;
	return TRUE;
}

gboolean terminal_raw(int fd, GError **error)
{
	return change(fd, cfmakeraw, "unable to set IO streams as raw terminal", error);
}

static void echo_off(struct termios *t)
{
	t->c_lflag &= ~(tcflag_t)ECHO;
	/* the line break is echoed all the same: what follows stands on a line of its own */
	t->c_lflag |= ECHONL;
}

gboolean terminal_no_echo(int fd, GError **error)
{
	return change(fd, echo_off, "unable to switch the terminal's echo off", error);
}

void terminal_restore(void)
{
	int fd = raw_fd;
	int keep = errno;
	raw_fd = -1;
	if (fd >= 0)
		tcsetattr(fd, TCSANOW, &saved);
	errno = keep;
}

static gboolean parse_key(const char *text, guint8 *ret)
{
	if (text[0] && !text[1]) {
		*ret = (guint8)text[0];
		return TRUE;
	}
	if (!g_str_has_prefix(text, "ctrl-") || !text[5] || text[6])
		return FALSE;
	char c = text[5];
	if (g_ascii_islower(c)) {
		*ret = (guint8)(c - 'a' + 1);
		return TRUE;
	}
	/* @ [ \ ] ^ _ are 0 and 27-31: their codes without the upper bits. */
	if (!strchr("@[\\]^_", c))
		return FALSE;
	*ret = (guint8)(c & 0x1f);
	return TRUE;
}

gboolean detach_keys_parse(const char *text, DetachKeys *ret, GError **error)
{
	DetachKeys k = {.n = 0};
	if (!text || !*text)
		text = "ctrl-p,ctrl-q";
	g_auto(GStrv) words = g_strsplit(text, ",", -1);
	for (char **w = words; *w; w++) {
		if (k.n == DETACH_KEYS_MAX || !parse_key(*w, &k.keys[k.n]))
			return dh_error(error, DH_ERROR_INVALID, "Unknown character: '%s'", *w);
		k.n++;
	}
	*ret = k;
	return TRUE;
}

/* How many of the keys a mismatch leaves matched: the longest proper prefix of the sequence that
 * the bytes keys[0..m) end with. Sequences are short, so it is looked up the plain way. */
static guint fall_back(const DetachKeys *k, guint m)
{
	for (guint len = m - 1; len > 0; len--) {
		if (memcmp(k->keys, k->keys + m - len, len) == 0)
			return len;
	}
	return 0;
}

size_t detach_keys_filter(
	DetachKeys *k, const guint8 *in, size_t n, guint8 *out, gboolean *ret_detached)
{
	size_t o = 0;
	*ret_detached = FALSE;
	for (size_t i = 0; i < n; i++) {
		while (k->matched && in[i] != k->keys[k->matched]) {
			guint keep = fall_back(k, k->matched);
			memcpy(out + o, k->keys, k->matched - keep);
			o += k->matched - keep;
			k->matched = keep;
		}
		if (k->n == 0 || in[i] != k->keys[k->matched]) {
			out[o++] = in[i];
			continue;
		}
		if (++k->matched == k->n) {
			k->matched = 0;
			*ret_detached = TRUE;
			return o;
		}
	}
	return o;
}
