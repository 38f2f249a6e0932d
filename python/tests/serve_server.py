"""A server process for the tests of octile-serve, and the models that it serves.

KServe lives in that process alone: its protobuf descriptors and tritonclient's clash in one.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import octile

MISSING = [m for m in ("kserve", "tritonclient") if importlib.util.find_spec(m) is None]
needs_kserve = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} missing here: `make test-serve` has them"
)
SHAPE = (3, 12, 12)
MAX_ROWS = 8


def make_network(seed, channels=8):
    """x (-1, 3, 12, 12) → two convolutions, a product → y (-1, 5)."""
    draw = np.random.default_rng(seed)

    def weights(*shape):
        return (draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    network = octile.Network(f"net{seed}")
    x = network.add_input("x", "float32", (-1, *SHAPE))
    for name, before in (("a", SHAPE[0]), ("b", channels)):
        bias = draw.standard_normal(channels).astype(np.float32)
        x = network.convolution(x, weights(channels, before, 3, 3), bias, padding=1, name=name)
        x = network.activation(x, "relu", name=f"{name}.relu")
    x = network.reshape(x, (-1, channels * SHAPE[1] * SHAPE[2]), "flatten")
    w = weights(5, channels * SHAPE[1] * SHAPE[2]).T.copy()
    network.mark_output(network.fully_connected(x, w, np.zeros(5, np.float32), name="fc"), "y")
    return network


def rows(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype(np.float32)


def make_plan(path, seed, *, int8=True, most=MAX_ROWS, channels=8):
    """Writes an INT8 (or float) plan whose profile ends at `most` rows."""
    network = make_network(seed, channels)
    shapes = [{"x": tuple((n, *SHAPE) for n in (1, max(1, most // 2), most))}]
    options = {"tactics": "first", "profiles": shapes}
    if int8:
        options.update(int8=True, int8_layers="all")
    table = octile.calibrate(network, [rows(16, 99)]) if int8 else None
    path.parent.mkdir(parents=True, exist_ok=True)
    octile.build(network, table, **options).save(path)
    return path


class Local:
    """The local engine's word on a plan."""

    def __init__(self, plan, threads=1):
        self._context = octile.Engine(plan, threads=threads).create_context()

    def __call__(self, x):
        return self._context.run(x)["y"]


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """octile-serve in a process of its own; `program` is another Python program to run instead."""

    def __init__(self, folder, log, *flags, program=None):
        self.http_port, self.grpc_port = free_ports(2)
        self.url, self.grpc_url = f"127.0.0.1:{self.http_port}", f"127.0.0.1:{self.grpc_port}"
        program = program or "from octile._serve_cli import main; main()"
        ports = ["--host=127.0.0.1", f"--http_port={self.http_port}"]
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder), *ports, f"--grpc_port={self.grpc_port}"]
            + list(flags),
            stderr=open(log, "w"),
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )
        self._wait_until_ready()

    def _wait_until_ready(self):
        for _ in range(1200):
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log.read_text()}")
            try:
                if self.get("/v2/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the server did not become ready:\n{self.log.read_text()}")

    def get(self, path):
        return self._answer(f"http://{self.url}{path}")

    def post(self, path, body=b"", headers=None):
        return self._answer(
            urllib.request.Request(f"http://{self.url}{path}", body, headers or {}, method="POST")
        )

    @staticmethod
    def _answer(request):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, **labels):
        """The sum of a metric's rows that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(
                f'{k}="{v}"' in head for k, v in labels.items()
            ):
                total += float(value)
        return total

    def terminate(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def serve(tmp_path):
    """Starts servers that end with the test: serve(folder, *flags)."""
    servers = []

    def start(folder, *flags, **keywords):
        log = tmp_path / f"server{len(servers)}.log"
        servers.append(Server(folder, log, *flags, **keywords))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
