"""Calibrate, evaluate and sweep on a Ray cluster; `pip install '.[ray]'`.

    import octile.ray, ray

    pictures = ray.data.read_numpy("pictures/", ...)  # any ray.data.Dataset
    table = octile.ray.calibrate("model.onnx", pictures, columns="data")
    rows = octile.ray.evaluate({"int8": "int8.plan"}, labelled, label="label")
    result = octile.ray.sweep("model.onnx", recipes, labelled, label="label")

The table is bit for bit the one that octile.calibrate() makes of the same samples in one process,
whatever the number of workers, the blocks and their order. docs/scale.md says how and why.
"""

from __future__ import annotations

try:
    import ray.data  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"octile.ray needs Ray ({error}): pip install '.[ray]' in the source tree"
    ) from error

from ._calibrate import calibrate, collect
from ._cluster import Cancelled
from ._evaluate import evaluate
from ._metrics import METRICS
from ._sweep import Sweep, sweep

__all__ = ["METRICS", "Cancelled", "Sweep", "calibrate", "collect", "evaluate", "sweep"]
