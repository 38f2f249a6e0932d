"""Ray clusters of several nodes on this machine, and what kills parts of them; for test_ray_*,
which are skipped where this finds no Ray (so that they import it before octile.ray)."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
ray = pytest.importorskip("ray", reason="Ray is not installed (make test-ray brings it)")
from ray.cluster_utils import Cluster  # noqa: E402

import octile  # noqa: E402

STORE = 100 << 20


class Nodes:
    """A head without CPUs, where the driver is, and worker nodes of one CPU each."""

    def __init__(self, *environments):
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE}
        )
        self.workers = [self.add(environment) for environment in environments]
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level="error")
        ray.data.DataContext.get_current().enable_progress_bars = False

    def add(self, environment):
        return self.cluster.add_node(
            num_cpus=1, object_store_memory=STORE, env_vars=dict(environment)
        )

    def close(self):
        ray.shutdown()
        self.cluster.shutdown()


@pytest.fixture(scope="module", autouse=True)
def two_nodes():
    """For modules that import it: the cluster that all their tests use."""
    made = Nodes({}, {})
    yield made
    made.close()


def parent_of(pid):
    """0 where the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def running(task, node):
    """Processes of the node that run the task now: Ray names them so."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            title = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if title.startswith(f"ray::{task}") and parent_of(entry.name) == raylet:
            found.append(int(entry.name))
    return found


def busy(nodes, task="part_of"):
    """A worker node in the middle of the task, and a process of it that runs the task."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for node in nodes.workers:
            for pid in running(task, node):
                return node, pid
        time.sleep(0.005)
    raise AssertionError(f"no node ran {task}")


def kill_worker(nodes):
    """kill -9 of a process in the middle of a task."""
    _, pid = busy(nodes)
    os.kill(pid, signal.SIGKILL)
    return pid


def kill_node(nodes):
    """kill -9 of the raylet of a node in the middle of a task; the node's workers die with it."""
    node, _ = busy(nodes)
    raylet = node.all_processes["raylet"][0].process
    os.kill(raylet.pid, signal.SIGKILL)
    raylet.wait()
    return node


class Net:
    """x (-1, 3, 24, 24) → convolution, ReLU, pooling, product → y (-1, 6): floats that round."""

    def __init__(self, channels=128):
        draw = np.random.default_rng(3)

        def normal(*shape):
            return draw.standard_normal(shape).astype(np.float32)

        self.network = octile.Network("net")
        x = self.network.add_input("x", "float32", (-1, 3, 24, 24))
        y = self.network.convolution(x, normal(channels, 3, 5, 5), normal(channels), padding=2)
        y = self.network.pooling(self.network.activation(y, "relu"), "max", (2, 2), stride=2)
        y = self.network.convolution(y, normal(8, channels, 3, 3), normal(8), padding=1)
        y = self.network.reshape(self.network.activation(y, "relu"), (-1, 8 * 12 * 12))
        y = self.network.fully_connected(y, normal(8 * 12 * 12, 6), normal(6))
        self.network.mark_output(y, "y")

    @staticmethod
    def samples(count):
        """Sample i depends on i alone."""
        rows = [
            np.random.default_rng(i).standard_normal((3, 24, 24), np.float32) for i in range(count)
        ]
        return np.stack(rows)


def computed(count, blocks):
    """Net.samples(count) as a dataset whose blocks are computed by tasks on the nodes."""

    def rows(batch):
        made = [
            np.random.default_rng(i).standard_normal((3, 24, 24), np.float32) for i in batch["id"]
        ]
        return {"x": np.stack(made)}

    return ray.data.range(count, override_num_blocks=blocks).map_batches(rows, batch_size=None)


def held(samples, blocks, column="x", **more):
    """A dataset of rows that the driver holds."""
    columns = {column: list(samples), **more}
    items = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return ray.data.from_items(items, override_num_blocks=blocks)
