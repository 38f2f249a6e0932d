"""What an engine knows of its TensorRT network, as JSON in the plan's metadata ("octile.tensorrt").

Names of IO tensors in TensorRT's order, the types that bindings hold (HALF where the native engine
computes float32), which inputs give shapes, and what the configuration said. A plan without it (the
native API's, the command line's) gets what its bindings tell.
"""

from __future__ import annotations

import json
from typing import Any

import octile
from octile import ops

from ._assertions import conditions_of
from ._bounds import most_elements
from ._native_values import from_native_dtype
from ._profile import greatest
from ._types import DataType, LayerType, ProfilingVerbosity

__all__: list = []

KEY = "octile.tensorrt"
_VERSION = 1


class Io:
    """One input or output of an engine."""

    def __init__(self, name: str, is_input: bool, dtype: DataType, shape: tuple, **more: Any):
        self.name, self.is_input, self.dtype = name, is_input, dtype
        self.shape = tuple(shape)  # −1: depends on the profile, on shape inputs or on data
        self.gives_shapes = bool(more.get("gives_shapes"))  # an input whose values are extents
        self.late = bool(more.get("late"))  # its shape is known after running only
        self.from_values = bool(more.get("from_values"))  # late, or after shape inputs are set
        self.converts = False  # bindings hold another type than the native engine's


class Facts:
    """All that is kept of a network and its configuration."""

    def __init__(self) -> None:
        self.name = ""
        self.io: list = []
        self.debug: list = []  # Io of debug tensors, which are outputs of the native engine alone
        self.profile_values: list = []  # per profile: input → [min, opt, max] values
        self.layers: list = []  # names of the network's layers
        self.conditions: list = []  # of assertions (_assertions.py)
        self.most: dict = {}  # output whose extents depend on data → its most elements, if known
        self.labels: list = []  # (name, [[input, axis] …]): axes whose extents are equal
        self.aliases: dict = {}  # outputs that are to stand where an input stands
        self.graph: dict = {}  # tensor → [dtype, tensors that its layer reads]; for inspectors
        self.config: dict = {}

    def to_json(self) -> str:
        def plain(io: Io) -> dict:
            keys = ("name", "is_input", "gives_shapes", "late")
            shown = {key: getattr(io, key) for key in keys}
            return {**shown, "dtype": io.dtype.name, "shape": list(io.shape)}

        return json.dumps(
            {
                **vars(self),
                "version": _VERSION,
                "io": [plain(io) for io in self.io],
                "debug": [plain(io) for io in self.debug],
            }
        )

    @staticmethod
    def from_json(text: str) -> "Facts":
        """Raises ValueError for what to_json() did not write."""
        try:
            data = json.loads(text)
            if data.pop("version") != _VERSION:
                raise ValueError("it is of another version of Octile: build the engine anew")
            facts = Facts()
            for key in ("io", "debug"):
                setattr(facts, key, [_io(item) for item in data.pop(key)])
            for key in vars(Facts()).keys() - {"io", "debug"}:
                setattr(facts, key, data[key])
            return facts
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"metadata '{KEY}' of the plan cannot be read: {error}") from None


def _io(item: dict) -> Io:
    item = dict(item)
    dtype = DataType.__members__[item.pop("dtype")]
    return Io(item.pop("name"), item.pop("is_input"), dtype, item.pop("shape"), **item)


def facts_of_network(network: Any, native: "octile.Network", config: Any) -> Facts:
    """The facts of an INetworkDefinition whose native network is complete."""
    facts = Facts()
    facts.name = network.name
    facts.layers = [layer._name for layer in network._layers]
    shape_inputs = {t.name for t in network._inputs if network._is_shape_tensor(t)}
    late, data = _data_dependence(native, shape_inputs)
    facts.conditions = conditions_of(network, data)
    facts.most = most_elements(network, late, greatest(config._profiles)[0])
    facts.aliases = {
        layer._outputs[0].name: layer._inputs[0].name
        for layer in network._layers
        if layer._class._layer_type == LayerType.KV_CACHE_UPDATE
    }
    for tensor in network._inputs:
        gives = tensor.name in shape_inputs
        facts.io.append(
            Io(tensor.name, True, tensor.dtype, tensor._input_shape, gives_shapes=gives)
        )
    facts.labels = _labels(network._inputs)
    for tensor in network._outputs:
        shape = native.find_tensor(tensor.name).shape
        is_late = tensor.name in late
        facts.io.append(Io(tensor.name, False, tensor.dtype, shape, late=is_late))
    outputs = {tensor.name for tensor in network._outputs}
    for tensor in network._debug.values():
        shape = native.find_tensor(tensor.name).shape
        io = Io(tensor.name, False, tensor.dtype, shape, late=True)
        (facts.debug if tensor.name not in outputs else []).append(io)
    if config.profiling_verbosity == ProfilingVerbosity.DETAILED:
        facts.graph = _graph(native)
    facts.config = {
        "debug": [tensor.name for tensor in network._debug.values()],
        "verbosity": int(config.profiling_verbosity),
        "hardware": int(config.hardware_compatibility_level),
        "capability": int(config.engine_capability),
        "tactic_sources": config.get_tactic_sources(),
        "flags": config.flags,
    }
    facts.profile_values = [
        {name: [list(v) for v in values] for name, values in profile._values.items()}
        for profile in config._profiles
    ]
    return facts


_GIVE_EXTENTS: dict = {  # native ops and their inputs whose values the extents follow from
    ops.Counting: (0, 1, 2),
    ops.Expand: (1,),
    ops.ReshapeTo: (1,),
    ops.SliceBetween: (1, 2),
    ops.TopKOf: (1,),
    ops.NonZero: (0,),
    ops.Compress: (0, 1),
    ops.Unique: (0,),
    ops.NonMaxSuppression: (0, 1),
}


def _graph(native: "octile.Network") -> dict:
    graph = {tensor.name: [str(tensor.dtype), []] for tensor in native.inputs}
    for layer in native.layers:
        if not isinstance(layer.op, ops.Constant):
            read = [tensor.name for tensor in layer.inputs if tensor.value is None]
            graph.update({tensor.name: [str(tensor.dtype), read] for tensor in layer.outputs})
    return graph


def _labels(inputs: list) -> list:
    """The names that ITensor.set_dimension_name() gave to several axes, and where they are."""
    places: dict = {}
    for tensor in inputs:
        for axis, name in sorted(tensor._dimension_names.items()):
            if name and 0 <= axis < len(tensor._input_shape):
                places.setdefault(name, []).append([tensor.name, axis])
    return [[name, axes] for name, axes in places.items() if len(axes) > 1]


def _data_dependence(native: "octile.Network", shape_inputs: set) -> tuple:
    """Names of the tensors whose extents, and of those whose values, depend on data.

    That is on more than shapes and shape inputs.
    """
    data = {t.name for t in native.inputs if t.name not in shape_inputs}
    late: set = set()
    for layer in native.layers:
        names = [t.name for t in layer.inputs]
        giving = [names[i] for i in _GIVE_EXTENTS.get(type(layer.op), ())]
        outputs = [t.name for t in layer.outputs]
        if any(name in late for name in names) or any(name in data for name in giving):
            late.update(outputs)
            data.update(outputs)
        elif not isinstance(layer.op, ops.ShapeOf) and any(name in data for name in names):
            data.update(outputs)
    return late, data


def facts_of_engine(engine: "octile.Engine") -> Facts:
    """The facts in the plan's metadata, else what the bindings tell. Raises ValueError."""
    text = dict(engine.plan.metadata).get(KEY)
    facts = Facts.from_json(text) if text else _facts_of_bindings(engine)
    bindings = {binding.name: binding for binding in engine.bindings}
    for io in facts.io + facts.debug:
        binding = bindings.get(io.name)
        if binding is None or binding.is_input != io.is_input:
            raise ValueError(f"metadata '{KEY}' of the plan names '{io.name}', which it has not")
        io.from_values = binding.from_values
        io.late = io.late and binding.from_values
    return facts


def _facts_of_bindings(engine: "octile.Engine") -> Facts:
    facts = Facts()
    facts.name = engine.plan.name
    for binding in engine.bindings:
        dtype = from_native_dtype(binding.dtype)
        facts.io.append(Io(binding.name, binding.is_input, dtype, binding.shape, late=True))
    return facts
