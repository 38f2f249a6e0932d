"""Calibration on Ray: pictures a second with one process, one worker and two, in turns, and what a
large cluster would take by these numbers.

    python scale.py [--samples 4000] [--rounds 5] [--docs docs/scale.md]

Writes build/bench/scale.json; --docs writes the tables into the page. Needs octile[ray]. Blocks are
in the object store before the clock runs; a round of each kind runs once before it counts, so that
workers have their engines.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "python"))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 yields to all else on these cores

import estimate  # noqa: E402
import quickstart  # noqa: E402
import ray  # noqa: E402

import octile  # noqa: E402
import octile.ray  # noqa: E402

BLOCK = 250  # pictures: sixteen blocks of the default 4,000
MERGED = 64  # parts, for the time of a merge
TASKS = 400  # a round, for the time of the driver


def seconds_of(act):
    begin = time.monotonic()
    act()
    return time.monotonic() - begin


def measure_rates(network, pictures, rounds):
    """Pictures a second through both passes, by kind: a list of one number a round."""
    blocks = [pictures[i : i + BLOCK] for i in range(0, len(pictures), BLOCK)]
    dataset = ray.data.from_numpy(blocks).materialize()
    calibrate = functools.partial(octile.ray.calibrate, network, dataset, method="minmax")
    kinds = {
        "one process, 1 thread": lambda: octile.calibrate(
            network, pictures, method="minmax", threads=1
        ),
        "1 worker": lambda: calibrate(num_workers=1),
        "2 workers": lambda: calibrate(num_workers=2),
    }
    for act in kinds.values():
        act()
    rates = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, act in kinds.items():
            rates[kind].append(len(pictures) / seconds_of(act))
    return rates


def measure_parts(network, pictures):
    """Bytes of a part of each round, and milliseconds to read one and merge it."""
    collector = octile.PartCollector(network, threads=1)
    ranges = collector.ranges(pictures)
    counts = collector.counts(pictures, ranges)
    encoded = counts.to_bytes()

    def merge_all():
        whole = octile.CalibrationPart.from_bytes(encoded)
        for _ in range(MERGED):
            whole.merge(octile.CalibrationPart.from_bytes(encoded))

    merge_ms = min(seconds_of(merge_all) for _ in range(5)) / MERGED * 1e3
    return {
        "tensors": len(counts.histograms),
        "range_part_bytes": len(ranges.to_bytes()),
        "count_part_bytes": len(encoded),
        "histogram_bytes": len(counts.histograms) * 2 * 2048 * 8,
        "merge_ms": merge_ms,
    }


def measure_driver():
    """Milliseconds of the driver's processor that one task takes, merges included."""
    network = octile.Network("nothing")
    x = network.add_input("x", "float32", (-1, 1))
    network.mark_output(network.activation(x, "relu"), "y")
    dataset = ray.data.from_numpy(np.zeros((TASKS, 1), np.float32)).materialize()
    octile.ray.calibrate(network, dataset, rows_per_task=TASKS // 8)
    begin = time.process_time()
    octile.ray.calibrate(network, dataset, rows_per_task=1)
    return (time.process_time() - begin) / (2 * TASKS) * 1e3


def machine():
    device = octile.devices()[0]
    return {
        "cpu": device.name,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "ray": ray.__version__,
        "path": octile.PartCollector(octile_network()).path,
    }


@functools.lru_cache
def octile_network():
    model = ROOT / "build" / "bench" / "scale.onnx"
    model.parent.mkdir(parents=True, exist_ok=True)
    quickstart.make_model(ROOT / "examples" / "mnist" / "para.npz", model)
    return octile.import_onnx(model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="IDX files")
    parser.add_argument("--samples", default=4000, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--docs", type=Path, help="the page whose tables are written")
    arguments = parser.parse_args()

    pictures = quickstart.read_idx(arguments.data, "train-images-idx3-ubyte")[:, None]
    pictures = np.ascontiguousarray(pictures[: arguments.samples])
    ray.init(num_cpus=2, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    network = octile_network()
    rates = measure_rates(network, pictures, arguments.rounds)
    medians = {kind: statistics.median(found) for kind, found in rates.items()}
    best = {kind: max(found) for kind, found in rates.items()}
    turns = zip(rates["1 worker"], rates["2 workers"])
    result = {
        "machine": machine(),
        "samples": len(pictures),
        "picture_bytes": pictures[0].nbytes,
        "images_per_s": medians,
        "best_images_per_s": best,
        "rounds": rates,
        "efficiency": statistics.median(two / (2 * one) for one, two in turns),
        "best_efficiency": best["2 workers"] / (2 * best["1 worker"]),
        "parts": measure_parts(network, pictures),
        "driver_ms_a_task": measure_driver(),
    }
    result["estimate"] = estimate.of(result)
    target = ROOT / "build" / "bench" / "scale.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    text = estimate.markdown(result)
    print(f"{text}\n{target}")
    if arguments.docs:
        estimate.write_into(arguments.docs, text)


if __name__ == "__main__":
    main()
