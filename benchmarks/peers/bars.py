"""What is judged, without running anything: ISA classes, the best correct peer, bars, tables."""

from statistics import median

CLASSES = ("avx2", "avxvnni", "avx512vnni", "amx")  # weakest first
ONEDNN = {
    "avx2": "AVX2",
    "avxvnni": "AVX2_VNNI",
    "avx512vnni": "AVX512_CORE_VNNI",
    "amx": "AVX512_CORE_AMX",
}
CASES = ((1, 1), (1, 2), (8, 1))  # batch, threads

# Octile's INT8 time over the best correct peer's, at most; by CASES where they differ.
SMALL = ("yolox_nano", "resnet20", "kws", "efficientnet_lite0")
BARS = {
    "avx512vnni": {
        "resnet50": (0.92, 0.92, 0.95),
        "mobilenetv2": 0.75,
        "mnist": 0.8,
        **dict.fromkeys(SMALL, 0.8),
        "bert_block": 0.95,
        "gemm_1024": 1.03,
    },
    "avx2": {
        "resnet50": 0.92,
        "mobilenetv2": 0.8,
        "mnist": 0.9,
        **dict.fromkeys(SMALL, 0.85),
        "bert_block": 1.0,
        "gemm_1024": 1.2,
    },
    "amx": {
        "resnet50": 0.75,
        "mobilenetv2": 0.75,
        "mnist": 0.8,
        **dict.fromkeys(SMALL, 0.8),
        "bert_block": 0.95,
        "gemm_1024": 1.03,
    },
}
OR_SHARE = {("avx512vnni", "resnet50"): 0.86}  # of the dot-product peak, instead of the ratio
OVER_FLOAT = {
    "avx512vnni": {"resnet50": 3.3, "mobilenetv2": 2.5},  # Octile's float over its INT8, at least
    "avx2": {"resnet50": 2.0, "mobilenetv2": 1.8},
}
FLOAT_BAR = 1.05  # Octile's float over the best peer's, ResNet-50
SQNR_MARGIN = 3.0  # dB below Octile's: a peer that is worse is no bar


def class_of(flags):
    """The ISA class of /proc/cpuinfo's flags; None: none of ours."""
    flags = set(flags)
    if "amx_int8" in flags:
        return "amx"
    if "avx512_vnni" in flags:
        return "avx512vnni"
    if "avx_vnni" in flags:
        return "avxvnni"
    return "avx2" if "avx2" in flags else None


def cpu_flags(path="/proc/cpuinfo"):
    with open(path) as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return line.split(":", 1)[1].split()
    return []


def bar_of(isa, model, batch, threads):
    """None: the issue names none."""
    bar = BARS.get(isa, {}).get(model)
    if isinstance(bar, tuple):
        return dict(zip(CASES, bar)).get((batch, threads))
    return bar if (batch, threads) in CASES else None


def is_int8(row):
    return row["precision"].startswith("int8")


def summarize(times):
    """Nanoseconds of all rounds → median and best in ms."""
    return median(times) / 1e6, min(times) / 1e6


def why_no_bar(row, octile):
    """'' if a peer's row is a bar for Octile's row of the same kind."""
    if not row["held_to_isa"]:
        return "not held to the ISA"
    known = is_int8(row) and row["sqnr_db"] is not None and octile["sqnr_db"] is not None
    return "inaccurate" if known and row["sqnr_db"] < octile["sqnr_db"] - SQNR_MARGIN else ""


def best_peer(rows, octile):
    """The quickest INT8 row, by its median, that is a bar for Octile's row, and True; where there
    is none, the quickest that was held to the ISA, and False."""
    peers = [r for r in rows if r["engine"] != "octile" and is_int8(r) and r["held_to_isa"]]
    correct = [r for r in peers if not why_no_bar(r, octile)]
    return min(correct or peers, key=lambda r: r["median_ms"], default=None), bool(correct)


def find(rows, engine, precision):
    return next((r for r in rows if r["engine"] == engine and r["precision"] == precision), None)


def verdict(rows, isa, precision="int8"):
    """Of one model, batch and thread count: ratios to the best correct peer beside the bar.
    Without one they are to the quickest, `correct` is False, and `met` asks the same of it."""
    octile = find(rows, "octile", precision)
    peer, correct = best_peer(rows, octile) if octile else (None, False)
    if peer is None:
        return None
    bar = bar_of(isa, octile["model"], octile["batch"], octile["threads"])
    ratio = octile["median_ms"] / peer["median_ms"]
    share = OR_SHARE.get((isa, octile["model"]))
    by_share = bool(share and octile["share_of_peak"] and octile["share_of_peak"] >= share)
    return {
        "model": octile["model"],
        "batch": octile["batch"],
        "threads": octile["threads"],
        "precision": precision,
        "peer": peer["engine"],
        "correct": correct,
        "ratio": ratio,
        "ratio_best": octile["best_ms"] / peer["best_ms"],
        "bar": bar,
        "met": None if bar is None else ratio <= bar or by_share,
    }


def text_of(v):
    if v is None:
        return "no peer to hold it against"
    told = {None: "no bar", True: f"bar {v['bar']}: met", False: f"bar {v['bar']}: MISSED"}[
        v["met"]
    ]
    peer = f"{v['peer']} int8" + ("" if v["correct"] else " (no peer is as accurate)")
    return (
        f"octile {v['precision']} over {peer}: {v['ratio']:.2f} "
        f"(of the bests {v['ratio_best']:.2f}); {told}"
    )


HEAD = (
    f"  {'engine':16} {'precision':12} {'median ms':>10} {'best ms':>10} {'GOP/s':>8} {'peak':>6} "
    f"{'SQNR dB':>8} {'octile/it':>10}"
)


def line_of(row, rows, operations):
    """A line of the table: how long, how well, and Octile's time in its precision over it."""
    ours = find(rows, "octile", "int8" if is_int8(row) else "float")
    ratio = f"{ours['median_ms'] / row['median_ms']:.2f}" if ours and ours is not row else ""
    share = f"{100 * row['share_of_peak']:.0f}%" if row["share_of_peak"] else "-"
    sqnr = "-" if row["sqnr_db"] is None else f"{row['sqnr_db']:.1f}"
    rate = operations * row["batch"] / row["median_ms"] / 1e6
    note = why_no_bar(row, ours) if ours and row["engine"] != "octile" else ""
    return (
        f"  {row['engine']:16} {row['precision']:12} {row['median_ms']:10.4f} "
        f"{row['best_ms']:10.4f} {rate:8.1f} {share:>6} {sqnr:>8} {ratio:>10}  {note}"
    ).rstrip()


def group_table(rows, isa, operations):
    """The lines of one model, batch and thread count."""
    lines = [HEAD, *(line_of(row, rows, operations) for row in rows)]
    lines += [
        f"  {text_of(verdict(rows, isa, p))}"
        for p in ("int8", "int8_affine")
        if find(rows, "octile", p)
    ]
    return lines


def groups(rows):
    """Rows by (model, batch, threads), in order."""
    made = {}
    for row in rows:
        made.setdefault((row["model"], row["batch"], row["threads"]), []).append(row)
    return made


def over_float(rows, isa):
    """Lines: INT8 over Octile's own float, and that beside the best peer's; batch 1, 1 thread."""
    lines, made = [], groups(rows)
    for (model, batch, threads), group in made.items():
        ours, int8 = find(group, "octile", "float"), find(group, "octile", "int8")
        if (batch, threads) != (1, 1) or not ours or not int8:
            continue
        gain, bar = ours["median_ms"] / int8["median_ms"], OVER_FLOAT.get(isa, {}).get(model)
        told = "" if bar is None else f", bar {bar}: {'met' if gain >= bar else 'MISSED'}"
        line = f"  {model:20} INT8 {gain:.2f}x as quick as Octile's float{told}"
        peers = [
            r["median_ms"]
            for r in group
            if r["engine"] != "octile" and r["precision"] == "float" and r["held_to_isa"]
        ]
        if peers:
            ratio = ours["median_ms"] / min(peers)
            told = f", bar {FLOAT_BAR}: {'met' if ratio <= FLOAT_BAR else 'MISSED'}"
            line += f"; float {ratio:.2f} of the best peer's{told if model == 'resnet50' else ''}"
        two = find(made.get((model, 1, 2), []), "octile", "int8")
        if two:
            gain = int8["median_ms"] / two["median_ms"]
            line += f"; INT8 on 2 threads {gain:.2f}x as quick as on one"
        lines.append(line)
    return lines


def summary(rows, isa):
    """The issue's table: ratio / bar by model and case, for symmetric and affine activations."""
    lines = []
    for precision in ("int8", "int8_affine"):
        lines.append(
            f"Octile {precision} over the best correct peer's INT8, of medians / bar ({isa}):"
        )
        lines.append(
            f"  {'':20}"
            + "".join(f"{f'batch {b}, {t} thread' + 's' * (t > 1):>22}" for b, t in CASES)
        )
        made = groups(rows)
        for model in dict.fromkeys(row["model"] for row in rows):
            cells = []
            for case in CASES:
                v = verdict(made.get((model, *case), []), isa, precision)
                cells.append(
                    "-"
                    if v is None
                    else f"{v['ratio']:.2f} / {v['bar'] or '-'}"
                    + {True: "  ok", False: "  !!", None: "    "}[v["met"]]
                    + (" " if v["correct"] else "~")
                )
            lines.append(f"  {model:20}" + "".join(f"{cell:>22}" for cell in cells))
    lines.append(
        "  !! missed; ~ every peer is more than 3 dB less accurate: the ratio is to the quickest"
    )
    return lines + over_float(rows, isa)
