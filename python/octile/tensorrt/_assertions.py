"""Assertions whose condition only the run knows: outputs of the native engine that contexts check.

A condition that follows from shapes (and shape inputs) is checked by infer_shapes() already.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

import numpy as np

__all__: list = []


def mark_conditions(network: Any, native: Any) -> None:
    """Makes the conditions outputs of the complete native network."""
    for layer in network._layers:
        if layer.__dict__.get("_condition_name"):
            native.mark_output(native.find_tensor(layer._condition_name))


def conditions_of(network: Any, data: set) -> list:
    """Their facts; `data`: names of native tensors whose values follow from data."""
    return [
        {
            "tensor": layer._condition_name,
            "layer": layer._name,
            "message": layer.message,
            "early": layer._condition_name not in data,
        }
        for layer in network._layers
        if layer.__dict__.get("_condition_name")
    ]


def what_failed(conditions: Iterable[dict], values: Mapping[str, Any]) -> str:
    """What the first false one of the conditions says; empty when all hold."""
    for condition in conditions:
        elements = np.reshape(values[condition["tensor"]], -1)
        if not elements.all():
            place = int(np.argmin(elements))
            return (
                f"IAssertionLayer {condition['layer']}: condition[{place}] is false. "
                f"{condition['message']}"
            )
    return ""
