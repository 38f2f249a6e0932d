"""What is known before run time about integer tensors, element by element.

Programs compute extents from extents: shape layers, slices of them, sums, products. `known` follows
such computations through the native network. An element comes out as a number, as an `Extent` (of
an axis of another tensor, times a factor), or as None where only the run tells. With that, a
reshape to such extents can become a plain one and shapes stay as exact as TensorRT shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Optional

import numpy as np

from octile import ops

MOST_ELEMENTS = 1024  # extents are short lists; weights are not looked into


@dataclass(frozen=True)
class Extent:
    """factor · the extent of `axis` of the native tensor named `tensor`, which the run tells."""

    tensor: str
    axis: int
    factor: int = 1


@dataclass(frozen=True)
class Element(Extent):
    """factor · the element at place `axis` of the network input named `tensor`, a list."""


def extent_of(x: Any, axis: int) -> Any:
    """The extent of an axis: a number or an Extent; equal ones are equal at run time too."""
    while x.shape[axis] < 0:
        source = _same_extent(x, axis)
        if source is None:
            return Extent(x.name, axis)
        x, axis = source
    return x.shape[axis]


def extents_of(x: Any) -> list:
    return [extent_of(x, axis) for axis in range(len(x.shape))]


_SAME_SHAPE = (ops.Activation, ops.Unary, ops.Identity, ops.Cast, ops.Softmax, ops.Scale)
_SAME_BATCH = (ops.Convolution, ops.Deconvolution, ops.Pooling)


def _same_extent(x: Any, axis: int) -> Optional[tuple]:
    """The tensor and axis that this axis of x has its extent from."""
    layer = x.producer
    if layer is None:
        return None
    op, source = layer.op, layer.inputs
    if isinstance(op, _SAME_SHAPE) or (isinstance(op, _SAME_BATCH) and axis == 0):
        return source[0], axis
    if isinstance(op, ops.Shuffle) and not op.second:
        if not op.has_reshape or (op.zero_is_placeholder and op.dims[axis] == 0):
            return source[0], op.first[axis] if op.first else axis
    if isinstance(op, ops.Elementwise):
        sizes = [
            t.shape[axis - len(x.shape)] if len(t.shape) > len(x.shape) - axis - 1 else 1
            for t in source
        ]
        if 1 in sizes:
            other = source[1 - sizes.index(1)]
            return other, axis - len(x.shape) + len(other.shape)
    return None


def known(x: Any) -> Optional[np.ndarray]:
    """The elements of x as an array of objects (numbers, Extents, None); None: nothing is known."""
    return _Follower().value(x)


def known_list(x: Any) -> list:
    """`known` for a list of integers of known length: one entry for each element."""
    found = known(x)
    if found is not None:
        return list(found.reshape(-1))
    count = 1 if len(x.shape) == 0 else x.shape[0]
    return [None] * max(count, 0)


def constant_list(x: Any) -> Optional[list]:
    """The elements of a list of integers if all are known, else None."""
    values = known_list(x)
    return values if values and all(is_number(v) for v in values) or x.shape == (0,) else None


def is_number(value: Any) -> bool:
    return value is not None and not isinstance(value, Extent)


def _objects(value: Any, shape: Any) -> np.ndarray:
    array = np.empty(shape, dtype=object)
    array[...] = value
    return array


def _elementwise(f: Callable, *arrays: np.ndarray) -> np.ndarray:
    """f element by element with broadcasting; an array even of rank 0."""
    result = np.frompyfunc(f, len(arrays), 1)(*arrays)
    return result if isinstance(result, np.ndarray) else _objects(result, ())


def _binary(kind: str, a: Any, b: Any) -> Any:
    if is_number(a) and is_number(b):
        return _NUMBERS[kind](a, b) if kind in _NUMBERS else None
    for e, n in ((a, b), (b, a)):
        if isinstance(e, Extent) and is_number(n) and kind in ("MUL", "ADD", "SUB", "DIV"):
            if kind == "MUL" and n > 0:
                return replace(e, factor=e.factor * n)
            if kind == "ADD" and n == 0 or kind == "SUB" and n == 0 and e is a:
                return e
            if kind == "DIV" and e is a and n > 0 and e.factor % n == 0:
                return replace(e, factor=e.factor // n)
    if isinstance(a, Extent) and isinstance(b, Extent) and replace(a, factor=b.factor) == b:
        if kind == "ADD":
            return replace(a, factor=a.factor + b.factor)
        if kind in ("MIN", "MAX", "EQUAL") and a == b:
            return True if kind == "EQUAL" else a
    return None


def _truncated(a: Any, b: Any) -> Any:
    if b == 0:
        return None
    return a / b if isinstance(a, float) else int(abs(a) // abs(b)) * (1 if a * b >= 0 else -1)


_NUMBERS: dict = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV": _truncated,
    "FLOOR_DIV": lambda a, b: None if b == 0 else a // b,
    "MIN": min,
    "MAX": max,
    "EQUAL": lambda a, b: a == b,
    "GREATER": lambda a, b: a > b,
    "LESS": lambda a, b: a < b,
    "AND": lambda a, b: bool(a and b),
    "OR": lambda a, b: bool(a or b),
    "XOR": lambda a, b: bool(a) != bool(b),
}
_UNARY: dict = {
    "NEG": lambda a: -a,
    "ABS": abs,
    "NOT": lambda a: not a,
    "CEIL": lambda a: float(np.ceil(a)),
    "FLOOR": lambda a: float(np.floor(a)),
}


class _Follower:
    """Evaluates the producers of a tensor, each once."""

    def __init__(self) -> None:
        self._found: dict = {}

    def value(self, x: Any) -> Optional[np.ndarray]:
        if x.name in self._found:
            return self._found[x.name]
        found = None
        if all(e >= 0 for e in x.shape) and np.prod(x.shape, dtype=np.int64) <= MOST_ELEMENTS:
            layer = x.producer
            rule = None if layer is None else getattr(self, "_" + type(layer.op).__name__, None)
            if rule is not None and layer.outputs[0] == x:
                found = rule(x, layer.op, layer.inputs)
            elif layer is None and x.dtype in (np.int32, np.int64) and len(x.shape) < 2:
                found = self._input(x)
        self._found[x.name] = found
        return found

    def _values(self, inputs: Any) -> Optional[list]:
        values = [self.value(t) for t in inputs]
        return None if any(v is None for v in values) else values

    def _input(self, x: Any) -> np.ndarray:
        result = np.empty(x.shape, dtype=object)
        for place, at in enumerate(np.ndindex(*x.shape)):
            result[at] = Element(x.name, place)
        return result

    def _Constant(self, x: Any, op: Any, inputs: Any) -> np.ndarray:
        return _objects(np.asarray(x.value).astype(object), x.shape)

    def _ShapeOf(self, x: Any, op: Any, inputs: Any) -> np.ndarray:
        result = np.empty(len(inputs[0].shape), dtype=object)
        for axis in range(len(result)):
            result[axis] = extent_of(inputs[0], axis)
        return result

    def _Identity(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        return self.value(inputs[0])

    def _Cast(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value = self.value(inputs[0])
        kind = np.dtype(x.dtype).kind if x.dtype != "bfloat16" else "f"
        to = {"i": int, "u": int, "b": bool, "f": float}.get(kind)
        if value is None or to is None:
            return None
        integers = kind in "iu"

        def keep(element: Any) -> Any:
            if is_number(element):
                return to(element)
            return element if integers else None

        return _elementwise(keep, value)

    def _Shuffle(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value = self.value(inputs[0])
        if value is None:
            return None
        value = value.transpose(op.first) if op.first else value
        if op.second:
            order = list(op.second)
            middle = [x.shape[order.index(axis)] for axis in range(len(order))]
            return value.reshape(middle).transpose(order)
        return value.reshape(x.shape)

    def _ReshapeTo(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value = self.value(inputs[0])
        return None if value is None else value.reshape(x.shape)

    def _Slice(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value = self.value(inputs[0])
        if value is None:
            return None
        for i, axis in enumerate(op.axes or range(value.ndim)):
            stride = op.stride[i] if op.stride else 1
            start = op.start[i] + (value.shape[axis] if op.start[i] < 0 else 0)
            index = start + stride * np.arange(x.shape[axis])
            value = np.take(value, index, axis=axis)
        return value

    def _Gather(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        values = self._values(inputs)
        if values is None or not all(is_number(i) for i in values[1].reshape(-1)):
            return None
        index = values[1].astype(np.int64)
        result = np.take(values[0], index, axis=op.axis)
        return result if isinstance(result, np.ndarray) else _objects(result, ())

    def _Concatenation(self, x: Any, op: Any, inputs: Any) -> np.ndarray:
        parts = [self.value(t) for t in inputs]
        parts = [_objects(None, t.shape) if p is None else p for p, t in zip(parts, inputs)]
        return np.concatenate(parts, axis=op.axis)

    def _Elementwise(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        values = self._values(inputs)
        if values is None:
            return None
        return _elementwise(lambda a, b: _binary(op.kind.name, a, b), *values)

    def _Unary(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value, rule = self.value(inputs[0]), _UNARY.get(op.kind.name)
        if value is None or rule is None:
            return None
        return _elementwise(lambda a: rule(a) if is_number(a) else None, value)

    def _Select(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        values = self._values(inputs)
        if values is None:
            return None
        return _elementwise(
            lambda c, a, b: (a if c else b) if is_number(c) else a if a == b else None, *values
        )

    def _Expand(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value = self.value(inputs[0])
        return None if value is None else np.broadcast_to(value, x.shape)

    def _Reduce(self, x: Any, op: Any, inputs: Any) -> Optional[np.ndarray]:
        value, kind = self.value(inputs[0]), {"SUM": "ADD", "PROD": "MUL"}.get(op.kind.name)
        kind = op.kind.name if op.kind.name in ("MIN", "MAX") else kind
        if value is None or kind is None or value.size == 0:
            return None
        axes = tuple(a % value.ndim for a in op.axes) or tuple(range(value.ndim))
        order = [a for a in range(value.ndim) if a not in axes] + list(axes)
        rows = value.transpose(order).reshape(-1, int(np.prod([value.shape[a] for a in axes])))
        result = np.empty(len(rows), dtype=object)
        for i, row in enumerate(rows):
            total = row[0]
            for element in row[1:]:
                total = _binary(kind, total, element)
            result[i] = total
        return result.reshape(x.shape)
