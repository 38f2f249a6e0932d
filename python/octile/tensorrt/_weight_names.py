"""Names of weights and which of them a Refitter may change: a part of INetworkDefinition."""

from __future__ import annotations

from typing import Any, Optional

from ._native_values import ApiError
from ._types import Weights, as_weights

__all__: list = []

_ATTRIBUTES = ("kernel", "bias", "shift", "scale", "power", "weights")


def given_weights(layer: Any, attribute: str) -> Optional[Weights]:
    """The Weights that a layer has for the attribute; None where it has none."""
    value = layer.__dict__.get("_a_" + attribute)
    return value if isinstance(value, Weights) else None


class WeightNames:
    """Weights are known by the memory that they were made from, as in TensorRT."""

    _layers: list
    _refittable: set

    def set_weights_name(self, weights: Any, name: str) -> bool:
        """Names the weights of the layer that was made from this array or these Weights."""
        if not isinstance(name, str):
            raise TypeError("set_weights_name(): name must be a string")
        found = self._find_weights(as_weights(weights, "set_weights_name(): weights"))
        if found is None:
            error = ApiError(f"{name}: no layer of the network has these weights")
            return self._error("INetworkDefinition::setWeightsName", error, False)
        layer, attribute = found
        layer.__dict__.setdefault("_weight_names", {})[attribute] = name
        return True

    def _find_weights(self, weights: Weights) -> Optional[tuple]:
        address = weights._data.ctypes.data
        for layer in self._layers:
            for attribute in _ATTRIBUTES:
                known = given_weights(layer, attribute)
                if known is None or known.size == 0 or known.size != weights.size:
                    continue
                if known._data.ctypes.data == address:
                    return layer, attribute
        return None

    def _error(self, where: str, error: Exception, result: Any = None) -> Any:
        raise NotImplementedError

    # --- BuilderFlag.REFIT_INDIVIDUAL ---
    def mark_weights_refittable(self, name: str) -> bool:
        """With BuilderFlag.REFIT_INDIVIDUAL a Refitter may change marked weights alone."""
        self._refittable.add(name)
        return True

    def unmark_weights_refittable(self, name: str) -> bool:
        """Takes mark_weights_refittable() back."""
        self._refittable.discard(name)
        return True

    def are_weights_marked_refittable(self, name: str) -> bool:
        """Whether weights of this name are marked."""
        return name in self._refittable
