"""How a resize layer becomes native: one Resize; to extents of run time, gathers axis by axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from octile import ops

from ._known import Extent, extents_of, is_number, known_list
from ._maker import Maker
from ._native_values import ApiError
from ._types import (
    InterpolationMode,
    ResizeCoordinateTransformation,
    ResizeRoundMode,
    ResizeSelector,
)

_COORDINATES = {
    ResizeCoordinateTransformation.ALIGN_CORNERS: "align_corners",
    ResizeCoordinateTransformation.ASYMMETRIC: "asymmetric",
    ResizeCoordinateTransformation.HALF_PIXEL: "half_pixel",
}
_ROUNDING = {
    ResizeRoundMode.HALF_UP: "round_prefer_ceil",
    ResizeRoundMode.HALF_DOWN: "round_prefer_floor",
    ResizeRoundMode.FLOOR: "floor",
    ResizeRoundMode.CEIL: "ceil",
}


def resized(maker: Maker, layer: Any, x: Any, target: Any = None) -> Any:
    """x resized as the IResizeLayer says, to the extents in `target` if there is one."""
    rank, extents = len(x.shape), extents_of(x)
    shape = list(layer.shape) if "_a_shape" in layer.__dict__ else None
    if target is None and shape is not None and layer.scales:
        raise ApiError("it has both a shape and scales")
    if target is None and layer.scales:
        return maker.add(_op(layer, scales=_listed(layer.scales, rank, "scales")), x)
    values = extents if target is None and shape is None else shape
    values = known_list(target) if target is not None else values
    _listed(values, rank, "shape")
    sizes = [-1 if v == e and v is not None else v for v, e in zip(values, extents)]
    if all(is_number(v) for v in sizes):
        return maker.add(_op(layer, sizes=sizes), x)
    factors = [_factor(v, e) for v, e in zip(values, extents)]
    if all(f is not None for f in factors):
        return maker.add(_op(layer, scales=factors), x)
    if any(is_number(v) and v != -1 for v in sizes):
        known = [v if is_number(v) else -1 for v in sizes]
        x = maker.add(_op(layer, sizes=known), x, what="known")
    for axis, value in enumerate(sizes):
        if not is_number(value):
            x = _resized_axis(maker, layer, x, axis, maker.element(maker.int64_list(target), axis))
    return maker.add(ops.Identity(), x)


def _listed(values: Any, rank: int, what: str) -> list:
    if len(values) != rank:
        raise ApiError(f"its {what} has {len(values)} entries for a tensor of rank {rank}")
    return list(values)


def _factor(value: Any, extent: Any) -> Any:
    """value / extent where both are known or the one is a multiple of the other."""
    if is_number(value) and is_number(extent) and extent > 0:
        return value / extent
    if isinstance(value, Extent) and isinstance(extent, Extent):
        return float(value.factor) if replace(value, factor=1) == extent else None
    return None


def _coordinates(layer: Any) -> str:
    kind = _COORDINATES[layer.coordinate_transformation]
    upper = layer.selector_for_single_pixel == ResizeSelector.UPPER
    return "pytorch_half_pixel" if upper and kind == "half_pixel" else kind


def _op(layer: Any, **extents: Any) -> Any:
    return ops.Resize(
        kind=layer.resize_mode.name.lower(),
        coordinates=_coordinates(layer),
        rounding=_ROUNDING[layer.nearest_rounding],
        cubic_coefficient=layer.cubic_coeff,
        exclude_outside=layer.exclude_outside,
        **extents,
    )


def _resized_axis(maker: Maker, layer: Any, x: Any, axis: int, size: Any) -> Any:
    """One axis to `size` elements, an int64 list of one."""
    if layer.resize_mode == InterpolationMode.CUBIC:
        raise ApiError(f"a CUBIC resize of axis {axis} to an extent that only the run tells")
    number = maker.reshape(size, [], "number")
    steps = maker.add(ops.Counting(), maker.constant(0), number, maker.constant(1), what="count")
    at, out = maker.cast(steps, np.float32), maker.cast(size, np.float32)
    extent = maker.cast(maker.element(maker.extents(x), axis), np.float32)
    last = maker.binary("sub", extent, 1)
    at = _positions(maker, _coordinates(layer), at, out, extent, last)
    if layer.resize_mode == InterpolationMode.NEAREST:
        return _gather(maker, x, axis, _clamped(maker, _rounded(maker, layer, at), last))
    at = _clamped(maker, at, last)
    low = maker.add(ops.Unary(kind="floor"), at, what="low")
    high = maker.binary("min", maker.binary("add", low, 1), last, "high")
    along = [-1 if a == axis else 1 for a in range(len(x.shape))]
    weight = maker.reshape(maker.binary("sub", at, low), along, "weight")
    first, second = _gather(maker, x, axis, low), _gather(maker, x, axis, high)
    rest = maker.binary("sub", maker.constant(1, np.float32), weight)
    return maker.binary(
        "add", maker.binary("mul", first, rest), maker.binary("mul", second, weight), "mixed"
    )


def _positions(maker: Maker, kind: str, at: Any, out: Any, extent: Any, last: Any) -> Any:
    """Where the elements `at` of the result lie in the input."""
    if kind == "asymmetric":
        return maker.binary("div", maker.binary("mul", at, extent), out)
    if kind == "align_corners":
        steps = maker.binary("max", maker.binary("sub", out, 1), 1)
        return maker.binary("div", maker.binary("mul", at, last), steps)
    middle = maker.binary("mul", maker.binary("add", at, 0.5), extent)
    found = maker.binary("sub", maker.binary("div", middle, out), 0.5)
    if kind == "half_pixel":
        return found
    single = maker.binary("equal", out, 1)
    return maker.add(ops.Select(), single, maker.constant(0, np.float32), found, what="single")


def _rounded(maker: Maker, layer: Any, at: Any) -> Any:
    if layer.nearest_rounding == ResizeRoundMode.HALF_UP:
        at = maker.binary("add", at, 0.5)
    if layer.nearest_rounding == ResizeRoundMode.HALF_DOWN:
        at = maker.binary("sub", at, 0.5)
    up = layer.nearest_rounding in (ResizeRoundMode.CEIL, ResizeRoundMode.HALF_DOWN)
    return maker.add(ops.Unary(kind="ceil" if up else "floor"), at, what="rounded")


def _clamped(maker: Maker, at: Any, last: Any) -> Any:
    return maker.binary("min", maker.binary("max", at, 0), last)


def _gather(maker: Maker, x: Any, axis: int, at: Any) -> Any:
    return maker.add(ops.Gather(axis=axis), x, maker.cast(at, np.int64), what="gather")
