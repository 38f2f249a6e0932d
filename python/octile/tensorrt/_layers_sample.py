"""Layers that sample and fill: Resize, GridSample, ReverseSequence, Fill."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._known import is_number, known_list
from ._layer_tools import add, boolean, integer, member, number
from ._layers_shape import pinned
from ._layers_suppression import AddSuppression
from ._maker import Maker, axis_of, sequence
from ._native_values import ApiError, to_native_dtype
from ._resize import resized
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import (
    DataType,
    Dims,
    FillOperation,
    InterpolationMode,
    LayerType,
    ResizeCoordinateTransformation,
    ResizeRoundMode,
    ResizeSelector,
    SampleMode,
    unsupported,
)


def _scales(value: Any) -> list:
    return [float(v) for v in value]


@layer_type("Resize", LayerType.RESIZE, shape_inputs=(1,))
class IResizeLayer(ILayer):
    """Input 0 with other extents: `shape`, `scales` (the extents are rounded down) or input 1."""

    shape = attribute(sequence, Dims.invalid(), "The extents of the result; unset: the input's.")
    scales = attribute(_scales, [], "A factor for each axis, instead of a shape.")
    resize_mode = attribute(member(InterpolationMode), InterpolationMode.NEAREST)
    coordinate_transformation = attribute(
        member(ResizeCoordinateTransformation), ResizeCoordinateTransformation.ASYMMETRIC
    )
    selector_for_single_pixel = attribute(member(ResizeSelector), ResizeSelector.FORMULA)
    nearest_rounding = attribute(member(ResizeRoundMode), ResizeRoundMode.FLOOR)
    cubic_coeff = attribute(number(), -0.75, "The coefficient of the cubic kernel.")
    exclude_outside = attribute(bool, False, "Whether cubic taps beside the input weigh nothing.")

    @property
    def interpolation_mode(self) -> InterpolationMode:
        """Another name of resize_mode."""
        return self.resize_mode

    @interpolation_mode.setter
    def interpolation_mode(self, value: InterpolationMode) -> None:
        self.resize_mode = value

    @property
    def align_corners(self) -> bool:
        """TensorRT 7's and 8's switch between ALIGN_CORNERS and ASYMMETRIC."""
        return self.coordinate_transformation == ResizeCoordinateTransformation.ALIGN_CORNERS

    @align_corners.setter
    def align_corners(self, value: bool) -> None:
        kinds = ResizeCoordinateTransformation
        self.coordinate_transformation = kinds.ALIGN_CORNERS if value else kinds.ASYMMETRIC

    def _most_inputs(self) -> int:
        return 2

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return [resized(Maker(net, name), self, inputs[0], *inputs[1:2])]


_GRID_PADDING = {
    SampleMode.FILL: "zeros",
    SampleMode.CLAMP: "border",
    SampleMode.REFLECT: "reflection",
}


@layer_type("GridSample", LayerType.GRID_SAMPLE)
class IGridSampleLayer(ILayer):
    """Input 0 (N, C, H, W) at the points of input 1 (N, H', W', 2): x, y from −1 to 1."""

    interpolation_mode = attribute(member(InterpolationMode), InterpolationMode.LINEAR)
    align_corners = attribute(boolean, False, "Whether −1 and 1 are centres of the outer pixels.")
    sample_mode = attribute(member(SampleMode), SampleMode.FILL, "What lies beside the input.")

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        if self.sample_mode not in _GRID_PADDING:
            unsupported(f"IGridSampleLayer with {self.sample_mode}", "FILL, CLAMP or REFLECT")
        op = ops.GridSample(
            kind=self.interpolation_mode.name.lower(),
            padding=_GRID_PADDING[self.sample_mode],
            align_corners=self.align_corners,
        )
        return [Maker(net, name).add(op, *inputs)]


@layer_type("ReverseSequence", LayerType.REVERSE_SEQUENCE)
class IReverseSequenceLayer(ILayer):
    """Input 0 with the first input1[n] elements of each sequence n in reverse order."""

    batch_axis = attribute(integer(-8), 1, "The axis of the sequences.")
    sequence_axis = attribute(integer(-8), 0, "The axis along which they run.")

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (x, lengths) = Maker(net, name), inputs
        rank = len(x.shape)
        batch, time = axis_of(self.batch_axis, rank), axis_of(self.sequence_axis, rank)
        if batch == time or len(lengths.shape) != 1:
            raise ApiError(
                f"batch axis {batch}, sequence axis {time} and lengths {lengths.shape} do not fit"
            )

        def along(axis: int) -> list:
            return [-1 if a == axis else 1 for a in range(rank)]

        steps = _counted(maker, x, time)
        steps = maker.reshape(steps, along(time), "steps")
        lengths = maker.reshape(maker.cast(lengths, np.int64), along(batch), "lengths")
        back = maker.binary("sub", maker.binary("sub", lengths, 1), steps, "back")
        beyond = maker.binary("less", back, 0, "beyond")
        index = maker.add(ops.Select(), beyond, steps, back, what="index")
        index = maker.add(ops.Expand(), index, self._extents(maker, x), what="indices")
        return [maker.add(ops.GatherElements(axis=time), x, index)]

    @staticmethod
    def _extents(maker: Maker, x: Any) -> Any:
        return maker.extents(x) if min(x.shape) < 0 else maker.constant(list(x.shape))


def _counted(maker: Maker, x: Any, axis: int) -> Any:
    """0, 1, … below the extent of an axis of x, INT64."""
    if x.shape[axis] >= 0:
        return maker.constant(np.arange(x.shape[axis]))
    return _count_to(maker, maker.element(maker.extents(x), axis))


def _count_to(maker: Maker, count: Any) -> Any:
    number = maker.reshape(count, [], "number")
    return maker.add(ops.Counting(), maker.constant(0), number, maker.constant(1), what="count")


def _operation(value: FillOperation) -> FillOperation:
    member(FillOperation)(value)
    if value != FillOperation.LINSPACE:
        unsupported(
            f"IFillLayer with {value}",
            "Octile's engines are deterministic; give the numbers as input",
        )
    return value


def _filled_type(value: DataType) -> DataType:
    if member(DataType)(value) not in (DataType.FLOAT, DataType.INT32, DataType.INT64):
        raise ApiError(f"it fills FLOAT, INT32 or INT64, not {value.name}")
    return value


@layer_type("Fill", LayerType.FILL, shape_inputs=(0,))
class IFillLayer(ILayer):
    """alpha + Σ index[axis] · beta[axis].

    Inputs, if set: the shape, alpha (a number), beta (one for each axis).

    `alpha` and `beta` hold without inputs 1 and 2 (beta: of a result of rank 1).
    """

    shape = attribute(sequence, Dims(), "The extents of the result.")
    operation = attribute(_operation, FillOperation.LINSPACE)
    to_type = attribute(_filled_type, DataType.FLOAT, "FLOAT, INT32 or INT64.")

    @property
    def alpha(self) -> Any:
        """LINSPACE: the first number."""
        return self.__dict__.get("_alpha", 0.0)

    @alpha.setter
    def alpha(self, value: Any) -> None:
        self._set_number("_alpha", value)

    @property
    def beta(self) -> Any:
        """LINSPACE: the step."""
        return self.__dict__.get("_beta", 1.0)

    @beta.setter
    def beta(self, value: Any) -> None:
        self._set_number("_beta", value)

    def _set_number(self, key: str, value: Any) -> None:
        """Whatever is no number changes nothing, as TensorRT's binding has it."""
        if isinstance(value, (int, float, np.number)):
            self.__dict__[key] = int(value) if hasattr(value, "__index__") else float(value)
            self._changed()

    def is_alpha_beta_int64(self) -> bool:
        """Whether alpha and beta were given as integers."""
        given = [self.__dict__[key] for key in ("_alpha", "_beta") if key in self.__dict__]
        return bool(given) and all(isinstance(v, int) for v in given)

    def _most_inputs(self) -> int:
        return 3

    def _output_dtype(self, index: int, native: DataType, inputs: Any) -> DataType:
        return self.to_type

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, dtype = Maker(net, name), to_native_dtype(self.to_type)
        target, alpha, beta = inputs + [None] * (3 - len(inputs))
        extents = list(self.shape) if target is None else known_list(target)
        if any(is_number(e) and e < 0 for e in extents):
            raise ApiError(f"its shape {tuple(extents)} has a negative extent")
        if beta is None and len(extents) > 1:
            raise ApiError("a result of more than one axis needs its betas as input 2")
        if beta is not None and int(np.prod(beta.shape)) != len(extents):
            raise ApiError(
                f"beta {beta.shape} must have an element for each of {len(extents)} axes"
            )
        first = maker.constant(self.alpha, dtype) if alpha is None else maker.cast(alpha, dtype)
        steps = maker.constant([self.beta], dtype) if beta is None else maker.cast(beta, dtype)
        total = maker.reshape(first, [1] * len(extents), "alpha")
        for axis, extent in enumerate(extents):
            along = [-1 if a == axis else 1 for a in range(len(extents))]
            if is_number(extent):
                count = maker.constant(np.arange(extent), dtype)
            else:
                count = _count_to(maker, maker.element(maker.int64_list(target), axis))
            step = maker.element(maker.reshape(steps, [len(extents)], "betas"), axis)
            term = maker.binary("mul", maker.cast(count, dtype), step, "term")
            total = maker.binary("add", total, maker.reshape(term, along), "sum")
        return [maker.add(ops.Identity(), pinned(maker, total, extents))]


class AddSample(AddSuppression):
    """INetworkDefinition's add_* methods of these layers."""

    def add_resize(self, input: ITensor) -> Optional[IResizeLayer]:
        """`input` with other extents."""
        return add(self, IResizeLayer, "addResize", [input])

    def add_grid_sample(self, input: ITensor, grid: ITensor) -> Optional[IGridSampleLayer]:
        """`input` (N, C, H, W) at the points of `grid` (N, H', W', 2)."""
        return add(self, IGridSampleLayer, "addGridSample", [input, grid])

    def add_reverse_sequence(
        self, input: ITensor, sequence_lens: ITensor
    ) -> Optional[IReverseSequenceLayer]:
        """`input` with its sequences, as long as `sequence_lens` says, in reverse order."""
        return add(self, IReverseSequenceLayer, "addReverseSequence", [input, sequence_lens])

    def add_fill(
        self, shape: Any, op: FillOperation, output_type: DataType = DataType.FLOAT
    ) -> Optional[IFillLayer]:
        """A tensor of numbers in even steps."""
        given = {"shape": shape, "operation": op, "to_type": output_type}
        return add(self, IFillLayer, "addFill", [], **given)


__all__ = [
    "IResizeLayer",
    "IGridSampleLayer",
    "IReverseSequenceLayer",
    "IFillLayer",
]
