"""What benchmarks/serve makes of its turns: medians, shares, and the answers that must be exact."""

import importlib
import sys
import types
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks/serve"
sys.path.insert(0, str(FOLDER))
tables = pytest.importorskip("tables", reason="benchmarks/serve is not here")
client, subject = importlib.import_module("client"), importlib.import_module("subject")
sys.path.remove(str(FOLDER))


def turn(rate, *, engine="octile-int8", way="grpc", concurrency=8, different=0, engine_cpu_s=1.0):
    return {
        "model": "m",
        "engine": engine,
        "way": way,
        "concurrency": concurrency,
        "requests_per_s": rate,
        "p50_ms": 1000 / rate,
        "p99_ms": 3000 / rate,
        "answered": 1000,
        "rows": 1000,
        "batches": 250,
        "engine_cpu_s": engine_cpu_s,
        "server_cpu_s": 4.0,
        "different": different,
    }


def record(*rows):
    own = {"machine": "a machine", "isa": "avx2", "cores": 2, "rounds": len(rows), "seconds": 3.0}
    return {**own, "rows": list(rows)}


def test_medians_over_the_turns_of_a_case():
    summary = tables.summary([turn(100.0), turn(500.0, engine_cpu_s=2.0), turn(200.0)])
    assert summary["requests_per_s"] == 200.0
    assert summary["p50_ms"] == 5.0
    assert summary["p99_ms"] == 15.0
    assert summary["rows"] == 4.0
    assert summary["engine_ms"] == 1.0  # a second in 1,000 requests
    assert summary["protocol_ms"] == 3.0
    assert summary["protocol_share"] == 0.75


def test_only_octiles_int8_engine_must_have_the_local_bits():
    rows = [
        turn(100.0),
        turn(100.0, concurrency=32, different=1),
        turn(100.0, engine="octile-float", different=9),
    ]
    assert tables.wrong(record(*rows)) == [("m", "grpc", 32, "octile-int8")]


def test_the_page_has_a_table_a_model_and_way():
    rows = [
        turn(100.0, way=way, engine=engine)
        for way in ("http", "grpc")
        for engine in tables.NAMES
        for _ in range(2)
    ]
    text = tables.markdown(record(*rows))
    assert "a machine, avx2, 2 cores" in text
    assert text.count("**m, HTTP**") == text.count("**m, gRPC**") == 1
    assert text.count("| 8 | Octile INT8 | 100 | 10.00 | 30.00 | 4.0 | 1.000 | 3.000 | 75% |") == 2


def test_a_turn_without_answers_ends_with_its_first_error():
    load = types.SimpleNamespace(latencies=[], errors=["the queue is full", "another"])
    load.different, load.largest = 0, 0.0
    with pytest.raises(SystemExit, match="2 errors: the queue is full"):
        client.report(load, 3.0)
    load.latencies = [0.001, 0.003]
    assert client.report(load, 2.0)["p50_ms"] == pytest.approx(2.0)


def test_a_client_that_hangs_ends_the_benchmark(monkeypatch, tmp_path):
    (tmp_path / "client.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.setattr(subject, "HERE", tmp_path)
    monkeypatch.setattr(subject, "CLIENT_SECONDS", 0)

    class Hung(subject.Subject):
        def __init__(self):
            self.name, self.log, self._ports = "hung", tmp_path / "log", {"http": 1}
            self.log.write_text("the server's last words")
            self.killed, self._process = False, self

        def kill(self):
            self.killed = True

        def _counted(self):
            return {}

    hung = Hung()
    with pytest.raises(SystemExit, match="(?s)timed out.*last words"):
        hung.load("http", (), 1, 0.5, 0)
    assert hung.killed
