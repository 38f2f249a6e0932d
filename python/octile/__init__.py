"""Octile: INT8 post-training quantization and inference.

    import octile

    network = octile.import_onnx("model.onnx")
    table = octile.calibrate(network, batches)  # arrays, sequences or dicts of arrays
    plan = octile.build(network, table, int8=True)
    context = octile.Engine(plan).create_context()
    outputs = context.run(array)  # output name -> numpy.ndarray

`octile.tensorrt` is TensorRT's Python API over the same library, `octile.cudart` that of
cuda-python.
"""

from __future__ import annotations

from collections.abc import MutableMapping as _MutableMapping

from . import _wait_policy, ops  # noqa: F401  (the policy comes before the native module)
from ._calibrator import Calibrator
from ._native import (
    Accuracy,
    BatchSource,
    Binding,
    CalibrationData,
    CalibrationPart,
    CalibrationTable,
    Comparison,
    DeviceError,
    DeviceInfo,
    Engine,
    Entry,
    Error,
    ExecutionContext,
    Histogram,
    InternalError,
    InvalidArgument,
    InvalidFile,
    IoError,
    Layer,
    LayerDecision,
    LayerInfo,
    Network,
    PartCollector,
    Plan,
    Tensor,
    TensorComparison,
    Unsupported,
    __version__,
    build,
    calibrate,
    collect,
    compare,
    cosine,
    devices,
    explain_quantization,
    export_onnx,
    export_onnx_bytes,
    host_memory,
    import_onnx,
    load_npz,
    onnx_nodes,
    open_data,
    pass_names,
    precision_report,
    quantize,
    recipe_names,
    retime,
    save_npz,
    sqnr_db,
    supported_onnx_operators,
    threshold,
    to_ncnn_table,
    top1_agreement,
    top_k_accuracy,
    whole_collection,
)

__all__ = [
    "Accuracy",
    "BatchSource",
    "Binding",
    "CalibrationData",
    "CalibrationPart",
    "CalibrationTable",
    "Calibrator",
    "Comparison",
    "DeviceError",
    "DeviceInfo",
    "Engine",
    "Entry",
    "Error",
    "ExecutionContext",
    "Histogram",
    "InternalError",
    "InvalidArgument",
    "InvalidFile",
    "IoError",
    "Layer",
    "LayerDecision",
    "LayerInfo",
    "Network",
    "PartCollector",
    "Plan",
    "Tensor",
    "TensorComparison",
    "Unsupported",
    "__version__",
    "build",
    "calibrate",
    "collect",
    "compare",
    "cosine",
    "devices",
    "explain_quantization",
    "export_onnx",
    "export_onnx_bytes",
    "host_memory",
    "import_onnx",
    "load_npz",
    "onnx_nodes",
    "open_data",
    "ops",
    "pass_names",
    "precision_report",
    "quantize",
    "recipe_names",
    "retime",
    "save_npz",
    "sqnr_db",
    "supported_onnx_operators",
    "threshold",
    "to_ncnn_table",
    "top1_agreement",
    "top_k_accuracy",
    "whole_collection",
]

# The C++ class has what differs; the rest of a mapping follows from it.
for _name in ("pop", "popitem", "clear", "update", "setdefault"):
    setattr(CalibrationTable, _name, getattr(_MutableMapping, _name))
_MutableMapping.register(CalibrationTable)
