"""Layers that move, pick, resize or merely hold values, as TensorRT's."""

from __future__ import annotations

from typing import Any, Optional

import octile
from octile import ops

from ._adoption import Adoption, adopted_from, member_of
from ._enums import (
    GatherMode,
    InterpolationMode,
    ResizeCoordinateTransformation,
    ResizeRoundMode,
    ResizeSelector,
    SampleMode,
    ScatterMode,
)
from ._layers_indexing import IGatherLayer, IScatterLayer, ISliceLayer
from ._layers_linear import IConstantLayer
from ._layers_pointwise import ICastLayer, IIdentityLayer
from ._layers_sample import IGridSampleLayer, IResizeLayer
from ._layers_shape import IConcatenationLayer, ISelectLayer, IShapeLayer, IShuffleLayer
from ._native_values import from_native_dtype
from ._types import Dims, Permutation


# --- element by element ---
@adopted_from(ops.Constant)
def _constant(op: Any, layer: "octile.Layer") -> Adoption:
    value = layer.outputs[0].value
    made = Adoption(IConstantLayer, shape=value.shape, weights=value)
    made.value = value
    return made


@adopted_from(ops.Identity)
def _identity(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IIdentityLayer)


@adopted_from(ops.Cast)
def _cast(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(ICastLayer, to_type=from_native_dtype(op.type))


@adopted_from(ops.Select)
def _select(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(ISelectLayer)


# --- whole tensors ---
@adopted_from(ops.Shuffle)
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


@adopted_from(ops.ReshapeTo)
def _reshape_to(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IShuffleLayer, zero_is_placeholder=op.zero_is_placeholder)


@adopted_from(ops.Concatenation)
def _concatenation(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IConcatenationLayer, axis=op.axis)


@adopted_from(ops.ShapeOf)
def _shape(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IShapeLayer)


@adopted_from(ops.Slice)
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


@adopted_from(ops.Padding)
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
@adopted_from(ops.Gather)
def _gather(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IGatherLayer, axis=op.axis, mode=GatherMode.DEFAULT)


@adopted_from(ops.GatherElements)
def _gather_elements(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IGatherLayer, axis=op.axis, mode=GatherMode.ELEMENT)


@adopted_from(ops.GatherNd)
def _gather_nd(op: Any, layer: "octile.Layer") -> Adoption:
    return Adoption(IGatherLayer, num_elementwise_dims=op.batch_dims, mode=GatherMode.ND)


@adopted_from(ops.ScatterElements)
@adopted_from(ops.ScatterNd)
def _scatter(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    if op.reduction.name != "NONE":
        return None
    if isinstance(op, ops.ScatterNd):
        return Adoption(IScatterLayer, mode=ScatterMode.ND)
    return Adoption(IScatterLayer, axis=op.axis, mode=ScatterMode.ELEMENT)


# --- images ---
@adopted_from(ops.Resize)
def _resize(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    upper = op.coordinates.name == "PYTORCH_HALF_PIXEL"
    name = "HALF_PIXEL" if upper else op.coordinates.name
    coordinates = member_of(ResizeCoordinateTransformation, name)
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


@adopted_from(ops.GridSample)
def _grid_sample(op: Any, layer: "octile.Layer") -> Optional[Adoption]:
    kind = member_of(InterpolationMode, op.kind.name)
    mode = {"ZEROS": "FILL", "BORDER": "CLAMP", "REFLECTION": "REFLECT"}.get(op.padding.name)
    if kind is None or mode is None or len(layer.inputs[0].shape) != 4:
        return None
    return Adoption(
        IGridSampleLayer,
        interpolation_mode=kind,
        align_corners=op.align_corners,
        sample_mode=SampleMode.__members__[mode],
    )
