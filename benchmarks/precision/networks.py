"""The networks of the sweep as ONNX files: convolutions with ReLU. Input and output are float and
lie as kernels want them, channels last, so that no time goes into changing layouts."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BYTES = 5  # of a conversion, a value: four of the float, one of the int8


@dataclass(frozen=True)
class Point:
    """`depth` equal convolutions in a row, size × size × channels in and out, padded, stride 1;
    depthwise ones have one filter for each channel, the others one for each pair."""

    size: int
    channels: int
    kernel: int
    batch: int = 1
    depthwise: bool = False
    depth: int = 1

    @property
    def values(self):
        """Of the input; of the output too."""
        return self.batch * self.channels * self.size**2

    @property
    def inputs(self):
        """Channels that an output value hangs on."""
        return 1 if self.depthwise else self.channels

    @property
    def operations(self):
        """Multiplications and additions, borders counted as if they were inside."""
        return 2 * self.values * self.inputs * self.kernel**2 * self.depth

    @property
    def intensity(self):
        """Operations for each byte that the two conversions read or write."""
        return self.operations / (2 * BYTES * self.values)


def convolution(name, source, target, weights, groups=1, relu=True):
    """Nodes and constants of a convolution that keeps the size, and its ReLU."""
    kernel = weights.shape[2]
    sums = f"{name}.sum" if relu else target
    nodes = [
        helper.make_node(
            "Conv",
            [source, f"{name}.weights"],
            [sums],
            name=name,
            group=groups,
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
        )
    ]
    if relu:
        nodes.append(helper.make_node("Relu", [sums], [target], name=f"{name}.relu"))
    return nodes, [numpy_helper.from_array(weights.astype(np.float32), f"{name}.weights")]


def save(path, made, first, last, shape):
    """`made`: what convolution() gave, in running order, from tensor `first` to `last`; `shape` is
    that of a batch, channels first."""
    batch, channels, height, width = shape
    nodes = [
        helper.make_node("Transpose", ["x"], [first], name="to_channels_first", perm=[0, 3, 1, 2])
    ]
    nodes += [node for part in made for node in part[0]]
    nodes.append(
        helper.make_node("Transpose", [last], ["y"], name="to_channels_last", perm=[0, 2, 3, 1])
    )
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, height, width, channels))
        for name in ("x", "y")
    ]
    constants = [constant for part in made for constant in part[1]]
    graph = helper.make_graph(nodes, path.stem, ends[:1], ends[1:], constants)
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[opset]), path)


def ranges(names, low, high):
    return [flag for name in names for flag in ("--range", f"{name}={low}:{high}")]


def write(point, path):
    """The point's network at `path`; the flags of `octile build` that give its ranges."""
    generator = np.random.default_rng(1)
    shape = (point.channels, point.inputs, point.kernel, point.kernel)
    scale = np.sqrt(2 / (point.inputs * point.kernel**2))
    tensors = [f"t{i}" for i in range(point.depth + 1)]
    made = [
        convolution(
            f"conv{i}",
            tensors[i],
            tensors[i + 1],
            generator.normal(0, scale, shape),
            groups=point.channels // point.inputs,
        )
        for i in range(point.depth)
    ]
    save(path, made, tensors[0], tensors[-1], (point.batch, point.channels, point.size, point.size))
    return ranges(["x", *tensors, "y"], -4, 4)


HUGE = 2048  # pixels a side


def write_huge(path):
    """A picture of 4 million pixels into another colour space: every value is read and written for
    a handful of multiplications."""
    matrix = [[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]]
    colours = np.array(matrix)[..., None, None]
    made = [convolution("colours", "picture", "converted", colours, relu=False)]
    save(path, made, "picture", "converted", (1, 3, HUGE, HUGE))
    return ranges(["x", "picture"], 0, 1) + ranges(["converted", "y"], -1, 1)
