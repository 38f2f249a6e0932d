"""Which of TensorRT's classes a native op is, and with what attributes (`adoption_of`).

An op that TensorRT's layer cannot express has none.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import numpy as np

import octile
from octile import ops

from ._enums import (
    ActivationType,
    DataType,
    ElementWiseOperation,
    GatherMode,
    InterpolationMode,
    MatrixOperation,
    PaddingMode,
    PoolingType,
    ReduceOperation,
    ResizeCoordinateTransformation,
    ResizeRoundMode,
    ResizeSelector,
    SampleMode,
    ScaleMode,
    ScatterMode,
    TopKOperation,
    UnaryOperation,
)
from ._layers_indexing import IGatherLayer, IScatterLayer, ISliceLayer
from ._layers_linear import IConstantLayer, IMatrixMultiplyLayer
from ._layers_pointwise import (
    IActivationLayer,
    ICastLayer,
    IElementWiseLayer,
    IIdentityLayer,
    IScaleLayer,
    IUnaryLayer,
)
from ._layers_pooling import IPoolingLayer
from ._layers_quantize import IDequantizeLayer, IQuantizeLayer
from ._layers_reduce import IReduceLayer, ISoftMaxLayer, ITopKLayer
from ._layers_sample import IGridSampleLayer, IResizeLayer
from ._layers_shape import IConcatenationLayer, ISelectLayer, IShapeLayer, IShuffleLayer
from ._layers_window import IConvolutionLayer, IDeconvolutionLayer
from ._native_values import from_native_dtype
from ._types import Dims, Permutation


class Adoption:
    """How a native layer looks as one of TensorRT's."""

    def __init__(self, cls: type, **attributes: Any):
        self.cls, self.attributes = cls, attributes
        self.state: dict = {}  # what is kept beside attributes
        self.scales = 0  # constant inputs of TensorRT's layer that the native one keeps itself
        self.value: Any = None  # of a constant

    def edited(self, cls: type, layer: Any, net: Any, inputs: list, name: str) -> list:
        """Writes the layer as TensorRT's class does, after an edit."""
        if cls in (IElementWiseLayer, ISelectLayer):
            return cls._emit(layer, net, _equal_ranks(net, inputs, name), name)
        if cls is not IMatrixMultiplyLayer:
            return cls._emit(layer, net, inputs, name)
        if MatrixOperation.VECTOR not in (layer.op0, layer.op1):
            inputs = [*_equal_ranks(net, inputs[:2], name), *inputs[2:]]
        if len(inputs) < 3:
            return cls._emit(layer, net, inputs, name)
        product = cls._emit(layer, net, inputs[:2], f"{name}.product")[0]
        bias = _equal_ranks(net, [product, inputs[2]], name)[1]
        return [net.elementwise(product, bias, ops.ElementwiseKind.ADD, name=name)]


def _equal_ranks(net: Any, inputs: list, name: str) -> list:
    """ONNX puts 1s in front of the shorter shape, TensorRT wants equal ranks."""
    rank, made = max(len(x.shape) for x in inputs), []
    for index, x in enumerate(inputs):
        shape, part = (1,) * (rank - len(x.shape)) + tuple(x.shape), f"{name}.rank{index}"
        if len(x.shape) == rank:
            made.append(x)
        elif x.value is not None:  # stays a constant: INT8 weights have to be
            made.append(net.constant(x.value.reshape(shape), name=part))
        else:
            made.append(net.reshape(x, shape, name=part))  # at most one is unknown
    return made


_makers: Dict[type, Callable] = {}


def _of(op: type) -> Callable:
    def keep(make: Callable) -> Callable:
        _makers[op] = make
        return make

    return keep


def adoption_of(layer: "octile.Layer") -> Optional[Adoption]:
    """TensorRT's class and attributes for a native layer; None where there is none."""
    make = _makers.get(type(layer.op))
    return None if make is None else make(layer.op, layer)


def folds(layer: "octile.Layer", place: int) -> Optional[str]:
    """The attribute that a constant input of the layer becomes; None: it stays an input."""
    op, names = layer.op, []
    if isinstance(op, (ops.Convolution, ops.Deconvolution)):
        names = ["", "kernel", "bias"]
    elif isinstance(op, ops.Scale):
        given = ((op.has_scale, "scale"), (op.has_shift, "shift"), (op.has_power, "power"))
        names = ["", *(name for has, name in given if has)]
    if not 0 < place < len(names):
        return None
    tensor = layer.inputs[place]
    return names[place] if tensor.value is not None and tensor.dtype == np.float32 else None


def _member(kind: Any, name: str) -> Any:
    return kind.__members__.get(name)


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


@_of(ops.Convolution)
@_of(ops.Deconvolution)
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


@_of(ops.Pooling)
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


@_of(ops.Resize)
def _resize(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    upper = op.coordinates.name == "PYTORCH_HALF_PIXEL"
    name = "HALF_PIXEL" if upper else op.coordinates.name
    coordinates = _member(ResizeCoordinateTransformation, name)
    if coordinates is None or op.antialias or op.roi or (op.sizes and op.scales) or -1 in op.sizes:
        return None
    extents = {"scales": list(op.scales)} if op.scales else {"shape": tuple(op.sizes)}
    rounding = {"ROUND_PREFER_FLOOR": "HALF_DOWN", "ROUND_PREFER_CEIL": "HALF_UP"}
    return Adoption(
        IResizeLayer,
        resize_mode=InterpolationMode.__members__[op.kind.name],
        coordinate_transformation=coordinates,
        selector_for_single_pixel=ResizeSelector.UPPER if upper else ResizeSelector.FORMULA,
        nearest_rounding=ResizeRoundMode.__members__[
            rounding.get(op.rounding.name, op.rounding.name)
        ],
        cubic_coeff=op.cubic_coefficient,
        exclude_outside=op.exclude_outside,
        **extents,
    )


@_of(ops.GridSample)
def _grid_sample(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    kind = _member(InterpolationMode, op.kind.name)
    mode = {"ZEROS": "FILL", "BORDER": "CLAMP", "REFLECTION": "REFLECT"}.get(op.padding.name)
    if kind is None or mode is None or len(layer.inputs[0].shape) != 4:
        return None
    return Adoption(
        IGridSampleLayer,
        interpolation_mode=kind,
        align_corners=op.align_corners,
        sample_mode=SampleMode.__members__[mode],
    )


# --- element by element ---
@_of(ops.Activation)
def _activation(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    kind = _member(ActivationType, op.kind.name)
    if kind is None:
        return None
    return Adoption(IActivationLayer, type=kind, alpha=op.alpha, beta=op.beta)


@_of(ops.Elementwise)
def _elementwise(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    name = {"ADD": "SUM", "MUL": "PROD"}.get(op.kind.name, op.kind.name)
    kind = _member(ElementWiseOperation, name)
    return None if kind is None else Adoption(IElementWiseLayer, op=kind)


@_of(ops.Unary)
def _unary(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    names = {"RECIPROCAL": "RECIP", "IS_INF": "ISINF", "IS_NAN": "ISNAN"}
    kind = _member(UnaryOperation, names.get(op.kind.name, op.kind.name))
    return None if kind is None else Adoption(IUnaryLayer, op=kind)


@_of(ops.Scale)
def _scale(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    if len(layer.inputs) < 2 or any(folds(layer, i) is None for i in range(1, len(layer.inputs))):
        return None
    rank = len(layer.inputs[1].shape)
    mode = [ScaleMode.UNIFORM, ScaleMode.CHANNEL][rank] if rank < 2 else ScaleMode.ELEMENTWISE
    return Adoption(IScaleLayer, mode=mode, channel_axis=op.axis)


@_of(ops.Identity)
def _identity(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IIdentityLayer)


@_of(ops.Cast)
def _cast(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(ICastLayer, to_type=from_native_dtype(op.type))


@_of(ops.Select)
def _select(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(ISelectLayer)


@_of(ops.Quantize)
@_of(ops.Dequantize)
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
@_of(ops.Constant)
def _constant(op: Any, layer: "octile.Layer") -> Adoption:
    value = layer.outputs[0].value
    made = Adoption(IConstantLayer, shape=value.shape, weights=value)
    made.value = value
    return made


@_of(ops.MatrixMultiply)
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


@_of(ops.Reduce)
def _reduce(op: Any, layer: "octile.Layer") -> Adoption:
    rank = len(layer.inputs[0].shape)
    axes = {axis % rank for axis in op.axes} or range(rank)
    kind = "AVG" if op.kind.name == "MEAN" else op.kind.name
    mask = sum(1 << axis for axis in axes)
    return Adoption(
        IReduceLayer, op=ReduceOperation.__members__[kind], axes=mask, keep_dims=op.keep_dims
    )


@_of(ops.Softmax)
def _softmax(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    rank = len(layer.inputs[0].shape)
    return Adoption(ISoftMaxLayer, axes=sum(1 << axis for axis in {a % rank for a in op.axes}))


@_of(ops.TopK)
def _topk(op: Any, layer: "octile.Layer") -> Adoption:
    kind = TopKOperation.MAX if op.largest else TopKOperation.MIN
    axis = op.axis % len(layer.inputs[0].shape)
    return Adoption(ITopKLayer, op=kind, k=op.k, axes=1 << axis)


# --- whole tensors ---
@_of(ops.Shuffle)
def _shuffle(op: Any, layer: "octile.Layer") -> Adoption:
    made = Adoption(IShuffleLayer, zero_is_placeholder=op.zero_is_placeholder)
    orders = {"first": op.first, "second": op.second}
    made.state["_order"] = {
        which: Permutation([*order, *range(len(order), 8)])
        for which, order in orders.items()
        if order
    }
    if op.has_reshape:
        made.state["_reshape_dims"] = Dims(op.dims)
    return made


@_of(ops.ReshapeTo)
def _reshape_to(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IShuffleLayer, zero_is_placeholder=op.zero_is_placeholder)


@_of(ops.Concatenation)
def _concatenation(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IConcatenationLayer, axis=op.axis)


@_of(ops.ShapeOf)
def _shape(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IShapeLayer)


@_of(ops.Slice)
def _slice(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    shape = tuple(layer.inputs[0].shape)
    axes = [axis % len(shape) for axis in op.axes or range(len(shape))]
    result = [layer.outputs[0].shape[axis] for axis in axes]
    starts = [s + shape[a] if s < 0 and shape[a] >= 0 else s for s, a in zip(op.start, axes)]
    if -1 in result or min(starts, default=0) < 0:
        return None
    strides = tuple(op.stride) or (1,) * len(axes)
    made = Adoption(ISliceLayer, start=tuple(starts), shape=tuple(result), stride=strides)
    if axes != list(range(len(shape))):
        made.state["_axes"] = Dims(axes)
    return made


@_of(ops.Padding)
def _padding(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    shape = tuple(layer.outputs[0].shape)
    changed = [axis for axis in range(len(shape)) if op.before[axis] or op.after[axis]]
    if op.value or any(shape[axis] < 0 for axis in changed):
        return None
    modes = {"CONSTANT": "FILL", "REFLECT": "REFLECT", "EDGE": "CLAMP"}
    made = Adoption(
        ISliceLayer,
        start=tuple(-op.before[axis] for axis in changed),
        shape=tuple(shape[axis] for axis in changed),
        stride=(1,) * len(changed),
        mode=SampleMode.__members__[modes[op.kind.name]],
    )
    if changed != list(range(len(shape))):
        made.state["_axes"] = Dims(changed)
    return made


# --- by indices ---
@_of(ops.Gather)
def _gather(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IGatherLayer, axis=op.axis, mode=GatherMode.DEFAULT)


@_of(ops.GatherElements)
def _gather_elements(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IGatherLayer, axis=op.axis, mode=GatherMode.ELEMENT)


@_of(ops.GatherNd)
def _gather_nd(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IGatherLayer, num_elementwise_dims=op.batch_dims, mode=GatherMode.ND)


@_of(ops.ScatterElements)
@_of(ops.ScatterNd)
def _scatter(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    if op.reduction.name != "NONE":
        return None
    if isinstance(op, ops.ScatterNd):
        return Adoption(IScatterLayer, mode=ScatterMode.ND)
    return Adoption(IScatterLayer, axis=op.axis, mode=ScatterMode.ELEMENT)
