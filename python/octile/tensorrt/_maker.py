"""What the layers' `_emit` have in common: `Maker` places native ops under names of their own.

A layer that becomes several native layers names them "<layer>.<what>"; its last one has its name.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._native_values import ApiError
from ._types import as_dims


class Maker:
    """Places the native ops of one layer in `net` under names that begin with the layer's."""

    def __init__(self, net: Any, name: str):
        self.net, self.name = net, name
        self._used: dict = {}
        self._made: dict = {}

    def part(self, what: str) -> str:
        """A name for a native layer inside of the layer."""
        count = self._used[what] = self._used.get(what, 0) + 1
        return f"{self.name}.{what}" + ("" if count == 1 else str(count))

    def add(self, op: Any, *inputs: Any, what: Optional[str] = None, output: int = 0) -> Any:
        """Output `output` of `op`; `what` names it inside of the layer, without it is the layer."""
        name = self.name if what is None else self.part(what)
        return self.net.add(op, list(inputs), name=name).output(output)

    def finished(self, y: Any) -> Any:
        """y, made as a part, as what the layer gives: its native layer takes the layer's name."""
        y.producer.name = self.name
        return y

    def constant(self, value: Any, dtype: Any = np.int64, what: str = "constant") -> Any:
        return self.net.constant(np.asarray(value, dtype=dtype), name=self.part(what))

    def cast(self, x: Any, dtype: Any) -> Any:
        if x.dtype == np.dtype(dtype):
            return x
        return self.add(ops.Cast(type=np.dtype(dtype)), x, what="cast")

    def int64_list(self, x: Any) -> Any:
        """x (n) or a scalar, of integers, as an int64 list."""
        if x not in self._made:
            y = self.cast(x, np.int64)
            self._made[x] = self.reshape(y, [1], "list") if len(x.shape) == 0 else y
        return self._made[x]

    def binary(self, kind: str, a: Any, b: Any, what: Optional[str] = None) -> Any:
        """`kind` of octile.ops.ElementwiseKind in lower case; a number becomes a constant."""
        if not hasattr(a, "dtype") or isinstance(a, np.generic):
            a = self.constant(a, b.dtype)
        if not hasattr(b, "dtype") or isinstance(b, np.generic):
            b = self.constant(b, a.dtype)
        return self.add(ops.Elementwise(kind=kind), a, b, what=what or kind)

    def reshape(self, x: Any, dims: Any, what: Optional[str] = "reshape") -> Any:
        op = ops.Shuffle(has_reshape=True, dims=list(dims), zero_is_placeholder=True)
        return self.add(op, x, what=what)

    def transpose(self, x: Any, order: Any, what: Optional[str] = "transpose") -> Any:
        return self.add(ops.Shuffle(first=list(order)), x, what=what)

    def extents(self, x: Any) -> Any:
        """The extents of x, an int64 list."""
        return self.add(ops.ShapeOf(), x, what="extents")

    def element(self, values: Any, index: int) -> Any:
        """values[index : index + 1] of a list."""
        op = ops.Slice(axes=[0], start=[index], size=[1], stride=[1])
        return self.add(op, values, what="element")

    def join(self, parts: Any, what: Optional[str] = "list") -> Any:
        """Lists, one behind the other."""
        return (
            parts[0] if len(parts) == 1 else self.add(ops.Concatenation(axis=0), *parts, what=what)
        )

    def same_types(self, tensors: Any) -> list:
        """INT32 beside INT64 becomes INT64: TensorRT 8 counted extents in INT32."""
        types = {str(t.dtype) for t in tensors}
        return [self.cast(t, np.int64) for t in tensors] if types == {"int32", "int64"} else tensors


def sequence(value: Any) -> Any:
    """A converter for `attribute`: Dims from any sequence of integers."""
    return as_dims(value)


def axis_of(axis: int, rank: int, what: str = "axis") -> int:
    """`axis` from 0 on; negative ones count from the end. ApiError outside of the tensor."""
    if not -rank <= axis < rank:
        raise ApiError(f"{what} {axis} is outside of a tensor of rank {rank}")
    return axis + rank if axis < 0 else axis
