"""TensorRT's Python API (8.6 to 10.16) over Octile: `import octile.tensorrt as trt`.

Networks are made, calibrated, built and run by Octile. Failing calls log and return None, False or
−1, as in TensorRT; what has no counterpart raises UnsupportedError, which names it.
docs/migrating-from-tensorrt.md tells what differs.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

__version__ = "10.16.0.72"  # the version of TensorRT whose API this is
__all__ = ["tensorrt"]

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    if _module.startswith("_") and not _module.startswith("__"):
        _loaded = importlib.import_module(f"{__name__}.{_module}")
        for _name in getattr(_loaded, "__all__", ()):
            globals()[_name] = getattr(_loaded, _name)
            __all__.append(_name)
__all__ = sorted(set(__all__))

# Programs reach everything by `tensorrt.tensorrt` too, which is where the real module has it.
tensorrt = sys.modules[__name__]
sys.modules[f"{__name__}.tensorrt"] = tensorrt

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


def __getattr__(name: str) -> Any:
    """Names that TensorRT has and Octile has not raise an AttributeError that says so."""
    from ._report import UnsupportedName

    if name in _ABSENT:
        raise UnsupportedName(f"tensorrt.{name} has no counterpart in Octile: {_ABSENT[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
