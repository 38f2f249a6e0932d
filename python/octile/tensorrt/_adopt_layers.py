"""Layers that compute, as TensorRT's: windows, functions of elements, products, sums along axes."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

import octile
from octile import ops

from ._adoption import Adoption, adopted_from, folds, member_of
from ._enums import (
    ActivationType,
    DataType,
    ElementWiseOperation,
    MatrixOperation,
    PaddingMode,
    PoolingType,
    ReduceOperation,
    ScaleMode,
    TopKOperation,
    UnaryOperation,
)
from ._layers_linear import IMatrixMultiplyLayer
from ._layers_pointwise import (
    IActivationLayer,
    IElementWiseLayer,
    IScaleLayer,
    IUnaryLayer,
)
from ._layers_pooling import IPoolingLayer
from ._layers_quantize import IDequantizeLayer, IQuantizeLayer
from ._layers_reduce import IReduceLayer, ISoftMaxLayer, ITopKLayer
from ._layers_window import IConvolutionLayer, IDeconvolutionLayer

# --- windows ---
_PADDING = {
    "EXPLICIT": PaddingMode.EXPLICIT_ROUND_DOWN,
    "CEIL": PaddingMode.EXPLICIT_ROUND_UP,
    "SAME_UPPER": PaddingMode.SAME_UPPER,
    "SAME_LOWER": PaddingMode.SAME_LOWER,
}


def _window(window: Any) -> dict:
    rank = len(window.kernel)
    return {
        "stride_nd": tuple(window.stride) or (1,) * rank,
        "pre_padding": tuple(window.pad_before) or (0,) * rank,
        "post_padding": tuple(window.pad_after) or (0,) * rank,
        "padding_mode": _PADDING[window.mode.name],
    }


@adopted_from(ops.Convolution)
@adopted_from(ops.Deconvolution)
def _weighted(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    shape = tuple(layer.inputs[1].shape)
    if layer.outputs[0].dtype != np.float32 or -1 in shape:
        return None
    forward, rank = isinstance(op, ops.Convolution), len(op.window.kernel)
    maps = shape[0] if forward else shape[1] * op.groups
    values = _window(op.window)
    if not forward and op.output_padding:
        more = zip(values["post_padding"], op.output_padding)
        values["post_padding"] = tuple(padding - extra for padding, extra in more)
    return Adoption(
        IConvolutionLayer if forward else IDeconvolutionLayer,
        num_output_maps=maps,
        kernel_size_nd=tuple(op.window.kernel),
        num_groups=op.groups,
        dilation_nd=tuple(op.window.dilation) or (1,) * rank,
        **values,
    )


@adopted_from(ops.Pooling)
def _pooling(op: Any, layer: "octile.Layer") -> Adoption:
    most = op.kind == ops.PoolingKind.MAX
    if op.global_:
        kind = ReduceOperation.MAX if most else ReduceOperation.AVG
        axes = sum(1 << axis for axis in range(2, len(layer.inputs[0].shape)))
        return Adoption(IReduceLayer, op=kind, axes=axes, keep_dims=True)
    return Adoption(
        IPoolingLayer,
        type=PoolingType.MAX if most else PoolingType.AVERAGE,
        window_size_nd=tuple(op.window.kernel),
        average_count_excludes_padding=not op.count_padding,
        **_window(op.window),
    )


# --- element by element ---
@adopted_from(ops.Activation)
def _activation(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    kind = member_of(ActivationType, op.kind.name)
    if kind is None:
        return None
    return Adoption(IActivationLayer, type=kind, alpha=op.alpha, beta=op.beta)


@adopted_from(ops.Elementwise)
def _elementwise(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    name = {"ADD": "SUM", "MUL": "PROD"}.get(op.kind.name, op.kind.name)
    kind = member_of(ElementWiseOperation, name)
    return None if kind is None else Adoption(IElementWiseLayer, op=kind)


@adopted_from(ops.Unary)
def _unary(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    names = {"RECIPROCAL": "RECIP", "IS_INF": "ISINF", "IS_NAN": "ISNAN"}
    kind = member_of(UnaryOperation, names.get(op.kind.name, op.kind.name))
    return None if kind is None else Adoption(IUnaryLayer, op=kind)


@adopted_from(ops.Scale)
def _scale(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    if len(layer.inputs) < 2 or any(folds(layer, i) is None for i in range(1, len(layer.inputs))):
        return None
    rank = len(layer.inputs[1].shape)
    mode = [ScaleMode.UNIFORM, ScaleMode.CHANNEL][rank] if rank < 2 else ScaleMode.ELEMENTWISE
    return Adoption(IScaleLayer, mode=mode, channel_axis=op.axis)


@adopted_from(ops.Quantize)
@adopted_from(ops.Dequantize)
def _quantize(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    quantizes = isinstance(op, ops.Quantize)
    tensor = layer.outputs[0] if quantizes else layer.inputs[0]
    if op.dynamic or op.zero_point or tensor.dtype != np.int8:
        return None
    if quantizes and (op.lo, op.hi) != (-128, 127):
        return None
    cls = IQuantizeLayer if quantizes else IDequantizeLayer
    made = Adoption(cls, axis=op.axis, to_type=DataType.INT8 if quantizes else DataType.FLOAT)
    made.scales = 1
    return made


# --- products and sums ---
@adopted_from(ops.MatrixMultiply)
def _matrix_multiply(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    if layer.outputs[0].dtype != np.float32:
        return None
    kinds = []
    for tensor, transposed in zip(layer.inputs, (op.transpose_a, op.transpose_b)):
        name = "VECTOR" if len(tensor.shape) == 1 else "TRANSPOSE" if transposed else "NONE"
        kinds.append(MatrixOperation.__members__[name])
    vectors = [kind == MatrixOperation.VECTOR for kind in kinds]
    leading = [len(t.shape) - (1 if v else 2) for t, v in zip(layer.inputs, vectors)]
    if any(vectors) and leading[0] != leading[1]:
        return None
    return Adoption(IMatrixMultiplyLayer, op0=kinds[0], op1=kinds[1])


@adopted_from(ops.Reduce)
def _reduce(op: Any, layer: "octile.Layer") -> Adoption:
    rank = len(layer.inputs[0].shape)
    axes = {axis % rank for axis in op.axes} or range(rank)
    kind = "AVG" if op.kind.name == "MEAN" else op.kind.name
    mask = sum(1 << axis for axis in axes)
    return Adoption(
        IReduceLayer, op=ReduceOperation.__members__[kind], axes=mask, keep_dims=op.keep_dims
    )


@adopted_from(ops.Softmax)
def _softmax(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    rank = len(layer.inputs[0].shape)
    return Adoption(ISoftMaxLayer, axes=sum(1 << axis for axis in {a % rank for a in op.axes}))


@adopted_from(ops.TopK)
def _topk(op: Any, layer: "octile.Layer") -> Adoption:
    kind = TopKOperation.MAX if op.largest else TopKOperation.MIN
    axis = op.axis % len(layer.inputs[0].shape)
    return Adoption(ITopKLayer, op=kind, k=op.k, axes=1 << axis)
