"""What is judged, without running anything: bars, verdicts, tables."""

# (workload, peers of which the fastest is meant, the bar, kind). "times": how many times as fast as
# it Octile's INT8 is, at least; "of its time": Octile's time over its, at most. cuBLASLt's int8 is
# judged twice: with int32 outputs, beside which the bars of products were made, and with int8
# outputs by one scale.
COMPILED = (("torch.compile", "fp16"),)
LIBRARY = (("cublaslt", "int8"), ("cublaslt", "fp16"))
ONE_SCALE = (("cublaslt.int8", "int8"), ("cublaslt", "fp16"))
PRODUCTS = (("401408x64x256", 2.0), ("401408x576x64", 1.7), ("100352x512x128", 1.9))
BARS = (
    ("gemm 8192x8192x8192", LIBRARY[:1], 1.0, "times"),
    *((f"gemm {name}", LIBRARY, bar, "times") for name, bar in PRODUCTS),
    ("gemm 8192x8192x8192", ONE_SCALE[:1], 1.0, "times"),
    *((f"gemm {name}", ONE_SCALE, bar, "times") for name, bar in PRODUCTS),
    ("gemm 8192x8192x8192 dp4a", (("cublaslt", "fp32"),), 2.2, "times"),
    ("resnet50 b128", COMPILED, 2.2, "times"),
    ("resnet50 b1", COMPILED, 0.6, "of its time"),
    ("mobilenetv2 b128", COMPILED, 1.8, "times"),
    ("mnist b1", COMPILED, 0.35, "of its time"),
    ("mnist b1024", COMPILED, 0.3, "of its time"),
)
ORDER = ("octile", "cublaslt", "cudnn", "torch", "torch.compile")
PRECISIONS = ("int8", "fp16", "tf32", "fp32")


def place(engine):
    """In tables. "cublaslt.int8" writes int8."""
    return ORDER.index(engine) if engine in ORDER else ORDER.index(engine.split(".")[0])


def find(rows, workload, engine, precision):
    """A row, or None."""
    for row in rows:
        if (row["workload"], row["engine"], row["precision"]) == (workload, engine, precision):
            return row
    return None


def verdicts(rows):
    """(workload, Octile's row, the peer's, ratio, bar, kind, met) of every bar with both rows."""
    judged = []
    for workload, peers, bar, kind in BARS:
        ours = find(rows, workload, "octile", "int8")
        theirs = [row for row in (find(rows, workload, *peer) for peer in peers) if row]
        if not ours or not theirs:
            continue
        peer = min(theirs, key=lambda row: row["median_ms"])
        ratio = ours["median_ms"] / peer["median_ms"]
        ratio = 1 / ratio if kind == "times" else ratio
        met = ratio >= bar if kind == "times" else ratio <= bar
        judged.append((workload, ours, peer, ratio, bar, kind, met))
    return judged


def add_shares(rows, floors):
    """Of networks: the time that the card's ceilings allow their convolutions and products, one by
    one, over the median. Products and single convolutions have theirs already."""
    for row in rows:
        floor = floors.get(row["workload"])
        if row["engine"] == "octile" and floor:
            row["share"] = floor / row["median_ms"]


def by_workload(rows):
    grouped = {}
    for row in rows:
        grouped.setdefault(row["workload"], []).append(row)
    for group in grouped.values():
        group.sort(key=lambda r: (place(r["engine"]), PRECISIONS.index(r["precision"])))
    return grouped


def text(rows):
    """The table of everything, with each row's time over Octile's, and the bars."""
    lines = [f"{'workload':32} {'engine':24} {'median ms':>10} {'best':>10} {'/ ours':>7} ceilings"]
    for workload, group in by_workload(rows).items():
        ours = find(group, workload, "octile", "int8")
        for row in group:
            over = f"{row['median_ms'] / ours['median_ms']:7.2f}" if ours else f"{'':7}"
            share = f"{row['share']:8.0%}" if row.get("share") else ""
            name = f"{row['engine']} {row['precision']}"
            lines.append(
                f"{workload:32} {name:24} {row['median_ms']:10.4f} {row['best_ms']:10.4f} "
                f"{over} {share} {row.get('variant', '')}".rstrip()
            )
    lines += ["", f"{'bar':32} {'beside':28} {'ratio':>7} {'bar':>6}"]
    for workload, _, peer, ratio, bar, kind, met in verdicts(rows):
        name = f"{peer['engine']} {peer['precision']} {peer.get('variant', '')}".strip()
        verdict = "met" if met else "MISSED"
        lines.append(f"{workload:32} {name:28} {ratio:7.2f} {bar:6.2f} {kind:12} {verdict}")
    return "\n".join(lines)


def cell(value):
    """Three digits, or whole numbers."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def share_cell(row):
    return f"{row['share']:.0%}".replace("%", " %") if row and row.get("share") else "–"


def table(header, lines):
    rule = "|".join("---" for _ in header)
    return "\n".join(["| " + " | ".join(line) + " |" for line in (header,)] + [f"|{rule}|"] + lines)


def markdown(made):
    """The tables of docs/performance.md."""
    rows = made["rows"]
    judged = {v[0]: v for v in reversed(verdicts(rows))}

    def ending(workload):
        if workload not in judged:
            return ["–", "–"]
        _, _, _, ratio, bar, kind, met = judged[workload]
        return [f"{ratio:.2f} {kind}", f"{bar:g}" + ("" if met else ", missed")]

    def lines(workloads, columns, scale):
        made_lines = []
        for workload in workloads:
            found = [find(rows, workload, *column) for column in columns]
            cells = [cell(r and r["median_ms"] * scale) for r in found]
            cells = [workload, cells[0], share_cell(found[0]), *cells[1:], *ending(workload)]
            made_lines.append("| " + " | ".join(cells) + " |")
        return made_lines

    names = list(by_workload(rows))
    gemm_columns = [("octile", "int8"), *(("cublaslt", p) for p in PRECISIONS)]
    gemm_columns += [ONE_SCALE[0], ("torch", "int8")]
    network_columns = [("octile", "int8"), COMPILED[0]]
    network_columns += [("torch", p) for p in PRECISIONS[1:]]
    peaks = made.get("ceilings", {})
    gemms = [name for name in names if name.startswith("gemm ")]
    networks = [name for name in names if not name.startswith(("gemm ", "conv "))]
    convolutions = [name for name in names if find(rows, name, "cudnn", "int8")]
    copy, wgmma = peaks.get("copy_bytes_per_s", 0), peaks.get("int8_operations_per_s", 0)
    parts = [
        f"{made['device']}, {made['date'][:10]}; copy {copy / 1e12:.2f} TB/s, "
        f"wgmma {wgmma / 1e12:,.0f} TOPS.",
        table(
            ["µs, M×K×N", "Octile INT8", "of the ceilings", "cuBLASLt int8", "fp16", "tf32", "fp32"]
            + ["int8 out, one scale", "`torch._int_mm`", "ratio", "bar"],
            lines(gemms, gemm_columns, 1e3),
        ),
        table(
            ["ms", "Octile INT8", "of the ceilings", "torch.compile fp16", "fp16", "tf32", "fp32"]
            + ["ratio", "bar"],
            lines(networks, network_columns, 1),
        ),
    ]
    if convolutions:
        cudnn = [
            line.rsplit(" | ", 2)[0] + " |"
            for line in lines(convolutions, [("octile", "int8"), ("cudnn", "int8")], 1e3)
        ]
        parts.append(table(["µs", "Octile INT8", "of the ceilings", "cuDNN int8"], cudnn))
    return "\n\n".join(parts)
