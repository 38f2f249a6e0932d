"""Layers that sample and fill: Resize, GridSample, NMS, ReverseSequence, Fill."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._known import constant_list, is_number, known_list
from ._layer_tools import add, boolean, integer, member, number
from ._layers_indexing import check_indices_type
from ._layers_shape import pinned
from ._maker import Maker, axis_of, sequence
from ._native_values import ApiError, to_native_dtype
from ._resize import resized
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import (
    BoundingBoxFormat,
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


def _number(tensor: Any, what: str, default: Any = None) -> Any:
    """The one number in a constant tensor."""
    if tensor is None:
        return default
    values = constant_list(tensor)
    if values is None or len(values) != 1:
        raise ApiError(f"its {what} must be one number, known when the engine is built")
    return values[0]


@layer_type("NMS", LayerType.NMS, outputs=2, shape_inputs=(2,))
class INMSLayer(ILayer):
    """Boxes that overlap no better one of their class: (image, class, box) each, and their number.

    Inputs: boxes (N, B, 4) or (N, B, C, 4), scores (N, B, C), most boxes of a class and, constant
    as that: the overlap from which on a box is dropped (0) and the score that it must exceed (0).
    """

    bounding_box_format = attribute(member(BoundingBoxFormat), BoundingBoxFormat.CORNER_PAIRS)
    topk_box_limit = attribute(integer(1), 5000, "So many best boxes of an image are looked at.")
    indices_type = attribute(check_indices_type, DataType.INT32)

    def _most_inputs(self) -> int:
        return 5

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker = Maker(net, name)
        boxes, scores, most, overlap, least = inputs + [None] * (5 - len(inputs))
        if len(scores.shape) != 3 or len(boxes.shape) not in (3, 4):
            raise ApiError(f"boxes {boxes.shape} and scores {scores.shape} do not fit")
        scores = maker.transpose(scores, [0, 2, 1], "scores")
        scores = self._best(maker, scores)
        classes = boxes.shape[2] if len(boxes.shape) == 4 else 1
        if len(boxes.shape) == 4:
            boxes = maker.transpose(boxes, [0, 2, 1, 3], "boxes")
            extents = boxes.shape
            if min(extents[1:]) < 0:
                raise ApiError("boxes of classes of their own need known numbers of both")
            boxes = maker.reshape(boxes, [-1, extents[2], 4])
            if classes > 1:  # each class as an image
                scores = maker.reshape(scores, [-1, 1, extents[2]])
        op = ops.NonMaxSuppression(
            max_output=int(_number(most, "max_output_boxes_per_class")),
            iou_threshold=float(_number(overlap, "IoU threshold", 0.0)),
            score_threshold=float(_number(least, "score threshold", 0.0)),
            center_point=self.bounding_box_format == BoundingBoxFormat.CENTER_SIZES,
        )
        found = maker.add(op, boxes, scores, what="found")
        found = self._sorted(maker, found, scores, classes)
        if classes > 1:
            found = self._with_classes(maker, found, classes)
        count = maker.cast(maker.element(maker.extents(found), 0), np.int32)
        dtype = to_native_dtype(self.indices_type)
        return [
            maker.add(ops.Cast(type=dtype), found),
            maker.reshape(count, [], "count"),
        ]

    def _best(self, maker: Maker, scores: Any) -> Any:
        """scores (N, C, B) without those beyond topk_box_limit of an image: they become −1."""
        count = scores.shape[1] * scores.shape[2]
        if min(scores.shape[1:]) < 0 or count <= self.topk_box_limit:
            return scores
        flat = maker.reshape(scores, [0, -1])
        best = maker.add(ops.TopK(k=self.topk_box_limit, axis=1), flat, what="best")
        last = ops.Slice(axes=[1], start=[self.topk_box_limit - 1], size=[1], stride=[1])
        bound = maker.reshape(maker.add(last, best, what="last"), [0, 1, 1])
        beyond = maker.binary("less", scores, bound)
        return maker.add(ops.Select(), beyond, maker.constant(-1, np.float32), scores, what="kept")

    @staticmethod
    def _sorted(maker: Maker, found: Any, scores: Any, classes: int) -> Any:
        """The rows by image, then by score, the best first; `classes`: images for each image."""

        def by(key: Any, largest: bool) -> Any:  # equal keys keep their order
            count = maker.element(maker.extents(found), 0)
            sort = ops.TopKOf(axis=0, largest=largest)
            order = maker.add(sort, key, count, what="order", output=1)
            return maker.add(ops.Gather(axis=0), found, order, what="sorted")

        found = by(maker.add(ops.GatherNd(), scores, found, what="scores"), True)
        image = maker.reshape(_column(maker, found, 0), [-1], "image")
        image = maker.binary("floor_div", image, classes)
        return by(maker.cast(image, np.float32), False)

    @staticmethod
    def _with_classes(maker: Maker, found: Any, classes: int) -> Any:
        """Rows (image · classes + class, 0, box) as (image, class, box)."""
        image, box = (_column(maker, found, i) for i in (0, 2))
        columns = [maker.binary("floor_div", image, classes), maker.binary("mod", image, classes)]
        return maker.add(ops.Concatenation(axis=1), *columns, box, what="rows")


def _column(maker: Maker, rows: Any, column: int) -> Any:
    op = ops.Slice(axes=[1], start=[column], size=[1], stride=[1])
    return maker.add(op, rows, what="column")


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
        return self.__dict__.get("_alpha", 0.0)

    @alpha.setter
    def alpha(self, value: Any) -> None:
        self._set_number("_alpha", value)

    @property
    def beta(self) -> Any:
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


class AddSample:
    """INetworkDefinition's add_* methods of these layers."""

    def add_resize(self, input: ITensor) -> Optional[IResizeLayer]:
        """`input` with other extents."""
        return add(self, IResizeLayer, "addResize", [input])

    def add_grid_sample(self, input: ITensor, grid: ITensor) -> Optional[IGridSampleLayer]:
        """`input` (N, C, H, W) at the points of `grid` (N, H', W', 2)."""
        return add(self, IGridSampleLayer, "addGridSample", [input, grid])

    def add_nms(
        self,
        boxes: ITensor,
        scores: ITensor,
        max_output_boxes_per_class: ITensor,
        indices_type: DataType = DataType.INT32,
    ) -> Optional[INMSLayer]:
        """The boxes that overlap no better one, and their number."""
        inputs = [boxes, scores, max_output_boxes_per_class]
        return add(self, INMSLayer, "addNMS", inputs, indices_type=indices_type)

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
    "INMSLayer",
    "IReverseSequenceLayer",
    "IFillLayer",
]
