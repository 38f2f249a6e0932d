"""How many elements outputs can have whose extents depend on data (NonZero, NMS).

Under the profiles' greatest shapes: contexts tell it by get_max_output_size().
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

import octile

from ._emission import Emission
from ._known import constant_list
from ._native_values import ApiError
from ._types import LayerType

__all__: list = []

_SAME_ELEMENTS = (LayerType.SHUFFLE, LayerType.CAST, LayerType.IDENTITY)


def most_elements(network: Any, late: set, shapes: dict) -> dict:
    """Output name → greatest number of elements, for those of the `late` ones where it is known."""
    outputs = [tensor for tensor in network._outputs if tensor.name in late]
    if not outputs:
        return {}
    emission = Emission(network, shapes)
    found = {tensor.name: _most(emission, tensor) for tensor in outputs}
    return {name: count for name, count in found.items() if count is not None}


def _most(emission: Emission, tensor: Any) -> Optional[int]:
    layer = tensor._producer
    kind = None if layer is None else layer._class._layer_type
    if kind in _SAME_ELEMENTS:
        return _most(emission, layer._inputs[0])
    if kind not in (LayerType.NON_ZERO, LayerType.NMS):
        return None
    try:
        inputs = [emission.tensor(t) for t in layer._inputs[:3]]
    except (ApiError, octile.Error):
        return None
    shapes = [tuple(t.shape) for t in inputs]
    if any(extent < 0 for shape in shapes for extent in shape):
        return None
    if kind == LayerType.NON_ZERO:
        return max(len(shapes[0]), 1) * int(np.prod(shapes[0], dtype=np.int64))
    (images, boxes, classes), most = shapes[1], constant_list(inputs[2])
    return None if most is None else 3 * images * classes * min(boxes, int(most[0]))
