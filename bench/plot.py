# SPDX-License-Identifier: MIT
"""plot - horizontal bars as SVG: a panel for each subject and unit, logarithmic, with lines from least to most."""
import math
import statistics
from xml.sax.saxutils import escape

import common

COLOURS = {"floor": "#9e9e9e", "dhow": "#0072b2", "dhow-runtime": "#0072b2", "before": "#56b4e9", "docker": "#e69f00",
           "podman-crun": "#009e73", "podman-runc": "#8bc9b5", "crun": "#009e73", "runc": "#cc79a7", "bubblewrap": "#d55e00"}
SIZES = ["#c6dbef", "#9ecae1", "#6baed6", "#3182bd", "#08519c", "#08306b"]
LABEL, CHART, RIGHT, BAR, GAP = 370, 500, 130, 12, 9
WIDTH = LABEL + CHART + RIGHT


class Panel:
    """groups: [(label, [(series, values)])]"""

    def __init__(self, title, unit, groups, colours):
        self.title, self.unit, self.groups, self.colours = title, unit, groups, colours
        medians = [statistics.median(v) for _, bars in groups for _, v in bars]
        positive = [m for m in medians if m > 0] or [1]
        self.low = math.floor(math.log10(min(positive)) - 0.3)
        self.high = max(math.log10(max(positive)) + 0.05, self.low + 1)

    def x(self, value):
        at = (math.log10(value) - self.low) / (self.high - self.low) if value > 0 else 0
        return LABEL + CHART * min(max(at, 0), 1)

    def height(self):
        return 60 + sum(len(bars) * BAR + GAP for _, bars in self.groups)

    def key(self, y):
        """Which colour is what."""
        names = list(dict.fromkeys(name for _, bars in self.groups for name, _ in bars))
        out, x = [], LABEL
        for name in names:
            out.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{self.colours[name]}"/>'
                       f'<text x="{x + 14}" y="{y}">{escape(str(name))}</text>')
            x += 24 + 7 * len(str(name))
        return out

    def grid(self, top, bottom):
        out = []
        for power in range(self.low, math.floor(self.high) + 1):
            x = self.x(10.0 ** power)
            out.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>'
                       f'<text x="{x:.1f}" y="{bottom + 12}" text-anchor="middle" fill="#777">'
                       f'{escape(common.show(10.0 ** power, self.unit))}</text>')
        return out

    def bar(self, y, name, values):
        median, low, high = statistics.median(values), self.x(min(values)), self.x(max(values))
        end, middle = self.x(median), y + BAR / 2 - 1
        out = [f'<rect x="{LABEL}" y="{y}" width="{max(end - LABEL, 1):.1f}" height="{BAR - 2}" fill="{self.colours[name]}"/>']
        if high > low:
            out.append(f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="#333"/>')
        out.append(f'<text x="{max(end, high) + 4:.1f}" y="{y + BAR - 3}">{escape(common.show(median, self.unit))}</text>')
        return out

    def draw(self, y):
        bottom = y + self.height() - 20
        out = [f'<text x="8" y="{y + 14}" font-size="14" font-weight="bold">{escape(self.title)}</text>', *self.key(y + 14)]
        y += 26
        out += self.grid(y, bottom - 8)
        for label, bars in self.groups:
            out.append(f'<text x="{LABEL - 6}" y="{y + len(bars) * BAR / 2 + 3:.1f}" text-anchor="end">{escape(label)}</text>')
            for name, values in bars:
                out += self.bar(y, name, values)
                y += BAR
            y += GAP
        return out


def direction(record):
    return f"{record['better']} is better, logarithmic"


def panels(data, titles, columns):
    found = []
    plain = [r for r in data["records"] if r["n"] is None]
    kinds = dict.fromkeys((r["subject"], r["unit"], direction(r)) for r in plain)
    for subject, unit, better in kinds:
        records = [r for r in plain if (r["subject"], r["unit"], direction(r)) == (subject, unit, better)]
        names = columns(records)
        groups = [(r["work"], [(n, r["values"][n]) for n in names if n in r["values"]]) for r in records]
        colours = {n: COLOURS.get(n, "#555") for n in names}
        found.append(Panel(f"{titles.get(subject, subject)} ({better})", unit, groups, colours))
    grown = [r for r in data["records"] if r["n"] is not None and "dhow" in r["values"]]
    for unit in dict.fromkeys(r["unit"] for r in grown):
        groups = {}
        for r in grown:
            if r["unit"] == unit:
                groups.setdefault(r["work"], []).append((f"{r['n']:,}", r["values"]["dhow"]))
        sizes = list(dict.fromkeys(n for bars in groups.values() for n, _ in bars))
        found.append(Panel("Dhow, containers running:", unit, list(groups.items()), dict(zip(sizes, SIZES * 3))))
    return found


def svg(data, titles, columns):
    y, body = 10, []
    for panel in panels(data, titles, columns):
        body += panel.draw(y)
        y += panel.height() + 16
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
            'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n'
            + "\n".join(body) + "\n</svg>\n")
