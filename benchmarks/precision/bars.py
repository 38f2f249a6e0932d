"""What is judged of a row, and the tables."""

BAR = 1.02  # the chosen engine's time over the better of the float and the all-INT8 engine's
WINS = 0.95  # clearly quicker than both
LESS_NOISE = 1.0  # dB, or more noise


def quieter(row):
    """How many dB the chosen engine is better than the all-INT8 one."""
    chosen, int8 = row["chosen_sqnr_db"], row["int8_sqnr_db"]
    return (999.0 if chosen is None else chosen) - (999.0 if int8 is None else int8)


def verdict(row):
    if row["asked_loss"] is not None:
        word = "kept" if row["got_loss"] <= row["asked_loss"] else "NOT KEPT"
        return f"{word}, {row['got_loss']:.2f} of {row['asked_loss']:g} points lost"
    if row["ratio"] > BAR:
        return "SLOWER"
    words = ["beats both"] if row["ratio"] <= WINS else []
    if quieter(row) <= -LESS_NOISE:
        words.append("MORE NOISE")
    elif quieter(row) >= LESS_NOISE:
        words.append("less noise")
    return ", ".join(words) or "ok"


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
    ("SQNR of int8", "{:>12}", lambda r: decibels(r["int8_sqnr_db"])),
    ("chosen", "{:>6}", lambda r: decibels(r["chosen_sqnr_db"])),
    ("in INT8", "{:>8}", lambda r: f"{r['weighted_int8']}/{r['weighted']}"),
    ("verdict", "{}", verdict),
)


def heading():
    return " ".join(form.format(name) for name, form, _ in COLUMNS)


def line(row):
    return " ".join(form.format(cell(row)) for _, form, cell in COLUMNS)


def count(verdicts, word):
    return sum(word in v for v in verdicts)


def summary(rows):
    plain = [verdict(r) for r in rows if r["asked_loss"] is None]
    asked = [verdict(r) for r in rows if r["asked_loss"] is not None]
    wide = [r for r in rows if r["predicted_ms"] and abs(off(r)) > 0.15]
    names = [f"{r['model']} {r['scheme']} {100 * off(r):+.0f} %" for r in wide]
    lines = [
        f"Chosen over the better of float and all-INT8: at most {BAR} in "
        f"{len(plain) - count(plain, 'SLOWER')} of {len(plain)} rows, at least 5 % quicker than "
        f"both in {count(plain, 'beats both')}. Beside all-INT8: less noise in "
        f"{count(plain, 'less noise')}, more in {count(plain, 'MORE NOISE')}."
    ]
    if asked:
        lines.append(f"--max-loss kept its word in {count(asked, 'kept')} of {len(asked)} rows.")
    lines.append(f"Predictions more than 15 % off: {', '.join(names) or 'none'}.")
    return "\n".join(lines)


def off(row):
    """Predicted over measured, as far from 1 as it is."""
    return row["predicted_ms"] / row["chosen_ms"] - 1


def markdown(made):
    rows = made["rows"]
    first = rows[0]
    threads = f"{first['threads']} thread{'s' * (first['threads'] != 1)}"
    lines = [
        f"{made['machine']}, {first['isa']}, {threads}, batch {first['batch']}, {made['date']}. "
        "Medians in ms, metrics in points, SQNR in dB.",
        "",
        "| " + " | ".join(name for name, _, _ in COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
    ]
    lines += ["| " + " | ".join(cell(row) for _, _, cell in COLUMNS) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {text}" for text in summary(rows).splitlines())])
