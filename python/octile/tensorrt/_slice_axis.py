"""One axis of a slice layer: its bounds as far as they are known, and the indices it reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from octile import ops

from ._known import is_number
from ._maker import Maker
from ._native_values import ApiError
from ._types import SampleMode


class AxisSlice:
    """`size` elements from `start`, `stride` apart, of an axis.

    Each is a number, an Extent or None (known at run time only): then entry `place` of `tensors`
    (lists of integers: start, size, stride; None where all is known) has it.
    """

    def __init__(
        self,
        axis: int,
        extent: Any,
        start: Any,
        size: Any,
        stride: Any,
        place: int = 0,
        tensors: Any = (None, None, None),
    ):
        self.axis, self.extent = axis, extent
        self.start, self.size, self.stride = start, size, stride
        self.place, self.tensors = place, tensors

    @classmethod
    def whole(cls, axis: int, extent: Any) -> "AxisSlice":
        return cls(axis, extent, 0, extent, 1)

    # --- asking ---
    @property
    def is_static(self) -> bool:
        return all(is_number(v) for v in (self.start, self.size, self.stride))

    @property
    def is_whole(self) -> bool:
        """Nothing changes along this axis."""
        known = self.size is not None and self.size == self.extent
        return known and self.start == 0 and self.stride == 1

    @property
    def is_forward(self) -> bool:
        """A native SliceBetween can do it: a known positive stride and no start below 0."""
        below = is_number(self.start) and self.start < 0
        return is_number(self.stride) and self.stride > 0 and not below

    @property
    def is_inside(self) -> bool:
        if not self.is_static or not is_number(self.extent):
            return False
        low, high = self._ends()
        return self.size == 0 or (low >= 0 and high < self.extent)

    def _ends(self) -> tuple:
        last = self.start + (self.size - 1) * self.stride
        return min(self.start, last), max(self.start, last)

    def check(self, mode: SampleMode) -> None:
        """ApiError for what TensorRT refuses."""
        if is_number(self.size) and self.size < 0:
            raise ApiError(f"its shape on axis {self.axis} is {self.size}")
        if mode != SampleMode.STRICT_BOUNDS or not self.is_static or self.size == 0:
            return
        low, high = self._ends()
        if low < 0 or (is_number(self.extent) and high >= self.extent):
            extent = self.extent if is_number(self.extent) else "unknown"
            raise ApiError(
                f"start {self.start}, shape {self.size}, stride {self.stride} reach outside of "
                f"axis {self.axis} (extent {extent}); SampleMode says what to read there"
            )

    def margins(self) -> tuple:
        """Elements that the slice reads before and after its axis."""
        if self.size == 0:
            return 0, 0
        low, high = self._ends()
        return max(0, -low), max(0, high - self.extent + 1)

    def shifted(self, before: int, extent: int) -> "AxisSlice":
        """The same slice of the axis with `before` elements more in front."""
        start = self.start + before if self.size > 0 else 0
        return AxisSlice(self.axis, extent, start, self.size, self.stride)

    # --- writing ---
    def part(self, maker: Maker, which: int, value: Any) -> Any:
        """start (0), size (1) or stride (2) as an int64 list of one."""
        if is_number(value):
            return maker.constant([value])
        return maker.element(maker.int64_list(self.tensors[which]), self.place)

    def _extent(self, maker: Maker, x: Any) -> Any:
        if is_number(self.extent):
            return maker.constant([self.extent])
        return maker.element(maker.extents(x), self.axis)

    def end(self, maker: Maker) -> Any:
        """start + size · stride, an int64 list of one."""
        if is_number(self.start) and is_number(self.size):
            return maker.constant([self.start + self.size * self.stride])
        end = self.part(maker, 1, self.size)
        if self.stride != 1:
            end = maker.binary("mul", end, self.stride)
        if is_number(self.start) and self.start == 0:
            return end
        return maker.binary("add", end, self.part(maker, 0, self.start))

    def _positions(self, maker: Maker) -> Any:
        """start + i · stride for i below size, an int64 list not yet brought inside the axis."""
        if self.is_static:
            return maker.constant(self.start + self.stride * np.arange(self.size))
        count = [maker.constant(0), self._scalar(maker, 1, self.size), maker.constant(1)]
        steps = maker.add(ops.Counting(), *count, what="count")
        steps = maker.binary("mul", steps, self.part(maker, 2, self.stride))
        return maker.binary("add", steps, self.part(maker, 0, self.start))

    def _scalar(self, maker: Maker, which: int, value: Any) -> Any:
        part = self.part(maker, which, value)
        return maker.reshape(part, [], "number")

    def index_list(self, maker: Maker, x: Any, mode: SampleMode) -> Any:
        """The indices that the slice reads, brought inside the axis by `mode`."""
        if self.is_static and is_number(self.extent):
            index = self.start + self.stride * np.arange(self.size)
            return maker.constant(_inside(index, self.extent, mode))
        at = self._positions(maker)
        if mode == SampleMode.STRICT_BOUNDS:
            return at
        extent = self._extent(maker, x)
        if mode == SampleMode.WRAP:
            return maker.binary("mod", at, extent)
        last = maker.binary("sub", extent, 1)
        if mode == SampleMode.REFLECT:  # down from the end of a saw tooth of twice the length
            period = maker.binary("max", maker.binary("mul", last, 2), 1)
            at = maker.binary("mod", at, period)
            return maker.binary("min", at, maker.binary("sub", period, at))
        return maker.binary("min", maker.binary("max", at, 0), last)


def _inside(index: np.ndarray, extent: int, mode: SampleMode) -> np.ndarray:
    if mode == SampleMode.WRAP:
        return index % max(extent, 1)
    if mode == SampleMode.CLAMP:
        return np.clip(index, 0, extent - 1)
    if mode == SampleMode.REFLECT:
        period = max(2 * (extent - 1), 1)
        index = index % period
        return np.minimum(index, period - index) if extent > 1 else index * 0
    return index


def fill_mask(maker: Maker, s: AxisSlice, x: Any) -> Any:
    """Which positions of the slice lie inside its axis: BOOL, of x's rank, 1 on the other axes."""
    shape = [-1 if axis == s.axis else 1 for axis in range(len(x.shape))]
    if s.is_static and is_number(s.extent):
        index = s.start + s.stride * np.arange(s.size)
        return maker.constant(((index >= 0) & (index < s.extent)).reshape(shape), np.bool_)
    at = s._positions(maker)
    below_end = maker.binary("less", at, s._extent(maker, x))
    inside = maker.binary("and", maker.binary("greater", at, -1), below_end)
    return maker.reshape(inside, shape, "mask")
