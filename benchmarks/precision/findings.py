"""What the sweep's rows say: selections of them, and the text of the documentation."""

import numpy as np

# Bytes of the float input.
CLASSES = ((256 << 10, "up to 256 KiB"), (4 << 20, "up to 4 MiB"), (1 << 62, "larger"))


def share(row):
    """Balance by T_float."""
    return row["balance_us"] / row["float_us"]


def singles(rows):
    return [r for r in rows if r["depth"] == 1]


def forms(rows):
    """(kernel, depthwise) as they are drawn: dense ones first."""
    return sorted({(r["kernel"], r["depthwise"]) for r in rows}, key=lambda f: (f[1], f[0]))


def form_name(kernel, depthwise):
    return f"{'depthwise ' * depthwise}{kernel}×{kernel}"


def by_size(rows):
    """(text, rows) by how large the float input is."""
    least = 0
    for most, text in CLASSES:
        some = [r for r in rows if least < 4 * r["values"] <= most]
        least = most
        if some:
            yield text, some


def losing_channels(rows, size):
    """With how many channels INT8 loses at this size; "" where nothing was measured."""
    these = [r for r in rows if r["size"] == size]
    losing = sorted(r["channels"] for r in these if r["balance_us"] <= 0)
    return ", ".join(map(str, losing)) if losing else "–" if these else ""


def table(rows):
    """Where the balance is negative."""
    sizes = sorted({r["size"] for r in rows})
    lines = ["| | " + " | ".join(map(str, sizes)) + " |", "|---" * (len(sizes) + 1) + "|"]
    for batch in sorted({r["batch"] for r in rows}):
        for form in forms(rows):
            these = [r for r in rows if (r["batch"], r["kernel"], r["depthwise"]) == (batch, *form)]
            cells = [losing_channels(these, size) for size in sizes]
            lines.append(f"| {form_name(*form)}, batch {batch} | " + " | ".join(cells) + " |")
    return lines


def giga_per_second(rows, amounts, key):
    """Median of amounts over microseconds."""
    return float(np.median([amounts(r) / r[key] / 1e3 for r in rows]))


def operations(row):
    return row["operations"]


def converted_bytes(row):
    return 5 * row["values"]


def rates(rows):
    """The machine's rates as they were measured, and where they put the break-even."""
    busy = [r for r in rows if r["inputs"] >= 64 and r["kernel"] > 1]
    if not busy:
        return []
    float_rate = giga_per_second(busy, operations, "float_us")
    int8_rate = giga_per_second(busy, operations, "int8_us")
    lines = [
        f"- 3×3 and 5×5 of 64 channels and more: float {float_rate:.0f} GOP/s, "
        f"INT8 {int8_rate:.0f} GOP/s."
    ]
    for text, part in by_size([r for r in rows if r["quantize_us"] > 1]):
        quantize = giga_per_second(part, converted_bytes, "quantize_us")
        dequantize = giga_per_second(part, converted_bytes, "dequantize_pass_us")
        even = 5 / quantize / 2 / (1 / float_rate - 1 / int8_rate)
        lines.append(
            f"- Float input {text}: quantize {quantize:.0f} GB/s, a dequantize of its own "
            f"{dequantize:.0f} GB/s. With these rates a kernel that writes float itself breaks "
            f"even at C·k² = {even:.0f}."
        )
    return lines


def trust(rows, what):
    """How the balance compares with whole engines."""
    if not rows:
        return f"- {what}: none measured."
    agree = sum((r["balance_us"] > 0) == (r["engine_int8_ms"] < r["engine_float_ms"]) for r in rows)
    apart = [
        abs(r["engine_float_ms"] - r["engine_int8_ms"] - r["balance_us"] / 1e3)
        / r["engine_float_ms"]
        for r in rows
    ]
    return (
        f"- {what}: the balance has the sign of the whole engines' difference in {agree} of "
        f"{len(rows)} networks; the two are {100 * np.median(apart):.1f} % of the float engine's "
        "time apart (median)."
    )


def summary(made):
    rows, single = made["rows"], singles(made["rows"])
    threads = f", {made['threads']} thread{'s' * (made['threads'] != 1)}"
    where = made["machine"] + (threads if made["device"] == "cpu" else "")
    return "\n".join(
        [
            f"{where}, {len(rows)} networks, {made['date']}. Channels with which INT8 loses, by "
            "height and width (–: none):",
            "",
            *table(single),
            "",
            trust([r for r in rows if not r["depthwise"]], "Dense"),
            trust([r for r in rows if r["depthwise"]], "Depthwise"),
            *rates(single),
        ]
    )
