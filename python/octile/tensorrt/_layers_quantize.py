"""Quantize and Dequantize by constant scales, as networks with explicit INT8 have them."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

import octile
from octile import ops

from ._enums import DataType, LayerType
from ._layer_tools import add, constant_of, integer, member, require
from ._network import ILayer, ITensor, attribute, layer_type
from ._types import Dims, unsupported

__all__ = ["IQuantizeLayer", "IDequantizeLayer", "IDynamicQuantizeLayer"]

_ONLY_INT8 = "Octile quantizes to INT8, per tensor or per slice of an axis"


class _ScaleLayer(ILayer):
    """Inputs: x, scale (a constant: one number, or one a slice of `axis`), [zero point: zeros]."""

    axis = attribute(integer(-(2**31)), -1, "The axis of per-channel scales.")

    def _most_inputs(self) -> int:
        return 3

    @property
    def block_shape(self) -> Dims:
        """Blocks are refused: one scale a tensor or a slice of an axis."""
        return Dims.invalid()

    @block_shape.setter
    def block_shape(self, shape: Any) -> None:
        unsupported(f"{self._where()}.block_shape", _ONLY_INT8)

    def _scales(self, inputs: list) -> tuple:
        """(scales, native axis)."""
        shape, scale = tuple(inputs[0].shape), constant_of(inputs[1], "the scale")
        if len(inputs) > 2 and inputs[2] is not None:
            zero = constant_of(inputs[2], "the zero point")
            require(not zero.any(), "the zero point must be zero: INT8 is symmetric")
            require(zero.size == scale.size, f"{zero.size} zero points for {scale.size} scales")
        if scale.size == 1:
            return [float(scale.reshape(-1)[0])], -1
        if scale.ndim != 1:
            unsupported(f"{self._where()} by blocks (a scale of rank {scale.ndim})", _ONLY_INT8)
        require(self.axis >= 0, f"{scale.size} scales need an axis; it is {self.axis}")
        require(self.axis < len(shape), f"axis {self.axis} is no axis of {shape}")
        return [float(value) for value in scale], self.axis


def _quantized_type(value: Any) -> DataType:
    value = member(DataType)(value)
    if value in (DataType.FP8, DataType.INT4, DataType.FP4):
        unsupported(f"Quantize to DataType.{value.name}", _ONLY_INT8)
    require(value == DataType.INT8, f"quantized tensors are INT8, not {value}")
    return value


def _float_type(value: Any) -> DataType:
    value = member(DataType)(value)
    known = (DataType.FLOAT, DataType.HALF, DataType.BF16)
    require(value in known, f"dequantized tensors are FLOAT, HALF or BF16, not {value}")
    return value


@layer_type("Quantize", LayerType.QUANTIZE)
class IQuantizeLayer(_ScaleLayer):
    """clamp(round(x / scale), −128, 127), halves to even numbers."""

    to_type = attribute(_quantized_type, DataType.INT8, "INT8.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        scale, axis = self._scales(inputs)
        op = ops.Quantize(type="int8", scale=scale, axis=axis, lo=-128, hi=127)
        return [net.add(op, [inputs[0]], name).output(0)]


@layer_type("Dequantize", LayerType.DEQUANTIZE)
class IDequantizeLayer(_ScaleLayer):
    """x · scale."""

    to_type = attribute(_float_type, DataType.FLOAT, "FLOAT, HALF or BF16.")

    def _output_dtype(self, index: int, native: DataType, inputs: Sequence[DataType]) -> DataType:
        return self.to_type

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        require(inputs[0].dtype == np.dtype("int8"), f"INT8 is wanted, not {inputs[0].dtype}")
        scale, axis = self._scales(inputs)
        op = ops.Dequantize(scale=scale, axis=axis)
        return [net.add(op, [inputs[0]], name).output(0)]


class IDynamicQuantizeLayer(ILayer):
    """TensorRT's quantization to FP4 and FP8 in blocks: Octile has no counterpart."""


class AddQuantize:
    """The add_* functions of this file's layers."""

    def add_quantize(
        self, input: ITensor, scale: ITensor, output_type: DataType = DataType.INT8
    ) -> Optional[IQuantizeLayer]:
        """INT8 by a constant scale; for one scale a channel set `axis`."""
        return add(self, IQuantizeLayer, "addQuantize", [input, scale], to_type=output_type)

    def add_dequantize(
        self, input: ITensor, scale: ITensor, output_type: DataType = DataType.FLOAT
    ) -> Optional[IDequantizeLayer]:
        """Floats from INT8 by a constant scale; for one scale a channel set `axis`."""
        return add(self, IDequantizeLayer, "addDequantize", [input, scale], to_type=output_type)

    def add_dynamic_quantize(self, *args: Any, **named: Any) -> None:
        """Raises: Octile has neither FP4 nor FP8."""
        unsupported("INetworkDefinition.add_dynamic_quantize", "it gives FP4 and FP8 only")

    def add_dynamic_quantize_v2(self, *args: Any, **named: Any) -> None:
        """Raises: Octile has neither FP4 nor FP8."""
        unsupported("INetworkDefinition.add_dynamic_quantize_v2", "it gives FP4 and FP8 only")
