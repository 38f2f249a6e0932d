"""TensorRT's Python API (8.6 to 10.16) over Octile: `import octile.tensorrt as trt`.

Networks are made, calibrated, built and run by Octile. Failing calls log and return None, False or
−1, as in TensorRT; what has no counterpart raises UnsupportedError, which names it.
docs/migrating-from-tensorrt.md tells what differs.
"""

# ruff: noqa: F401, F403

from __future__ import annotations

import sys as _sys
from typing import Any as _Any

from ._builder import *
from ._calibrator import *
from ._config import *
from ._context import *
from ._definition import *
from ._engine import *
from ._engine_config import *
from ._enums import *
from ._inspector import *
from ._install import *
from ._layers_absent import *
from ._layers_attention import *
from ._layers_control import *
from ._layers_indexing import *
from ._layers_linear import *
from ._layers_normalize import *
from ._layers_pointwise import *
from ._layers_pooling import *
from ._layers_quantize import *
from ._layers_recurrent import *
from ._layers_reduce import *
from ._layers_sample import *
from ._layers_shape import *
from ._layers_suppression import *
from ._layers_window import *
from ._loop import *
from ._model_reader import *
from ._network import *
from ._onnx_refit import *
from ._parser import *
from ._profile import *
from ._refit import *
from ._runtime import *
from ._timing import *
from ._types import *

__version__ = "10.16.0.72"  # the version of TensorRT whose API this is

# Programs reach everything by `tensorrt.tensorrt` too, which is where the real module has it.
tensorrt = _sys.modules[__name__]
_sys.modules[f"{__name__}.tensorrt"] = tensorrt

__all__ = sorted(name for name in globals() if name[0] != "_" and name != "annotations")


def _itemsize(trt_type: _Any) -> _Any:
    """Bytes of an element, as DataType.itemsize; a private name that scripts reach for."""
    return trt_type.itemsize


# What TensorRT's module has besides, and what to do instead.
_OLD_PARSER = "export the model to ONNX and read it with OnnxParser"
_ABSENT = {
    "CaffeParser": _OLD_PARSER,
    "FieldCollection": _OLD_PARSER,
    "FieldMap": _OLD_PARSER,
    "FieldType": _OLD_PARSER,
    "IBlobNameToTensor": _OLD_PARSER,
    "ICaffePluginFactoryV2": _OLD_PARSER,
    "UffInputOrder": _OLD_PARSER,
    "UffParser": _OLD_PARSER,
}


def __getattr__(name: str) -> _Any:
    """Names that TensorRT has and Octile has not raise an AttributeError that says so."""
    from ._report import UnsupportedName

    if name in _ABSENT:
        raise UnsupportedName(f"tensorrt.{name} has no counterpart in Octile: {_ABSENT[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
