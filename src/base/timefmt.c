/* SPDX-License-Identifier: MIT */
#include "base/timefmt.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GO_ZERO_SECONDS INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */

int64_t dh_time_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * DH_NSEC + ts.tv_nsec;
}

static void split(int64_t t, struct tm *tm, long *nsec)
{
	time_t sec = (time_t)(t / DH_NSEC);
	*nsec = (long)(t % DH_NSEC);
	if (*nsec < 0) {
		*nsec += DH_NSEC;
		sec--;
	}
	gmtime_r(&sec, tm);
}

size_t dh_time_format_fixed(int64_t t, char *buf)
{
	if (t == DH_TIME_ZERO)
		return (size_t)snprintf(buf, 36, "0001-01-01T00:00:00Z");
	struct tm tm;
	long nsec;
	split(t, &tm, &nsec);
	return (size_t)snprintf(buf, 36, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
		(tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec, nsec);
}

char *dh_time_format(int64_t t)
{
	char buf[36];
	size_t n = dh_time_format_fixed(t, buf);
	if (t == DH_TIME_ZERO)
		return g_strdup(buf);
	n--; /* Z */
	while (buf[n - 1] == '0')
		n--;
	if (buf[n - 1] == '.')
		n--;
	memcpy(buf + n, "Z", 2);
	return g_strdup(buf);
}

static gboolean parse_unix(const char *text, int64_t *ret)
{
	char *end;
	const char *dot = strchr(text, '.');
	gint64 sec = g_ascii_strtoll(text, &end, 10);
	if (end == text || (*end && end != dot) || sec > G_MAXINT64 / DH_NSEC ||
		sec < G_MININT64 / DH_NSEC)
		return FALSE;
	int64_t nsec = 0;
	if (dot) {
		int64_t unit = DH_NSEC;
		for (const char *p = dot + 1; *p; p++) {
			if (!g_ascii_isdigit(*p))
				return FALSE;
			unit /= 10;
			nsec += (*p - '0') * unit;
		}
	}
	int64_t t;
	if (__builtin_mul_overflow(sec, DH_NSEC, &t) ||
		__builtin_add_overflow(t, *text == '-' ? -nsec : nsec, &t))
		return FALSE;
	*ret = t;
	return TRUE;
}

/* Go's zero time is what images of unknown age carry; other times must fit. */
static gboolean from_seconds(int64_t sec, int64_t nsec, int64_t *ret)
{
	if (sec == GO_ZERO_SECONDS && nsec == 0) {
		*ret = DH_TIME_ZERO;
		return TRUE;
	}
	int64_t t;
	if (__builtin_mul_overflow(sec, DH_NSEC, &t) || __builtin_add_overflow(t, nsec, &t))
		return FALSE;
	*ret = t;
	return TRUE;
}

gboolean dh_time_parse(const char *text, int64_t now, int64_t *ret, GError **error)
{
	int64_t d;
	if (parse_unix(text, ret))
		return TRUE;
	if (dh_duration_parse(text, &d, NULL) && !__builtin_sub_overflow(now, d, ret))
		return TRUE;
	g_autofree char *full = NULL;
	const char *t = strchr(text, 'T');
	if (!t)
		full = g_strdup_printf("%sT00:00:00", text);
	else if (strlen(t) == 6)
		full = g_strdup_printf("%s:00", text);
	else
		full = g_strdup(text);
	g_autoptr(GTimeZone) local = g_time_zone_new_local();
	g_autoptr(GDateTime) dt = g_date_time_new_from_iso8601(full, local);
	if (!dt)
		return dh_error(error, DH_ERROR_INVALID,
			"invalid value for \"%s\": not a time, a Unix time or a duration", text);
	/* GDateTime keeps microseconds; the fraction is read again for the nanoseconds. */
	int64_t nsec = 0;
	const char *dot = strchr(full, '.');
	if (dot) {
		int64_t unit = DH_NSEC;
		for (const char *p = dot + 1; g_ascii_isdigit(*p) && unit > 1; p++) {
			unit /= 10;
			nsec += (*p - '0') * unit;
		}
	}
	if (!from_seconds(g_date_time_to_unix(dt), nsec, ret))
		return dh_error(
			error, DH_ERROR_INVALID, "invalid value for \"%s\": out of range", text);
	return TRUE;
}

gboolean dh_duration_parse(const char *text, int64_t *ret, GError **error)
{
	static const struct {
		const char *name;
		double nsec;
	} units[] = {
		{"ns", 1},
		{"us", 1e3},
		{"µs", 1e3},
		{"μs", 1e3},
		{"ms", 1e6},
		{"s", 1e9},
		{"m", 60e9},
		{"h", 3600e9},
	};
	const char *p = text;
	gboolean negative = FALSE;
	if (*p == '-' || *p == '+')
		negative = *p++ == '-';
	if (strcmp(p, "0") == 0) {
		*ret = 0;
		return TRUE;
	}
	double total = 0;
	gboolean any = FALSE;
	while (*p) {
		char *end;
		if (!g_ascii_isdigit(*p) && *p != '.')
			goto bad;
		double n = g_ascii_strtod(p, &end);
		if (end == p)
			goto bad;
		size_t len = 0;
		while (end[len] && !g_ascii_isdigit(end[len]) && end[len] != '.')
			len++;
		guint i;
		for (i = 0; i < G_N_ELEMENTS(units); i++) {
			if (strlen(units[i].name) == len && strncmp(units[i].name, end, len) == 0)
				break;
		}
		if (i == G_N_ELEMENTS(units))
			goto bad;
		total += n * units[i].nsec;
		p = end + len;
		any = TRUE;
	}
	if (!any || !(total < 9.2e18))
		goto bad;
	*ret = (int64_t)(negative ? -total - 0.5 : total + 0.5);
	return TRUE;
bad:
	return dh_error(error, DH_ERROR_INVALID, "time: invalid duration \"%s\"", text);
}

/* n / unit as a decimal without trailing zeros. */
static void append_decimal(GString *s, int64_t n, int64_t unit, const char *name)
{
	g_string_append_printf(s, "%" G_GINT64_FORMAT, n / unit);
	int64_t rest = n % unit;
	if (rest)
		g_string_append_c(s, '.');
	while (rest && unit > 1) {
		unit /= 10;
		g_string_append_c(s, (char)('0' + rest / unit));
		rest %= unit;
	}
	g_string_append(s, name);
}

char *dh_duration_format(int64_t nsec)
{
	if (nsec == 0)
		return g_strdup("0s");
	g_autoptr(GString) s = g_string_new(nsec < 0 ? "-" : "");
	int64_t n = nsec < 0 ? -nsec : nsec;
	if (n < 1000) {
		append_decimal(s, n, 1, "ns");
	} else if (n < 1000000) {
		append_decimal(s, n, 1000, "µs");
	} else if (n < DH_NSEC) {
		append_decimal(s, n, 1000000, "ms");
	} else {
		int64_t minutes = n / (60 * DH_NSEC);
		if (minutes >= 60)
			g_string_append_printf(s, "%" G_GINT64_FORMAT "h", minutes / 60);
		if (minutes > 0)
			g_string_append_printf(s, "%" G_GINT64_FORMAT "m", minutes % 60);
		append_decimal(s, n % (60 * DH_NSEC), DH_NSEC, "s");
	}
	return g_string_free(g_steal_pointer(&s), FALSE);
}

char *dh_duration_human(int64_t nsec)
{
	int64_t seconds = nsec / DH_NSEC;
	int64_t minutes = seconds / 60;
	double hours_exact = (double)nsec / 3600e9;
	int64_t hours = (int64_t)(hours_exact + 0.5);
	if (seconds < 1)
		return g_strdup("Less than a second");
	if (seconds == 1)
		return g_strdup("1 second");
	if (seconds < 60)
		return g_strdup_printf("%" G_GINT64_FORMAT " seconds", seconds);
	if (minutes == 1)
		return g_strdup("About a minute");
	if (minutes < 60)
		return g_strdup_printf("%" G_GINT64_FORMAT " minutes", minutes);
	if (hours == 1)
		return g_strdup("About an hour");
	if (hours < 48)
		return g_strdup_printf("%" G_GINT64_FORMAT " hours", hours);
	if (hours < 24 * 7 * 2)
		return g_strdup_printf("%" G_GINT64_FORMAT " days", hours / 24);
	if (hours < 24 * 30 * 2)
		return g_strdup_printf("%" G_GINT64_FORMAT " weeks", hours / 24 / 7);
	if (hours < 24 * 365 * 2)
		return g_strdup_printf("%" G_GINT64_FORMAT " months", hours / 24 / 30);
	return g_strdup_printf("%" G_GINT64_FORMAT " years", (int64_t)(hours_exact / 24 / 365));
}
