"""build/bench/serve.json as tables: medians over turns, and what the figures must keep."""

from statistics import median

NAMES = {
    "octile-int8": "Octile INT8",
    "octile-float": "Octile float",
    "onnxruntime-int8": "ONNX Runtime INT8",
}
WAYS = {"http": "HTTP", "grpc": "gRPC"}


def cases(record):
    """Turns by (model, way, concurrency, engine), in the order of measuring."""
    found = {}
    for row in record["rows"]:
        key = row["model"], row["way"], row["concurrency"], row["engine"]
        found.setdefault(key, []).append(row)
    return found


def protocol_share(row):
    """Of the server's processor time, what its engine (one thread) did not use."""
    return 1 - row["engine_cpu_s"] / row["server_cpu_s"]


def summary(turns):
    """Medians over the turns of one case."""
    return {
        "requests_per_s": median(t["requests_per_s"] for t in turns),
        "p50_ms": median(t["p50_ms"] for t in turns),
        "p99_ms": median(t["p99_ms"] for t in turns),
        "rows": median(t["rows"] / t["batches"] for t in turns),
        "engine_ms": median(1e3 * t["engine_cpu_s"] / t["answered"] for t in turns),
        "protocol_ms": median(
            1e3 * (t["server_cpu_s"] - t["engine_cpu_s"]) / t["answered"] for t in turns
        ),
        "protocol_share": median(map(protocol_share, turns)),
    }


def wrong(record):
    """Cases of Octile's INT8 engine with an answer that is not, bit for bit, the local engine's."""
    return [
        key
        for key, turns in cases(record).items()
        if key[3] == "octile-int8" and any(t["different"] for t in turns)
    ]


def markdown(record):
    lines = [
        f"{record['machine']}, {record['isa']}, {record['cores']} cores shared by server and "
        f"client; medians of {record['rounds']} turns of {record['seconds']:g} s."
    ]
    shown = None
    for (model, way, concurrency, engine), turns in cases(record).items():
        if (model, way) != shown:
            shown = model, way
            lines += [
                "",
                f"**{model}, {WAYS[way]}**",
                "",
                "| under way | engine | requests/s | p50 ms | p99 ms | rows a batch | engine ms "
                "| protocol ms | protocol's share |",
                "|---|---|---|---|---|---|---|---|---|",
            ]
        s = summary(turns)
        lines.append(
            f"| {concurrency} | {NAMES[engine]} | {s['requests_per_s']:.0f} | {s['p50_ms']:.2f} "
            f"| {s['p99_ms']:.2f} | {s['rows']:.1f} | {s['engine_ms']:.3f} "
            f"| {s['protocol_ms']:.3f} | {s['protocol_share']:.0%} |"
        )
    return "\n".join(lines)
