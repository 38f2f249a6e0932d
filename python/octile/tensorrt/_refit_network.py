"""A native network as text and back, so that an engine can be built anew with other weights.

`written` gives a JSON object: ops as Octile prints them (`Cast(type='int64')`), constants as base64
of their bytes. `network_of` makes the same network of it; what is printed is parsed, never
evaluated, since it comes from plan files.
"""

from __future__ import annotations

import ast
import base64
from typing import Any, Dict

import numpy as np

import octile
from octile import ops

from ._native_values import ApiError


def written(network: "octile.Network") -> dict:
    """The network as JSON can hold it. ApiError for constants of a type that NumPy has not."""
    layers = []
    for layer in network.layers:
        row = {
            "op": repr(layer.op),
            "name": layer.name,
            "inputs": [tensor.name for tensor in layer.inputs],
            "outputs": [tensor.name for tensor in layer.outputs],
        }
        if isinstance(layer.op, ops.Constant):
            row["value"] = _plain_value(layer.outputs[0])
        if layer.precision != "auto":
            row["precision"] = layer.precision
        layers.append(row)
    return {
        "name": network.name,
        "inputs": [[t.name, str(t.dtype), list(t.shape)] for t in network.inputs],
        "layers": layers,
        "outputs": [tensor.name for tensor in network.outputs],
        "ranges": _ranges(network),
    }


def _plain_value(tensor: "octile.Tensor") -> list:
    value = tensor.value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise ApiError(f"'{tensor.name}' of type {tensor.dtype} cannot be kept for a refit")
    data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    return [value.dtype.name, list(value.shape), data]


def _ranges(network: "octile.Network") -> dict:
    tensors = list(network.inputs)
    for layer in network.layers:
        tensors.extend(layer.outputs)
    return {t.name: list(t.dynamic_range) for t in tensors if t.dynamic_range is not None}


def network_of(data: dict, values: Dict[str, np.ndarray]) -> "octile.Network":
    """The network that was written, with `values` for the constants that they name.

    Raises ValueError, KeyError or TypeError for what written() did not give.
    """
    network = octile.Network(data["name"])
    tensors = {name: network.add_input(name, dtype, shape) for name, dtype, shape in data["inputs"]}
    for row in data["layers"]:
        if "value" in row:
            name = row["outputs"][0]
            value = values[name] if name in values else value_of(row["value"])
            outputs = [network.constant(value, name=row["name"])]
            layer = outputs[0].producer
        else:
            inputs = [tensors[name] for name in row["inputs"]]
            layer = network.add(op_of(row["op"]), inputs, name=row["name"])
            outputs = layer.outputs
        layer.precision = row.get("precision", "auto")
        for tensor, name in zip(outputs, row["outputs"]):
            tensor.name = name
            tensors[name] = tensor
    for name, bounds in data["ranges"].items():
        tensors[name].dynamic_range = tuple(bounds)
    for name in data["outputs"]:
        network.mark_output(tensors[name])
    return network


def value_of(plain: list) -> np.ndarray:
    """The array that a constant was written as."""
    dtype, shape, data = plain
    return np.frombuffer(base64.b64decode(data), dtype).reshape(shape)


def op_of(text: str) -> Any:
    """The op that was printed as `text`. ValueError for any other text."""
    return _read(ast.parse(text, mode="eval").body)


def _read(node: ast.AST) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
        return float(*(_read(argument) for argument in node.args))  # float('inf')
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        values = {str(keyword.arg): _read(keyword.value) for keyword in node.keywords}
        return _member(node.func.id)(**values)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return _member(node.value.id).__members__[node.attr]
    if isinstance(node, ast.Tuple):
        return tuple(_read(element) for element in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_read(node.operand)
    if isinstance(node, ast.Constant):
        return node.value
    raise ValueError(f"{ast.dump(node)} is no part of an op")


def _member(name: str) -> Any:
    found = getattr(ops, name, None)
    if name.startswith("_") or not isinstance(found, type):
        raise ValueError(f"octile.ops has no {name}")
    return found
