"""One server process under test: starts it, reads what it counts, and lets a client load it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLIENT_SECONDS = 120  # beyond its turn: its start, and the answers that are still under way
_TICKS = os.sysconf("SC_CLK_TCK")
COUNTERS = {
    "answered": "octile_requests_total",
    "batches": "octile_batch_rows_count",
    "rows": "octile_batch_rows_sum",
    "queue_s": "octile_queue_seconds_sum",
    "engine_s": "octile_compute_seconds_sum",
    "engine_cpu_s": "bench_engine_cpu_seconds_total",
}


class Subject:
    """A server on loopback, ready when constructed."""

    def __init__(self, name, folder):
        self.name = name
        sockets = [socket.socket() for _ in range(2)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        self._ports = {w: s.getsockname()[1] for w, s in zip(("http", "grpc"), sockets)}
        for s in sockets:
            s.close()
        kind = name.split("-")[0]
        self.log = folder / f"{name}.log"
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), kind, str(folder / name)]
            + [str(port) for port in self._ports.values()],
            stderr=open(self.log, "w"),
        )
        self._wait()

    def _wait(self):
        for _ in range(1200):
            if self._process.poll() is not None:
                break
            try:
                self._get("/v2/health/ready")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"{self.name}: the server is not ready:\n{self.log.read_text()}")

    def _get(self, path):
        url = f"http://127.0.0.1:{self._ports['http']}{path}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.read().decode()

    def _counted(self):
        """Sums since the start, and the process's own CPU time."""
        counted = dict.fromkeys(COUNTERS, 0.0)
        for line in self._get("/metrics").splitlines():
            head, _, value = line.rpartition(" ")
            for key, metric in COUNTERS.items():
                if head.partition("{")[0] == metric:
                    counted[key] += float(value)
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return {**counted, "server_cpu_s": (int(fields[11]) + int(fields[12])) / _TICKS}

    def load(self, way, files, concurrency, seconds, warm_up):
        """One turn: the client's figures beside what the server spent in it."""
        address = f"127.0.0.1:{self._ports[way]}"
        words = [way, address, *map(str, files), str(concurrency), str(seconds), str(warm_up)]
        before = self._counted()
        try:
            ended = subprocess.run(
                [sys.executable, str(HERE / "client.py"), *words],
                capture_output=True,
                text=True,
                timeout=seconds + warm_up + CLIENT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            sys.exit(f"{self.name}: {error}; the server's log:\n{self.log.read_text()}")
        if ended.returncode != 0:
            sys.exit(f"{self.name}: the client failed:\n{ended.stderr}")
        after = self._counted()
        spent = {key: after[key] - before[key] for key in after}
        return {**json.loads(ended.stdout), **spent}

    def close(self):
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)
