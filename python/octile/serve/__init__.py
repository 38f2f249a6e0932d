"""Serving plans over the Open Inference Protocol, by KServe (`pip install '.[serve]'`).

`octile-serve MODEL_DIR` serves a folder (docs/serving.md). OctileModel is a kserve.Model for
servers of one's own.
"""

from __future__ import annotations

try:
    import kserve as _kserve  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"octile.serve needs KServe ({error}): pip install '.[serve]' in the source tree"
    ) from error

from ._model import OctileModel
from ._options import Options
from ._repository import OctileRepository
from ._server import OctileServer

__all__ = ["OctileModel", "OctileRepository", "OctileServer", "Options"]
