"""`EngineInspector`: the steps of an engine as text or JSON."""

from __future__ import annotations

import json
from typing import Any

from ._functions import Sealed
from ._told import Told
from ._types import LayerInformationFormat, ProfilingVerbosity

__all__ = ["EngineInspector"]


class EngineInspector(Told, Sealed):
    """Made by ICudaEngine.create_engine_inspector.

    What it tells depends on the verbosity that the engine was built with: names of layers, or
    (DETAILED) their kind, precision, output and kernel; nothing for ProfilingVerbosity.NONE.
    """

    __module__ = "octile.tensorrt"

    def __init__(self, engine: Any):
        self._engine = engine
        self._logger, self._recorder = engine._logger, engine._recorder
        self._context: Any = None

    @property
    def execution_context(self) -> Any:
        """A context whose active profile and shapes are told; None: profile 0."""
        return self._context

    @execution_context.setter
    def execution_context(self, context: Any) -> None:
        self._context = context

    def get_layer_information(
        self, layer_index: int, format: LayerInformationFormat = LayerInformationFormat.ONELINE
    ) -> str:
        """One step; empty for an index that there is not (told)."""
        count = self._engine.num_layers
        if not 0 <= layer_index < count:
            return self._fail(
                "IEngineInspector::getLayerInformation",
                f"layer {layer_index} is not in 0 … {count - 1}",
                "",
            )
        if self._engine.profiling_verbosity == ProfilingVerbosity.NONE:
            return ""
        return _text(self._layers()[layer_index], format)

    def get_engine_information(
        self, format: LayerInformationFormat = LayerInformationFormat.ONELINE
    ) -> str:
        """All steps, and the names of inputs and outputs."""
        silent = self._engine.profiling_verbosity == ProfilingVerbosity.NONE
        layers = [] if silent else self._layers()
        names = [io.name for io in self._engine._io]
        if format == LayerInformationFormat.JSON:
            return json.dumps({"Layers": layers, "Bindings": names})
        lines = ["Layers:", *(_text(layer, format) for layer in layers)]
        return "\n".join([*lines, "", "Bindings:", *names, ""])

    def _layers(self) -> list:
        """A name, or a dict of facts, for every step."""
        infos = self._engine._native.plan.layers()
        if self._engine.profiling_verbosity != ProfilingVerbosity.DETAILED:
            return [info.name for info in infos]
        profile = 0 if self._context is None else self._context.active_optimization_profile
        tactics = self._engine._native.tactics(profile)
        steps = _Steps(self._engine, self._context)
        return [steps.facts(info, tactic) for info, tactic in zip(infos, tactics)]


_FORMATS = {
    "float32": "Row major linear FP32",
    "float16": "Row major linear FP16 format",
    "int8": "Row major Int8 format",
    "uint8": "Row major linear UInt8 format",
    "int32": "Row major linear Int32",
    "int64": "Row major linear Int64 format",
    "bool": "Row major linear BOOL",
}


class _Steps:
    """Describes steps in their order: what each reads follows from what was written before it."""

    def __init__(self, engine: Any, context: Any):
        self._graph, self._context = engine._facts.graph, context
        # name → (extents, format) of what was written so far
        self._written = {
            io.name: self._tensor(io.name, io.shape, self._dtype(io.name))
            for io in engine._io
            if io.is_input
        }

    def facts(self, info: Any, tactic: str) -> dict:
        dtype = info.precision.split(" -> ")[-1]
        if dtype == "float32":  # or any other type that is not quantized
            dtype = self._dtype(info.output)
        output = self._tensor(info.output, info.shape, dtype)
        if info.scale:
            output["Scale"] = info.scale
        facts = {
            "Name": info.name,
            "LayerType": info.step,
            "Inputs": [self._written[name] for name in self._read(info.output)],
            "Outputs": [output],
            "Precision": info.precision,
            "TacticName": tactic,
            "WeightBytes": info.weight_bytes,
            "StreamId": 0,
            "Metadata": "",
        }
        self._written[info.output] = output
        return {**facts, "Note": info.note} if info.note else facts

    def _read(self, output: str) -> list:
        """The nearest tensors before `output` that are there; fused layers lie between."""
        if output in self._written:  # the same tensor in another type or layout
            return [output]
        found: dict = {}
        pending, seen = list(reversed(self._graph.get(output, ["", []])[1])), set()
        while pending:
            name = pending.pop()
            if name in self._written:
                found[name] = True
            elif name not in seen:
                seen.add(name)
                pending.extend(reversed(self._graph.get(name, ["", []])[1]))
        return list(found)

    def _dtype(self, name: str) -> str:
        return self._graph.get(name, ["float32"])[0]

    def _tensor(self, name: str, shape: Any, dtype: str) -> dict:
        shown = self._context is not None and name in self._context.engine._by_name
        extents = self._context.get_tensor_shape(name) if shown else shape
        return {
            "Name": name,
            "Location": "Host",
            "Dimensions": list(extents),
            "Format/Datatype": _FORMATS.get(dtype, dtype),
        }


def _text(layer: Any, format: LayerInformationFormat) -> str:
    if format == LayerInformationFormat.JSON:
        return json.dumps(layer)
    if isinstance(layer, str):
        return layer
    return ", ".join(f"{key}: {_plain(value)}" for key, value in layer.items())


def _plain(value: Any) -> str:
    """`value` as in TensorRT's lines: [ { Name: x, Dimensions: [1,3] }]."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k}: {_plain(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[ " + ", ".join(_plain(item) for item in value) + "]"
    if isinstance(value, list):
        return "[" + ",".join(str(item) for item in value) + "]"
    return str(value)
