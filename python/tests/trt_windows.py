"""For tests of layers with windows: TensorRT's formulas in plain loops, padding as NaN."""

from __future__ import annotations

import itertools
import math

import numpy as np

import octile.tensorrt as trt

Mode = trt.PaddingMode


def resolve(extent, kernel, stride, dilation, before, after, mode):
    """TensorRT's formulas: (output extent, padding before)."""
    reach = 1 + dilation * (kernel - 1)
    if mode in (Mode.SAME_UPPER, Mode.SAME_LOWER):
        total = max((extent - 1) // stride * stride + reach - extent, 0)
        half = total // 2
        return math.ceil(extent / stride), half if mode == Mode.SAME_UPPER else total - half
    if mode in (Mode.CAFFE_ROUND_DOWN, Mode.CAFFE_ROUND_UP):
        after = before
    room = extent + before + after - reach
    up = mode in (Mode.EXPLICIT_ROUND_UP, Mode.CAFFE_ROUND_UP)
    return (math.ceil(room / stride) if up else room // stride) + 1, before


def windows(x, kernel, stride, dilation, before, after, mode):
    """Yields (output place, the window's elements (N, C, kernel…) with NaN beside the image)."""
    spatial = x.shape[2:]
    axes = [
        resolve(*values, mode) for values in zip(spatial, kernel, stride, dilation, before, after)
    ]
    margin = 64
    wide = np.pad(
        x.astype(np.float64),
        [(0, 0), (0, 0)] + [(margin, margin)] * len(spatial),
        constant_values=np.nan,
    )
    for place in itertools.product(*(range(out) for out, _ in axes)):
        cut = [slice(None), slice(None)]
        for axis, at in enumerate(place):
            start = margin + at * stride[axis] - axes[axis][1]
            cut.append(
                slice(start, start + dilation[axis] * (kernel[axis] - 1) + 1, dilation[axis])
            )
        yield place, wide[tuple(cut)]
