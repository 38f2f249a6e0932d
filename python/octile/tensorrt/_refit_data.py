"""What a plan keeps so that its weights can be changed: `RefitData`, JSON in the plan's metadata.

The builder's part is `refit_data`, the Refitter's `RefitData.plan`: it builds the kept network
anew, with the ranges and options of the first build.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

import numpy as np

import octile

from ._enums import BuilderFlag, WeightsRole
from ._layers_linear import IConstantLayer, IFullyConnectedLayer, IMatrixMultiplyLayer
from ._layers_pointwise import IScaleLayer
from ._layers_window import IConvolutionLayer, IDeconvolutionLayer
from ._refit_network import network_of, value_of, written
from ._weight_names import given_weights

KEY = "octile.tensorrt.refit"
_VERSION = 1
FLAGS = (
    BuilderFlag.REFIT,
    BuilderFlag.REFIT_IDENTICAL,
    BuilderFlag.REFIT_INDIVIDUAL,
    BuilderFlag.STRIP_PLAN,
)

_ROLES = {
    IConvolutionLayer: {"kernel": "KERNEL", "bias": "BIAS"},
    IDeconvolutionLayer: {"kernel": "KERNEL", "bias": "BIAS"},
    IFullyConnectedLayer: {"kernel": "KERNEL", "bias": "BIAS"},
    IScaleLayer: {"shift": "SHIFT", "scale": "SCALE"},
    IConstantLayer: {"weights": "CONSTANT"},
}


class Kept:
    """One refittable set of weights."""

    def __init__(self, layer: str, role: str, name: str, tensors: list, dtype: str, count: int):
        self.layer, self.role, self.name = layer, role, name
        self.tensors = tensors  # the native constants that hold it
        self.dtype, self.count = dtype, count  # of the Weights
        self.fixed = False  # with REFIT_INDIVIDUAL: not marked


class RefitData:
    """All that a second build needs."""

    def __init__(self, network: dict, table: Optional[str], options: dict, weights: List[Kept]):
        self.network, self.table, self.options, self.weights = network, table, options, weights

    def to_json(self) -> str:
        weights = [vars(kept) for kept in self.weights]
        return json.dumps({**vars(self), "weights": weights, "version": _VERSION})

    @staticmethod
    def from_json(text: str) -> "RefitData":
        """Raises ValueError for what to_json() did not write."""
        try:
            data = json.loads(text)
            if data.pop("version") != _VERSION:
                raise ValueError("it is of another version of Octile: build the engine anew")
            weights = []
            for row in data.pop("weights"):
                fixed = row.pop("fixed")
                weights.append(Kept(**row))
                weights[-1].fixed = fixed
            return RefitData(weights=weights, **data)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"metadata '{KEY}' of the plan cannot be read: {error}") from None

    # --- ranges ---
    def ranges(self) -> Dict[str, tuple]:
        """Name → (min, max) of all tensors that have a range."""
        found = {}
        if self.table is not None:
            table = octile.CalibrationTable.parse(self.table.encode())
            found = {name: (-entry.threshold, entry.threshold) for name, entry in table.items()}
        own = self.network["ranges"]
        return {**found, **{name: tuple(bounds) for name, bounds in own.items()}}

    # --- building ---
    def value(self, tensor: str) -> np.ndarray:
        """The present value of a native constant."""
        for row in self.network["layers"]:
            if "value" in row and row["outputs"][0] == tensor:
                return value_of(row["value"])
        raise KeyError(tensor)

    def plan(
        self, old: "octile.Plan", values: Dict[str, np.ndarray], metadata: dict, **options: Any
    ) -> "octile.Plan":
        """`old` with `values` for native constants, which are kept then, as precisions are.

        Raises octile.Error, and ValueError for a damaged plan.
        """
        try:
            native = network_of(self.network, values)
            if old.precision is not None:  # what the first build chose by measurement
                chosen = {group["name"]: group["label"] for group in old.precision["groups"]}
                self.options.update(group_precision=chosen)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"metadata '{KEY}' of the plan cannot be read: {error}") from None
        self.network = written(native)
        table = self.table
        return octile.build(
            native,
            None if table is None else octile.CalibrationTable.parse(table.encode()),
            metadata={**metadata, KEY: self.to_json()},
            **{**self.options, "profiles": _profiles(self.options["profiles"])},
            **options,
        )


def _profiles(plain: list) -> list:
    return [
        {name: tuple(tuple(shape) for shape in shapes) for name, shapes in profile.items()}
        for profile in plain
    ]


def refit_data(
    network: Any, native: "octile.Network", table: Any, config: Any, options: dict
) -> Optional[RefitData]:
    """What the plan of a refittable engine keeps; None without one of FLAGS."""
    if not any(config.get_flag(flag) for flag in FLAGS):
        return None
    weights = _weights(network, native)
    if config.get_flag(BuilderFlag.REFIT_INDIVIDUAL):
        for kept in weights:
            kept.fixed = kept.name not in network._refittable
    text = None if table is None else table.to_json()
    return RefitData(written(native), text, options, weights)


def _weights(network: Any, native: "octile.Network") -> List[Kept]:
    found = []
    for layer in network._layers:
        roles = next((r for cls, r in _ROLES.items() if issubclass(layer._class, cls)), {})
        for attribute, role in roles.items():
            given = given_weights(layer, attribute)
            if given is None or given.size == 0:
                continue
            names = [name for name in _tensors(network, layer, attribute) if _used(native, name)]
            if not names or any(native.find_tensor(n).value.size != given.size for n in names):
                continue
            name = layer.__dict__.get("_weight_names", {}).get(attribute, "")
            found.append(Kept(layer._name, role, name, names, given.dtype.name, given.size))
    return found


def _tensors(network: Any, layer: Any, attribute: str) -> list:
    """Names that the native constants of a layer's weights may have."""
    if attribute == "weights":
        name = network._emission._tensors[layer._outputs[0]].name
        readers = [
            other
            for other in network._layers
            if issubclass(other._class, IMatrixMultiplyLayer)
            and any(tensor is layer._outputs[0] for tensor in other._inputs)
        ]
        # A product reads a matrix without leading 1s from a constant of its own.
        return [name, *(f"{other._emitted_name}.weights" for other in readers)]
    origin = layer.__dict__.get("_origin")
    if origin is not None and origin.holds(layer):
        return [layer._weight_tensors[attribute]]
    name = layer._emitted_name
    full = issubclass(layer._class, IFullyConnectedLayer)
    return [f"{name}.weights" if full and attribute == "kernel" else f"{name}.{attribute}"]


def _used(native: "octile.Network", name: str) -> bool:
    tensor = native.find_tensor(name)
    return tensor is not None and tensor.value is not None and bool(tensor.consumers)


def role_of(role: Any) -> str:
    """The name of a WeightsRole. TypeError for anything else."""
    if not isinstance(role, WeightsRole):
        raise TypeError(f"a WeightsRole is wanted, not {type(role).__name__} {role!r}")
    return role.name
