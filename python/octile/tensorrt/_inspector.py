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
        """A context whose active profile the kernels are told for; None: profile 0."""
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
        return [_facts(info, tactic) for info, tactic in zip(infos, tactics)]


def _facts(info: Any, tactic: str) -> dict:
    output = {"Name": info.output, "Location": "Host", "Dimensions": list(info.shape)}
    if info.scale:
        output["Scale"] = info.scale
    facts = {
        "Name": info.name,
        "LayerType": info.step,
        "Outputs": [output],
        "Precision": info.precision,
        "TacticName": tactic,
        "WeightBytes": info.weight_bytes,
        "StreamId": 0,
    }
    return {**facts, "Note": info.note} if info.note else facts


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
