"""The program that Octile began with, on octile.tensorrt (tools/seed_program.py), shortened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(what it printed, its facts) of one run."""
    out = tmp_path_factory.mktemp("seed") / "seed.json"
    done = subprocess.run(
        [sys.executable, ROOT / "tools/seed_program.py", "--out", out, "--train", "500"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout
    return done.stdout, json.loads(out.read_text())


def test_builds_runs_and_reuses_its_cache(run):
    _, facts = run
    assert facts["nio"] == 2  # unmarked outputs are absent
    assert facts["cache_reused"]
    assert 0 <= facts["class"] <= 9


def test_prints_what_it_printed_on_tensorrt(run):
    printed, _ = run
    assert "Failed building engine!" not in printed
    assert "[ 0]Input -> DataType.FLOAT (-1, 1, 28, 28) (1, 1, 28, 28) inputT0" in printed
    assert (
        "[ 1]Output-> DataType.INT32 (-1, 1) (1, 1) (Unnamed Layer* 17) [TopK]_output_2" in printed
    )


def test_objects_die_quietly(run):
    printed, _ = run
    for word in ("Warning", "Exception ignored", "Traceback", "[TRT] [E]"):
        assert word not in printed
