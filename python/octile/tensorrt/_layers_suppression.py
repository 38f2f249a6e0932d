"""NMS: the boxes that overlap no better one of their class.

TensorRT lists them by image and then by score, over all classes; the native op class by class.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._known import constant_list
from ._layer_tools import add, integer, member
from ._layers_indexing import check_indices_type
from ._maker import Maker
from ._native_values import ApiError, to_native_dtype
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import BoundingBoxFormat, DataType, LayerType


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


class AddSuppression:
    """INetworkDefinition's add_* methods of these layers."""

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


__all__ = ["INMSLayer"]
