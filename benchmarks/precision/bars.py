"""What is judged of a row, and the tables."""
BAR = 1.02  # the chosen engine's time over the better of the float and the all-INT8 engine's
WINS = 0.95  # clearly quicker than both
LESS_NOISE = 1.0  # dB, or more noise


def quieter(row):
    """How many dB the chosen engine is better than the all-INT8 one."""
    chosen, int8 = (999.0 if row[key] is None else row[key] for key in ("chosen_sqnr_db", "int8_sqnr_db"))
    return chosen - int8


def verdict(row):
    if row["asked_loss"] is not None:
        return "kept" if row["got_loss"] <= row["asked_loss"] else "NOT KEPT"
    if row["ratio"] > BAR:
        return "SLOWER"
    if row["ratio"] <= WINS:
        return "beats both" + (", MORE NOISE" if quieter(row) <= -LESS_NOISE else "")
    return "ok" if abs(quieter(row)) < LESS_NOISE else "less noise" if quieter(row) > 0 else "MORE NOISE"


def decibels(value):
    return "inf" if value is None else f"{value:.1f}"


COLUMNS = (
    ("model", "{:15}", lambda r: r["model"]),
    ("scheme", "{:17}", lambda r: r["scheme"]),
    ("float ms", "{:>9}", lambda r: f"{r['float_ms']:.4g}"),
    ("int8", "{:>8}", lambda r: f"{r['int8_ms']:.4g}"),
    ("chosen", "{:>8}", lambda r: f"{r['chosen_ms']:.4g}"),
    ("predicted", "{:>9}", lambda r: f"{r['predicted_ms']:.4g}" if r["predicted_ms"] else "-"),
    ("ratio", "{:>6}", lambda r: f"{r['ratio']:.3f}"),
    ("of bests", "{:>8}", lambda r: f"{r['ratio_of_bests']:.3f}"),
    ("metric", "{:9}", lambda r: r["metric"]),
    ("float", "{:>6}", lambda r: f"{r['float_metric']:.2f}"),
    ("int8", "{:>6}", lambda r: f"{r['int8_metric']:.2f}"),
    ("chosen", "{:>6}", lambda r: f"{r['chosen_metric']:.2f}"),
    ("SQNR int8/chosen", "{:>16}",
     lambda r: f"{decibels(r['int8_sqnr_db'])} / {decibels(r['chosen_sqnr_db'])}"),
    ("in INT8", "{:>8}", lambda r: f"{r['weighted_int8']}/{r['weighted']}"),
    ("verdict", "{}", lambda r: verdict(r) + (
        f", {r['got_loss']:.2f} of {r['asked_loss']:g} points lost" if r["asked_loss"] is not None else "")),
)


def heading():
    return " ".join(form.format(name) for name, form, _ in COLUMNS)


def line(row):
    return " ".join(form.format(cell(row)) for _, form, cell in COLUMNS)


def summary(rows):
    plain = [r for r in rows if r["asked_loss"] is None]
    verdicts = [verdict(r) for r in plain]
    asked = [r for r in rows if r["asked_loss"] is not None]
    off = [f"{r['model']} {r['scheme']} {100 * (r['predicted_ms'] / r['chosen_ms'] - 1):+.0f} %" for r in plain
           if r["predicted_ms"] and abs(r["predicted_ms"] / r["chosen_ms"] - 1) > 0.15]
    lines = [f"chosen over the better of float and all-INT8: at most {BAR} in "
             f"{len(plain) - verdicts.count('SLOWER')} of {len(plain)} rows; at least 5 % quicker than both in "
             f"{sum(v.startswith('beats') for v in verdicts)}, as quick with less noise in {verdicts.count('less noise')}; "
             f"more noise than all-INT8 in {sum('MORE' in v for v in verdicts)}"]
    if asked:
        kept = sum(verdict(r) == "kept" for r in asked)
        lines.append(f"--max-loss kept its word in {kept} of {len(asked)} rows")
    lines.append(f"predicted more than 15 % off: {', '.join(off) or 'none'}")
    return "\n".join(lines)


def markdown(made):
    rows = made["rows"]
    lines = [f"{made['machine']}, {rows[0]['isa']}, {rows[0]['threads']} thread{'s' * (rows[0]['threads'] != 1)}, "
             f"batch {rows[0]['batch']}, {made['date']}. Medians in ms, metrics in points.", "",
             "| " + " | ".join(name for name, _, _ in COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(cell(row) for _, _, cell in COLUMNS) + " |" for row in rows]
    return "\n".join(lines + [""] + ["- " + line for line in summary(rows).splitlines()])
