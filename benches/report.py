"""What compare.py prints: ratios and CPU times row by row, and how ours did beside each other peer.

It reads rows as compare.py's JSON has them.
"""
import math
import statistics

from side_by_side import first_line, spread

WORK = 40
COLUMN = 19


def pairs(row, one, other):
    """Ratios of operations per second within each round, empty if one of both has no figures."""
    rates = row["operations per second"]
    return [a / b for a, b in zip(rates.get(one, []), rates.get(other, []))]


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def line(first, cells):
    return f"{first:<{WORK}}" + "".join(f"{cell:<{COLUMN}}" for cell in cells).rstrip()


def head(told, base):
    out = [told["environment"]]
    out += [f"  {peer['name']}: {peer['what']}" for peer in told["peers"]]
    out += [f"  left out: {name}: {first_line(reason)}" for name, reason in told["left out"].items()]
    return "\n".join([*out, "", f"{told['rounds']} rounds of {told['seconds']} s; operations/s of each divided by that"
                      f" of {base} in the same round, median [min-max]",
                      line("work", [peer["name"] for peer in told["peers"] if peer["name"] != base])])


def ratio_line(row, names, base):
    cells = []
    for name in names:
        if name != base:
            ratios = pairs(row, name, base)
            cells.append(spread(ratios) if ratios else "failed" if name in row["failed"] else "-")
    return line(row["work"], cells)


def failures(rows):
    return [f"failed: {name}, \"{row['work']}\": {first_line(reason)}"
            for row in rows for name, reason in row["failed"].items()]


def cpu_table(rows, names):
    out = ["", "CPU us of the server per operation, median [min-max]", line("work", names)]
    for row in rows:
        figures = row["CPU us per operation"]
        out.append(line(row["work"], [cpu_cell(figures.get(name)) for name in names]))
    return "\n".join(out)


def cpu_cell(figures):
    return spread(figures, 0 if max(figures) >= 100 else 1) if figures else "-"


def summary(rows, ours, others):
    """How each of ours did beside each other: geometric mean of the rows' medians, the lowest row, rows below 1."""
    out = ["", "ours beside the others: medians of the rows above",
           line("", ["geometric mean", "CPU, geo. mean", "rows below 1.00"]) + "  lowest"]
    for mine in ours:
        for other in others:
            medians = {row["work"]: statistics.median(pairs(row, mine, other))
                       for row in rows if pairs(row, mine, other)}
            if not medians:
                out.append(line(f"{mine} / {other}", ["-", "-", "-"]))
                continue
            lowest = min(medians, key=medians.get)
            below = sum(value < 1 for value in medians.values())
            cells = [f"{geometric_mean(medians.values()):.2f}", cpu_mean(rows, mine, other),
                     f"{below} of {len(medians)}"]
            out.append(f"{line(f'{mine} / {other}', cells):<{WORK + 3 * COLUMN}}  {medians[lowest]:.2f} {lowest}")
    return "\n".join(out)


def cpu_mean(rows, one, other):
    ratios = []
    for row in rows:
        figures = row["CPU us per operation"]
        if figures.get(one) and figures.get(other):
            a, b = statistics.median(figures[one]), statistics.median(figures[other])
            if a > 0 and b > 0:  # the clock of CPU times ticks every 10 ms
                ratios.append(a / b)
    return f"{geometric_mean(ratios):.2f}" if ratios else "-"
