"""What benchmarks/gpu judges by: bars, verdicts, tables."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks/gpu"
bars = None
if (FOLDER / "bars.py").exists():
    import importlib.util

    spec = importlib.util.spec_from_file_location("gpu_bars", FOLDER / "bars.py")
    bars = importlib.util.module_from_spec(spec)
    sys.modules["gpu_bars"] = bars
    spec.loader.exec_module(bars)
pytestmark = pytest.mark.skipif(bars is None, reason="benchmarks/gpu is not here")


def row(workload, engine, precision, median, **more):
    return {
        "workload": workload,
        "engine": engine,
        "precision": precision,
        "median_ms": median,
        "best_ms": median * 0.9,
        **more,
    }


ROWS = [
    row("gemm 401408x64x256", "cublaslt", "int8", 0.17, variant="int32 outputs"),
    row("gemm 401408x64x256", "cublaslt.int8", "int8", 0.05, variant="int8 outputs"),
    row("gemm 401408x64x256", "cublaslt", "fp16", 0.1),
    row("gemm 401408x64x256", "cublaslt", "fp32", 0.01),
    row("gemm 401408x64x256", "octile", "int8", 0.04, share=0.8, variant="wgmma"),
    row("mnist b1", "torch.compile", "fp16", 0.04),
    row("mnist b1", "torch", "fp16", 0.01),
    row("mnist b1", "octile", "int8", 0.02),
    row("resnet50 b8", "octile", "int8", 0.5),
    row("conv 56 64>64 k3 s1 b128", "octile", "int8", 0.03),
    row("conv 56 64>64 k3 s1 b128", "cudnn", "int8", 0.09),
]


def test_the_fastest_of_the_named_peers_is_the_bar():
    judged = {(v[0], v[2]["precision"]): v for v in bars.verdicts(ROWS)}
    gemm = "gemm 401408x64x256"
    assert set(judged) == {(gemm, "int8"), (gemm, "fp16"), ("mnist b1", "fp16")}
    _, _, peer, ratio, bar, kind, met = judged[gemm, "int8"]
    assert (peer["variant"], bar, kind, met) == ("int8 outputs", 2.0, "times", False)
    assert ratio == pytest.approx(1.25)
    _, _, _, ratio, bar, kind, met = judged[gemm, "fp16"]  # of int32 outputs and fp16
    assert (bar, kind, met) == (2.0, "times", True)
    assert ratio == pytest.approx(2.5)
    _, _, peer, ratio, bar, kind, met = judged["mnist b1", "fp16"]
    assert (peer["engine"], bar, kind, met) == ("torch.compile", 0.35, "of its time", False)
    assert ratio == pytest.approx(0.5)


def test_shares_of_networks_come_from_their_floors():
    rows = [dict(r) for r in ROWS]
    bars.add_shares(rows, {"mnist b1": 0.005})
    shares = {(r["workload"], r["engine"]): r.get("share") for r in rows}
    assert shares["mnist b1", "octile"] == pytest.approx(0.25)
    assert shares["mnist b1", "torch"] is None
    assert shares["gemm 401408x64x256", "octile"] == 0.8


def test_the_table_has_every_row_and_the_bars():
    text = bars.text(ROWS)
    for r in ROWS:
        assert any(
            line.startswith(r["workload"]) and f"{r['engine']} {r['precision']}" in line
            for line in text.splitlines()
        )
    assert "MISSED" in text and " met" in text


def test_the_tables_of_the_documentation():
    made = {
        "device": "NVIDIA H200",
        "date": "2026-11-27T10:00:00+00:00",
        "ceilings": {"copy_bytes_per_s": 4.1e12, "int8_operations_per_s": 1.9e15},
        "rows": ROWS,
    }
    text = bars.markdown(made)
    assert text.startswith("NVIDIA H200, 2026-11-27; copy 4.10 TB/s, wgmma 1,900 TOPS.")
    gemm = next(line for line in text.splitlines() if line.startswith("| gemm"))
    assert gemm == (
        "| gemm 401408x64x256 | 40 | 80 % | 170 | 100 | – | 10 | 50 | – | 2.50 times | 2 |"
    )
    mnist = next(line for line in text.splitlines() if line.startswith("| mnist"))
    assert (
        mnist == "| mnist b1 | 0.02 | – | 0.04 | 0.01 | – | – | 0.50 of its time | 0.35, missed |"
    )
    assert "| conv 56 64>64 k3 s1 b128 | 30 | – | 90 |" in text
    for block in text.split("\n\n")[1:]:
        assert len({line.count("|") for line in block.splitlines()}) == 1
