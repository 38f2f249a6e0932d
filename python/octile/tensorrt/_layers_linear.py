"""MatrixMultiply, FullyConnected, Constant, Einsum and Padding."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import numpy as np

import octile
from octile import ops

from ._enums import DataType, LayerType, MatrixOperation
from ._layer_tools import (
    add,
    extents,
    integer,
    last_axes,
    member,
    require,
    reshaped,
    same_as,
    text,
    weights,
)
from ._network import ILayer, ITensor, attribute, layer_type, to_native_dtype, weights_array
from ._types import DimsHW, Weights, as_weights

__all__ = [
    "IMatrixMultiplyLayer",
    "IFullyConnectedLayer",
    "IConstantLayer",
    "IEinsumLayer",
    "IPaddingLayer",
]


@layer_type("Matrix Multiply", LayerType.MATRIX_MULTIPLY)
class IMatrixMultiplyLayer(ILayer):
    """A product of matrices (…, M, K) · (…, K, N), or of vectors (…, K); leading extents are equal
    or 1."""

    op0 = attribute(member(MatrixOperation), MatrixOperation.NONE, "What is done to input 0 first.")
    op1 = attribute(member(MatrixOperation), MatrixOperation.NONE, "What is done to input 1 first.")

    def _most_inputs(self) -> int:
        return 2

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        a, b = inputs
        vectors = [op == MatrixOperation.VECTOR for op in (self.op0, self.op1)]
        batches = [tuple(x.shape[: -1 if v else -2]) for x, v in zip(inputs, vectors)]
        for x, vector in zip(inputs, vectors):
            require(
                len(x.shape) >= (1 if vector else 2),
                f"{tuple(x.shape)} is no {'vector' if vector else 'matrix'}",
            )
        require(
            len(batches[0]) == len(batches[1]),
            f"{tuple(a.shape)} and {tuple(b.shape)} must have equally many leading dimensions",
        )
        rank = len(batches[0])
        if vectors[0]:
            a = net.reshape(a, [0] * rank + [1, -1], name=f"{name}.row")
        if vectors[1]:
            b = net.reshape(b, [0] * (rank + 1) + [1], name=f"{name}.column")
        transpose = [op == MatrixOperation.TRANSPOSE for op in (self.op0, self.op1)]
        b = self._as_matrix(net, b, rank, name)
        y = net.matrix_multiply(a, b, *transpose, name=name)
        if any(vectors):
            kept = [0 if i < rank else -1 for i in range(rank + 2 - sum(vectors))]
            y = net.reshape(y, kept, name=f"{name}.squeeze")
        return [y]

    def _as_matrix(
        self, net: octile.Network, b: octile.Tensor, rank: int, name: str
    ) -> octile.Tensor:
        """A constant with leading ones is one matrix: only such become INT8 weights."""
        value = b.value
        if rank == 0 or value is None or any(extent != 1 for extent in b.shape[:rank]):
            return b
        return net.constant(value.reshape(b.shape[rank:]), name=f"{name}.weights")


@layer_type("Fully Connected", LayerType.FULLY_CONNECTED)
class IFullyConnectedLayer(ILayer):
    """TensorRT 8: (…, C, H, W) · kernel (channels, C·H·W) + bias → (…, channels, 1, 1)."""

    num_output_channels = attribute(integer(1), doc="The number of outputs.")
    kernel = weights("(num_output_channels, C·H·W), flat.")
    bias = weights("One an output channel; empty: none.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        shape, maps = tuple(inputs[0].shape), self.num_output_channels
        require(len(shape) >= 3, f"an input of rank 3 or more is needed, not {shape}")
        require(-1 not in shape[-3:], f"the last three extents of {shape} must be known")
        kernel = weights_array(IFullyConnectedLayer.kernel.given(self))
        bias = weights_array(IFullyConnectedLayer.bias.given(self))
        wanted = maps * int(np.prod(shape[-3:]))
        size = 0 if kernel is None else kernel.size
        require(size == wanted, f"the kernel has {size} weights, but {wanted} are needed")
        require(bias is None or bias.size == maps, f"the bias must have {maps} weights")
        # A product with the whole image is a convolution whose window is the image.
        x = last_axes(net, inputs[0], 4, f"{name}.flatten")
        kernel = kernel.astype(np.float32, copy=False).reshape((maps, *shape[-3:]))
        y = net.convolution(x, kernel, bias, name=name)
        return [reshaped(net, y, (*shape[:-3], maps, 1, 1), f"{name}.restore")]


def _constant_weights(value: Any) -> Weights:
    value = as_weights(value)
    to_native_dtype(value.dtype)  # raises for types without counterpart
    return value


@layer_type("Constant", LayerType.CONSTANT)
class IConstantLayer(ILayer):
    """A tensor that is known when the engine is built."""

    shape = extents(0, doc="The extents; their product is the number of weights.", scalars=True)
    weights = weights("The values, flat.", _constant_weights)

    def _output_dtype(self, index: int, native: DataType, inputs: Sequence[DataType]) -> DataType:
        return IConstantLayer.weights.given(self).dtype

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        given, shape = IConstantLayer.weights.given(self), tuple(self.shape)
        require(
            given.size == int(np.prod(shape)),
            f"{given.size} weights were given for the dimensions {shape}",
        )
        value = weights_array(given)
        if value is None:
            value = np.empty(0, to_native_dtype(given.dtype))
        return [net.constant(value.reshape(shape), name=name)]


@layer_type("Einsum", LayerType.EINSUM)
class IEinsumLayer(ILayer):
    """Einstein's sum over tensors, by an equation such as "ij,jk->ik"."""

    equation = attribute(text, doc="Subscripts of the inputs and, behind ->, of the output.")

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        terms = self.equation.split("->")[0].split(",")
        require(
            len(terms) == len(inputs),
            f"equation '{self.equation}' has {len(terms)} terms for {len(inputs)} inputs",
        )
        return net.onnx_node("Einsum", inputs, {"equation": self.equation}, name=name)


@layer_type("Padding", LayerType.PADDING)
class IPaddingLayer(ILayer):
    """Zeros around the last two axes; negative numbers cut."""

    pre_padding_nd = extents(-(2**31), doc="Elements added before the last two axes.")
    post_padding_nd = extents(-(2**31), doc="Elements added behind the last two axes.")
    pre_padding = same_as("pre_padding_nd", DimsHW)
    post_padding = same_as("post_padding_nd", DimsHW)

    def _emit(self, net: octile.Network, inputs: list, name: str) -> list:
        rank = len(inputs[0].shape)
        before, after = tuple(self.pre_padding_nd), tuple(self.post_padding_nd)
        require(
            len(before) == 2 and len(after) == 2,
            f"paddings {before} and {after} must have two entries: only two axes can be padded",
        )
        require(rank >= 4, f"an input of rank 4 or more is needed, not {tuple(inputs[0].shape)}")
        zeros = [0] * (rank - 2)
        op = ops.Padding(before=zeros + list(before), after=zeros + list(after))
        return [net.add(op, [inputs[0]], name).output(0)]


class AddLinear:
    """The add_* functions of this file's layers."""

    def add_matrix_multiply(
        self, input0: ITensor, op0: MatrixOperation, input1: ITensor, op1: MatrixOperation
    ) -> Optional[IMatrixMultiplyLayer]:
        """op0(input0) · op1(input1)."""
        where = "addMatrixMultiply"
        return add(self, IMatrixMultiplyLayer, where, [input0, input1], op0=op0, op1=op1)

    def add_fully_connected(
        self, input: ITensor, num_outputs: int, kernel: Any, bias: Any = None
    ) -> Optional[IFullyConnectedLayer]:
        """TensorRT 8's product of the last three axes with a matrix of weights."""
        values = {"num_output_channels": num_outputs, "kernel": kernel, "bias": bias}
        return add(self, IFullyConnectedLayer, "addFullyConnected", [input], **values)

    def add_constant(self, shape: Any, weights: Any) -> Optional[IConstantLayer]:
        """A tensor of `shape` with the values of `weights` (Weights or an array)."""
        return add(self, IConstantLayer, "addConstant", [], shape=shape, weights=weights)

    def add_einsum(self, inputs: Sequence[ITensor], equation: str) -> Optional[IEinsumLayer]:
        """Einstein's sum over `inputs`."""
        return add(self, IEinsumLayer, "addEinsum", inputs, equation=equation)

    def add_padding_nd(
        self, input: ITensor, pre_padding: Any, post_padding: Any
    ) -> Optional[IPaddingLayer]:
        """Zeros around, or cuts from, the last two axes."""
        values = {"pre_padding_nd": pre_padding, "post_padding_nd": post_padding}
        return add(self, IPaddingLayer, "addPaddingNd", [input], **values)

    def add_padding(
        self, input: ITensor, pre_padding: Any, post_padding: Any
    ) -> Optional[IPaddingLayer]:
        """add_padding_nd() as TensorRT 8 has it."""
        return self.add_padding_nd(input, DimsHW(pre_padding), DimsHW(post_padding))
