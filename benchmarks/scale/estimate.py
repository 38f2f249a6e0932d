"""What 1,000 workers and 10⁹ pictures would take, worked from what scale.py measured on one
machine; and the tables of docs/scale.md."""

WORKERS = 1000
IMAGES = 10**9
ROWS = 1024  # pictures a task: the default of octile.ray.calibrate()
LARGE_ROWS = 8192
FAN_IN = 8  # parts a merge
MARKS = ("<!-- scale: measured -->", "<!-- scale: end -->")


def of(result):
    """Both rounds together, where nothing else is said."""
    parts = result["parts"]
    rate = result["best_images_per_s"]["1 worker"]
    tasks = -(-IMAGES // ROWS)
    merges = tasks // (FAN_IN - 1)  # of a tree whose inner nodes have eight children
    depth, left = 0, tasks
    while left > 1:
        depth, left = depth + 1, -(-left // FAN_IN)
    compute = IMAGES / (rate * WORKERS)
    driver = 2 * tasks * result["driver_ms_a_task"] / 1e3
    per_merge = FAN_IN * parts["merge_ms"] / 1e3
    return {
        "workers": WORKERS,
        "images": IMAGES,
        "tasks_a_round": tasks,
        "compute_minutes": compute / 60,
        "pictures_read_bytes": 2 * IMAGES * result["picture_bytes"],
        "parts_moved_bytes": tasks * (parts["range_part_bytes"] + parts["count_part_bytes"]),
        "parts_a_worker_bytes_per_s": rate / 2 / ROWS * parts["count_part_bytes"] * 2,
        "merge_seconds_total": 2 * merges * per_merge,
        "merge_seconds_a_worker": 2 * merges * per_merge / WORKERS,
        "tree_depth": depth,
        "last_merges_seconds": depth * per_merge,
        "driver_seconds": driver,
        "driver_tasks_per_s": 2 * tasks / compute,
        "minutes": max(compute, driver) / 60,
        "minutes_large_tasks": max(compute, driver * ROWS / LARGE_ROWS) / 60,
    }


def _bytes(value):
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.3g} {unit}"
        value /= 1000


def markdown(result):
    """The tables."""
    found, parts, machine = result["estimate"], result["parts"], result["machine"]
    turns = len(result["rounds"]["1 worker"])
    rows = [
        f"| {kind} | {max(rates):.0f} | {result['images_per_s'][kind]:.0f} | {min(rates):.0f} |"
        for kind, rates in result["rounds"].items()
    ]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']:.1f} from others and "
        f"this; Ray {machine['ray']}; {result['samples']} pictures, the demo's model "
        f"({parts['tensors']} tensors), both passes, {turns} turns:",
        "",
        "| pictures/s | best | median | least |",
        "|---|---|---|---|",
        *rows,
        "",
        f"**Efficiency of two workers over one: {result['best_efficiency']:.0%} by the bests**, "
        f"{result['efficiency']:.0%} by the median turn. A part is "
        f"{_bytes(parts['range_part_bytes'])} in the first round and "
        f"{_bytes(parts['count_part_bytes'])} in the second; a worker's histograms take "
        f"{_bytes(parts['histogram_bytes'])}; reading and merging one part takes "
        f"{parts['merge_ms']:.2f} ms.",
        "",
        f"| {found['workers']:,} workers, {found['images']:,} pictures | |",
        "|---|---|",
        f"| computing, both passes | {found['compute_minutes']:.0f} min |",
        f"| tasks a round, of {ROWS} pictures | {found['tasks_a_round']:,} |",
        f"| pictures read, both passes | {_bytes(found['pictures_read_bytes'])} |",
        f"| parts moved, both rounds | {_bytes(found['parts_moved_bytes'])} |",
        f"| of that by one worker | {_bytes(found['parts_a_worker_bytes_per_s'])}/s |",
        f"| merging, a worker's share | {found['merge_seconds_a_worker']:.1f} s |",
        f"| the last merges, one after the other ({found['tree_depth']} levels) | "
        f"{found['last_merges_seconds'] * 1e3:.0f} ms |",
        f"| the driver's processor, {result['driver_ms_a_task']:.1f} ms a task | "
        f"{found['driver_seconds'] / 60:.0f} min, for {found['driver_tasks_per_s']:.0f} tasks/s |",
        f"| altogether: the slower of workers and driver | {found['minutes']:.0f} min |",
        f"| with tasks of {LARGE_ROWS} pictures | {found['minutes_large_tasks']:.0f} min |",
    ]
    return "\n".join(lines)


def write_into(page, text):
    """Between the marks of the page."""
    old = page.read_text(encoding="utf-8")
    before, rest = old.split(MARKS[0], 1)
    after = rest.split(MARKS[1], 1)[1]
    page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")
