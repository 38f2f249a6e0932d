"""Layers that pick elements by index: Slice, Gather, Scatter, OneHot, NonZero.

A slice whose start, size and stride are known is a native Slice (or Padding); the rest goes axis by
axis through lists of indices, made at run time where they must be.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._known import constant_list, extents_of, is_number, known_list
from ._layer_tools import add, integer, member
from ._layers_shape import pinned
from ._maker import Maker, axis_of, sequence
from ._native_values import ApiError
from ._slice_axis import AxisSlice, fill_mask
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import DataType, Dims, GatherMode, LayerType, SampleMode, ScatterMode


@layer_type("Slice", LayerType.SLICE, shape_inputs=(1, 2, 3, 5))
class ISliceLayer(ILayer):
    """`shape` elements from `start`, `stride` apart, on each axis (or on `axes`).

    Inputs 1, 2, 3, 5, if set, take the place of start, shape, stride, axes; input 4 is what FILL
    fills with (else 0).
    """

    start = attribute(sequence, Dims(), "The first index, an axis each.")
    shape = attribute(sequence, Dims(), "The extents of the result.")
    stride = attribute(
        sequence, Dims(), "The distance of the indices; 0 repeats, negative reverses."
    )
    mode = attribute(member(SampleMode), SampleMode.STRICT_BOUNDS, "What is read beside the input.")

    @property
    def axes(self) -> Dims:
        """The axes that start, shape and stride are for; unset: all."""
        return self.__dict__.get("_axes", Dims.invalid())

    @axes.setter
    def axes(self, value: Any) -> None:
        self._axes = sequence(value)
        self._changed()

    def _most_inputs(self) -> int:
        return 6

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, x = Maker(net, name), inputs[0]
        inputs = inputs + [None] * (6 - len(inputs))
        slices = self._slices(maker, x, inputs)
        cut, sizes = [s for s in slices if not s.is_whole], [s.size for s in slices]
        if self.mode == SampleMode.FILL:
            return [self._filled(maker, x, cut, inputs[4], sizes)]
        strict = self.mode == SampleMode.STRICT_BOUNDS
        if all(s.is_static and s.stride != 0 and (strict or s.is_inside) for s in cut):
            return [_plain_slice(maker, x, cut)]
        if strict and all(s.is_forward for s in cut):
            return [self._between(maker, x, cut, sizes)]
        for s in cut:
            index = s.index_list(maker, x, self.mode)
            x = maker.add(ops.Gather(axis=s.axis), x, index, what="axis")
        return [maker.finished(pinned(maker, x, sizes))]

    def _slices(self, maker: Maker, x: Any, inputs: list) -> list:
        """One AxisSlice for each axis of x."""
        rank = len(x.shape)
        axes = list(range(rank))
        if inputs[5] is not None:
            axes = constant_list(inputs[5])
            if axes is None:
                raise ApiError("its axes must be known when the engine is built")
        elif "_axes" in self.__dict__:
            axes = list(self._axes)
        axes = [axis_of(axis, rank) for axis in axes]
        lists = []
        for what, tensor in zip(("start", "shape", "stride"), inputs[1:4]):
            values = list(getattr(self, what)) if tensor is None else known_list(tensor)
            if len(values) != len(axes):
                raise ApiError(f"its {what} has {len(values)} entries for {len(axes)} axes")
            lists.append(values)
        extents = extents_of(x)
        slices = [AxisSlice.whole(axis, extents[axis]) for axis in range(rank)]
        for place, axis in enumerate(axes):
            start, size, stride = (values[place] for values in lists)
            slices[axis] = AxisSlice(axis, extents[axis], start, size, stride, place, inputs[1:4])
            slices[axis].check(self.mode)
        return slices

    def _between(self, maker: Maker, x: Any, cut: list, sizes: list) -> Any:
        """Bounds that only the run tells: from `start` to `start + shape · stride`."""
        starts = maker.join([s.part(maker, 0, s.start) for s in cut], "start")
        ends = maker.join([s.end(maker) for s in cut], "end")
        op = ops.SliceBetween(axes=[s.axis for s in cut], stride=[s.stride for s in cut])
        y = maker.add(op, x, starts, ends, what="between")
        return maker.finished(pinned(maker, y, sizes))

    def _filled(self, maker: Maker, x: Any, cut: list, value: Any, sizes: list) -> Any:
        filling = np.zeros((), x.dtype) if value is None else value.value
        if filling is not None and np.size(filling) != 1:
            raise ApiError("what it fills with must be one number")
        static = all(s.is_static and s.stride != 0 and is_number(s.extent) for s in cut)
        if static and filling is not None and x.dtype == np.float32:
            before, after = [0] * len(x.shape), [0] * len(x.shape)
            for s in cut:
                before[s.axis], after[s.axis] = s.margins()
            if any(before) or any(after):
                number = float(np.reshape(filling, ()))
                padding = ops.Padding(before=before, after=after, value=number)
                x = maker.add(padding, x, what="pad")
            shifted = [s.shifted(before[s.axis], x.shape[s.axis]) for s in cut]
            return _plain_slice(maker, x, shifted)
        masks = [fill_mask(maker, s, x) for s in cut]
        for s in cut:
            index = s.index_list(maker, x, SampleMode.CLAMP)
            x = maker.add(ops.Gather(axis=s.axis), x, index, what="axis")
        inside = masks[0] if masks else maker.constant(True, np.bool_)
        for mask in masks[1:]:
            inside = maker.binary("and", inside, mask)
        beside = maker.constant(filling, x.dtype) if filling is not None else value
        beside = maker.reshape(maker.cast(beside, x.dtype), [1] * len(x.shape))
        y = maker.add(ops.Select(), inside, x, beside, what="filled")
        return maker.finished(pinned(maker, y, sizes))


def _plain_slice(maker: Maker, x: Any, slices: list) -> Any:
    if not slices:
        return maker.add(ops.Identity(), x)
    op = ops.Slice(
        axes=[s.axis for s in slices],
        start=[s.start for s in slices],
        size=[s.size for s in slices],
        stride=[s.stride for s in slices],
    )
    return maker.add(op, x)


@layer_type("Gather", LayerType.GATHER)
class IGatherLayer(ILayer):
    """Elements of input 0 at the indices in input 1; negative indices count from the end."""

    axis = attribute(integer(-8), 0, "The axis that DEFAULT and ELEMENT index.")
    num_elementwise_dims = attribute(integer(0), 0, "Leading axes that data and indices share.")
    mode = attribute(member(GatherMode), GatherMode.DEFAULT)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (data, indices) = Maker(net, name), inputs
        rank, shared = len(data.shape), self.num_elementwise_dims
        if self.mode == GatherMode.ND:
            return [maker.add(ops.GatherNd(batch_dims=shared), data, indices)]
        axis = axis_of(self.axis, rank)
        if self.mode == GatherMode.ELEMENT:
            return [maker.add(ops.GatherElements(axis=axis), data, indices)]
        if shared == 0:
            return [maker.add(ops.Gather(axis=axis), data, indices)]
        if not 0 <= shared <= min(axis, len(indices.shape)):
            raise ApiError(
                f"num_elementwise_dims {shared} does not fit axis {axis} of data and indices "
                f"{indices.shape}"
            )
        return [self._gather_shared(maker, data, indices, axis, shared)]

    @staticmethod
    def _gather_shared(maker: Maker, data: Any, indices: Any, axis: int, shared: int) -> Any:
        """GatherNd wants the indexed axis behind the shared ones, and its result there too."""
        rest = [a for a in range(shared, len(data.shape)) if a != axis]
        if axis != shared:
            data = maker.transpose(data, [*range(shared), axis, *rest])
        places = maker.reshape(indices, [0] * len(indices.shape) + [1], "indices")
        picked = len(indices.shape) - shared
        if axis == shared:
            return maker.add(ops.GatherNd(batch_dims=shared), data, places)
        y = maker.add(ops.GatherNd(batch_dims=shared), data, places, what="gather")
        before = axis - shared
        first = shared + picked
        order = [
            *range(shared),
            *range(first, first + before),
            *range(shared, first),
            *range(first + before, first + len(rest)),
        ]
        return maker.transpose(y, order, None)


@layer_type("Scatter", LayerType.SCATTER)
class IScatterLayer(ILayer):
    """Input 0 with elements (ELEMENT, along `axis`) or slices (ND) replaced by input 2's.

    Input 1 holds where.
    """

    axis = attribute(integer(-8), 0)
    mode = attribute(member(ScatterMode), ScatterMode.ELEMENT)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker = Maker(net, name)
        if self.mode == ScatterMode.ND:
            return [maker.add(ops.ScatterNd(), *inputs)]
        axis = axis_of(self.axis, len(inputs[0].shape))
        return [maker.add(ops.ScatterElements(axis=axis), *inputs)]


@layer_type("OneHot", LayerType.ONE_HOT, shape_inputs=(2,))
class IOneHotLayer(ILayer):
    """A new `axis` of extent depth, with values[1] at the index and values[0] elsewhere.

    Inputs: indices, values (2), depth (constant). Negative indices count from the end.
    """

    axis = attribute(integer(-9), -1, "From −rank − 1 to the rank of the indices.")

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (indices, values, depth) = Maker(net, name), inputs
        rank = len(indices.shape) + 1
        axis = axis_of(self.axis, rank)
        known = constant_list(depth)
        if known is None or len(known) != 1 or known[0] < 1:
            raise ApiError("its depth must be one positive number, known when the engine is built")
        if values.shape != (2,):
            raise ApiError(f"its values must be [off, on], not of shape {values.shape}")
        order = [a if a < axis else rank - 1 if a == axis else a - 1 for a in range(rank)]
        spread = ops.Shuffle(has_reshape=True, dims=[0] * (rank - 1) + [1], second=order)
        at = maker.add(spread, indices, what="indices")
        negative = maker.binary("less", at, 0, "negative")
        at = maker.add(
            ops.Select(), negative, maker.binary("add", at, int(known[0])), at, what="index"
        )
        places = np.arange(known[0]).reshape([-1 if a == axis else 1 for a in range(rank)])
        hot = maker.binary("equal", at, maker.constant(places, at.dtype), "hot")
        on, off = (maker.reshape(maker.element(values, i), [1] * rank, "value") for i in (1, 0))
        return [maker.add(ops.Select(), hot, on, off)]


def check_indices_type(dtype: Any) -> Any:
    """A converter for `attribute`: INT32 or INT64."""
    if not isinstance(dtype, DataType):
        raise TypeError(f"DataType is wanted, not {type(dtype).__name__}")
    if dtype not in (DataType.INT32, DataType.INT64):
        raise ApiError(f"indices are INT32 or INT64, not {dtype.name}")
    return dtype


@layer_type("NonZero", LayerType.NON_ZERO)
class INonZeroLayer(ILayer):
    """(rank, n): where the n elements are that are not zero; n is known at run time only."""

    indices_type = attribute(check_indices_type, DataType.INT32)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker = Maker(net, name)
        if self.indices_type == DataType.INT64:
            return [maker.add(ops.NonZero(), inputs[0])]
        found = maker.add(ops.NonZero(), inputs[0], what="positions")
        return [maker.add(ops.Cast(type=np.dtype(np.int32)), found)]


class AddIndexing:
    """INetworkDefinition's add_* methods of these layers."""

    def add_slice(
        self, input: ITensor, start: Any, shape: Any, stride: Any
    ) -> Optional[ISliceLayer]:
        """`shape` elements of `input` from `start`, `stride` apart."""
        lists = {"start": sequence(start), "shape": sequence(shape), "stride": sequence(stride)}
        if len({len(v) for v in lists.values()}) != 1:
            error = ApiError(f"start, shape and stride differ in length: {lists}")
            return self._error("INetworkDefinition::addSlice", error)
        return add(self, ISliceLayer, "addSlice", [input], **lists)

    def add_gather(self, input: ITensor, indices: ITensor, axis: int) -> Optional[IGatherLayer]:
        """The slices of `input` along `axis` at the `indices`."""
        return add(self, IGatherLayer, "addGather", [input, indices], axis=axis)

    def add_gather_v2(
        self, input: ITensor, indices: ITensor, mode: GatherMode
    ) -> Optional[IGatherLayer]:
        """Elements of `input` at `indices`, read by `mode`."""
        return add(self, IGatherLayer, "addGatherV2", [input, indices], mode=mode)

    def add_scatter(
        self, data: ITensor, indices: ITensor, updates: ITensor, mode: ScatterMode
    ) -> Optional[IScatterLayer]:
        """`data` with `updates` written at the `indices`."""
        return add(self, IScatterLayer, "addScatter", [data, indices, updates], mode=mode)

    def add_one_hot(
        self, indices: ITensor, values: ITensor, depth: ITensor, axis: int
    ) -> Optional[IOneHotLayer]:
        """values[1] where the new axis has the index, values[0] elsewhere."""
        return add(self, IOneHotLayer, "addOneHot", [indices, values, depth], axis=axis)

    def add_non_zero(
        self, input: ITensor, indices_type: DataType = DataType.INT32
    ) -> Optional[INonZeroLayer]:
        """The positions of the elements of `input` that are not zero."""
        return add(self, INonZeroLayer, "addNonZero", [input], indices_type=indices_type)


__all__ = [
    "ISliceLayer",
    "IGatherLayer",
    "IScatterLayer",
    "IOneHotLayer",
    "INonZeroLayer",
]
