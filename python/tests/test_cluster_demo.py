"""examples/cluster/demo.py when its parts fail."""

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "examples/cluster/demo.py"


def test_an_earlier_runs_figures_are_not_reported(tmp_path):
    for name in ("cluster-calibration.json", "cluster.cache", "cluster.json"):
        (tmp_path / name).write_text('{"same_bits": true, "workers_killed": 1}')
    command = [sys.executable, DEMO, "--ray", "false", "--serve", "false", "--out", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode != 0 and "calibrate.py ended with 1" in done.stderr
    assert not (tmp_path / "cluster.json").exists() and "same_bits" not in done.stdout
