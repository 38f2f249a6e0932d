"""Fashion-MNIST's 60,000 training pictures calibrated by one process and by a Ray cluster of two
workers, one of which is killed on the way: the two tables have the same bits.

    python calibrate.py --data /usr/share/datasets/fashion-mnist --out build/demo

Needs `pip install '.[ray]'`. The cluster is two nodes on this machine, as Ray's own tests begin
them; on a cluster of yours, octile.ray.calibrate() below is all there is. Prints, and writes to
cluster-calibration.json: same_bits, workers_killed, samples, seconds and pictures per second.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 yields to all else on these cores

import quickstart  # noqa: E402  (the model, and how IDX files are read)
import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

import octile  # noqa: E402
import octile.ray  # noqa: E402

STORE = 150 << 20  # bytes of a node's object store
BLOCK = 2000  # pictures


def begin_cluster(workers):
    """A head for the driver alone, and nodes of one core. Returns their raylets' processes."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE}
    )
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(workers)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    return cluster, [node.all_processes["raylet"][0].process.pid for node in nodes]


def in_a_task(raylets):
    """Processes of these nodes that make a part at this moment; Ray names them by their task."""
    for entry in Path("/proc").iterdir():
        try:
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            title = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::part_of") and int(parent) in raylets:
            yield int(entry.name)


class Killer:
    """A progress function: kill -9 of one worker in the middle of the counting round."""

    def __init__(self, raylets):
        self.raylets, self.killed = raylets, 0

    def __call__(self, phase, done, total):
        if self.killed or phase != "histograms" or done < total // 4:
            return
        for pid in in_a_task(self.raylets):
            os.kill(pid, signal.SIGKILL)
            self.killed += 1
            print(f"killed worker process {pid} after {done} of {total} pictures", flush=True)
            return


def on_cluster(network, pictures, options):
    """(table, seconds, workers killed)"""
    cluster, raylets = begin_cluster(2)
    try:
        blocks = [pictures[i : i + BLOCK] for i in range(0, len(pictures), BLOCK)]
        dataset, killer = ray.data.from_numpy(blocks), Killer(raylets)
        begin = time.monotonic()
        table = octile.ray.calibrate(network, dataset, num_workers=2, progress=killer, **options)
        return table, time.monotonic() - begin, killer.killed
    finally:
        ray.shutdown()
        cluster.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="IDX files")
    parser.add_argument("--weights", default=HERE.parent / "mnist" / "para.npz")
    parser.add_argument("--out", default="build/demo", type=Path)
    parser.add_argument("--samples", default=60000, type=int, help="pictures, from the first")
    arguments = parser.parse_args()

    pictures = quickstart.read_idx(arguments.data, "train-images-idx3-ubyte")[:, None]
    pictures = np.ascontiguousarray(pictures[: arguments.samples])
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = arguments.out / "cluster.onnx"
    quickstart.make_model(arguments.weights, model)
    network, options = octile.import_onnx(model), {"method": "entropy"}

    begin = time.monotonic()
    alone = octile.calibrate(network, pictures, **options)
    seconds = time.monotonic() - begin
    print(f"one process: {len(pictures)} pictures in {seconds:.1f} s", flush=True)
    shared, cluster_seconds, killed = on_cluster(network, pictures, options)
    print(f"two workers: {shared.samples} pictures in {cluster_seconds:.1f} s")
    shared.save(arguments.out / "cluster.cache")

    result = {
        "same_bits": shared.to_json() == alone.to_json(),
        "workers_killed": killed,
        "samples": shared.samples,
        "seconds_one_process": round(seconds, 2),
        "seconds_cluster": round(cluster_seconds, 2),
    }
    (arguments.out / "cluster-calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"same_bits: {result['same_bits']}\nworkers_killed: {killed}")
    sys.exit(0 if result["same_bits"] and killed == 1 else 1)


if __name__ == "__main__":
    main()
