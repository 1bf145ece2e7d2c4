"""Draws what compare.py measured as SVG: MiB/s over the number of readers or writers, one panel for each kind of
transfer, one line for each peer, with the range of its rounds.

It reads rows as compare.py's JSON has them, and computes nothing but medians.

usage: chart.py COMPARE.json CHART.svg
"""
import json
import statistics
import sys
from html import escape
from pathlib import Path
from textwrap import wrap

COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 440, 300
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 16, 46
HEAD = 70
LEGEND_ROW = 20
MIB = 1 << 20
# Okabe and Ito's colours, which most people can tell apart; ours are drawn thicker.
COLOURS = ["#000000", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#7f7f7f"]
OUR_COLOURS = ["#d55e00", "#56b4e9", "#8c564b"]
MARKS = ["circle", "square", "diamond"]


def curves_of(rows):
    """{panel: {peer: [(concurrency, least, median, most MiB/s)]}}, of panels with two points or more."""
    panels = {}
    for row in rows:
        if not row["curve"]:
            continue
        for peer, rates in row["operations per second"].items():
            speeds = [rate * row["bytes"] / MIB for rate in rates]
            if speeds:
                panels.setdefault(row["curve"], {}).setdefault(peer, []).append(
                    (row["concurrency"], min(speeds), statistics.median(speeds), max(speeds)))
    for panel in panels.values():
        for points in panel.values():
            points.sort()
    return {name: panel for name, panel in panels.items() if len({p[0] for line in panel.values() for p in line}) > 1}


def rounded_up(value):
    """The end of an axis and the step between its marks, four to six of them."""
    step = 1.0
    while step * 10 < value:
        step *= 10
    while step > value:
        step /= 10
    step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if value / (step * part) <= 6)
    marks = int(value / step) + 1
    return marks * step, step


def mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    if kind == "square":
        return f'<rect x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4" fill="{colour}"/>'
    return f'<path d="M{x:.1f} {y - 4.5:.1f} l4.5 4.5 l-4.5 4.5 l-4.5 -4.5 z" fill="{colour}"/>'


def text(x, y, content, anchor="middle", size=11, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>{escape(content)}</text>'


def draw_panel(title, lines, styles):
    concurrencies = sorted({point[0] for points in lines.values() for point in points})
    top, step = rounded_up(max(point[3] for points in lines.values() for point in points))
    width, height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM

    def at_x(concurrency):
        return LEFT + width * (concurrencies.index(concurrency) + 0.5) / len(concurrencies)

    def at_y(speed):
        return TOP + height * (1 - speed / top)

    out = [text(LEFT + width / 2, TOP - 12, title, size=13, more=' font-weight="bold"')]
    for i in range(round(top / step) + 1):
        y = at_y(i * step)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + width}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(text(LEFT - 6, y + 4, f"{i * step:,.0f}" if step >= 1 else f"{i * step:g}", "end"))
    for concurrency in concurrencies:
        out.append(text(at_x(concurrency), TOP + height + 16, str(concurrency)))
    out.append(text(LEFT + width / 2, TOP + height + 34, "readers or writers at once"))
    out.append(text(14, TOP + height / 2, "MiB/s", more=f' transform="rotate(-90 14 {TOP + height / 2:.1f})"'))
    for i, (peer, points) in enumerate(lines.items()):
        colour, thickness, kind = styles[peer]
        shift = (i - (len(lines) - 1) / 2) * 2.5  # so that ranges at one place can be told apart
        path = " ".join(f"{at_x(p[0]) + shift:.1f},{at_y(p[2]):.1f}" for p in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thickness}"/>')
        for concurrency, least, median, most in points:
            x = at_x(concurrency) + shift
            out.append(f'<line x1="{x:.1f}" y1="{at_y(least):.1f}" x2="{x:.1f}" y2="{at_y(most):.1f}" stroke="{colour}"'
                       ' stroke-opacity="0.45"/>')
            out.append(mark(kind, x, at_y(median), colour))
    return out


def draw(rows, peers, subtitle):
    """The chart, or None if no kind of transfer was measured at two concurrencies. peers: (name, whether ours)."""
    panels = curves_of(rows)
    if not panels:
        return None
    styles = {}
    for ours, colours, thickness in ((False, COLOURS, 1.5), (True, OUR_COLOURS, 2.6)):
        for i, name in enumerate(name for name, is_ours in peers if is_ours == ours):
            styles[name] = (colours[i % len(colours)], thickness, MARKS[i % len(MARKS)])
    panel_rows = -(-len(panels) // COLUMNS)
    width = COLUMNS * PANEL_WIDTH
    legend = [name for name, _ in peers if any(name in panel for panel in panels.values())]
    per_row = max(1, width // 150)
    legend_rows = -(-len(legend) // per_row)
    panels_begin = HEAD + legend_rows * LEGEND_ROW
    height = panels_begin + panel_rows * PANEL_HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
           ' font-family="sans-serif" fill="#222222">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           text(width / 2, 22, "One flat file system on each library: MiB/s", size=15, more=' font-weight="bold"'),
           *(text(width / 2, 38 + 13 * i, part, size=10) for i, part in enumerate(wrap(subtitle, 130)))]
    for i, name in enumerate(legend):
        colour, thickness, kind = styles[name]
        x, y = 20 + i % per_row * 150, HEAD + i // per_row * LEGEND_ROW + 6
        out.append(f'<line x1="{x}" y1="{y}" x2="{x + 22}" y2="{y}" stroke="{colour}" stroke-width="{thickness}"/>')
        out.append(mark(kind, x + 11, y, colour))
        out.append(text(x + 28, y + 4, name, "start"))
    for i, (title, lines) in enumerate(panels.items()):
        x, y = i % COLUMNS * PANEL_WIDTH, panels_begin + i // COLUMNS * PANEL_HEIGHT
        out.append(f'<g transform="translate({x} {y})">')
        out += draw_panel(title, lines, styles)
        out.append("</g>")
    return "\n".join([*out, "</svg>", ""])


def subtitle_of(told):
    return f"median and range of {told['rounds']} rounds of {told['seconds']} s; {told['environment']}"


def draw_told(told):
    """The chart of what compare.py's JSON tells."""
    return draw(told["rows"], [(peer["name"], peer["ours"]) for peer in told["peers"]], subtitle_of(told))


if __name__ == "__main__":
    drawn = draw_told(json.loads(Path(sys.argv[1]).read_text()))
    if not drawn:
        sys.exit(f"{sys.argv[1]} has no kind of transfer at two concurrencies")
    Path(sys.argv[2]).write_text(drawn)
