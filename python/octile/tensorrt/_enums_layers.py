"""Enumerations of layers: their types, operations and modes.

Names and numbers are those of TensorRT 10.16; `dropped` are names that 8.6 had besides.
"""

from __future__ import annotations

from ._enum_base import Enumeration


class LayerType(Enumeration, dropped={"FULLY_CONNECTED": 100, "RNN_V2": 101}):
    """The type of a layer."""

    CONVOLUTION = 0
    GRID_SAMPLE = 42
    NMS = 43
    ACTIVATION = 2
    POOLING = 3
    LRN = 4
    SCALE = 5
    SOFTMAX = 6
    DECONVOLUTION = 7
    CONCATENATION = 8
    ELEMENTWISE = 9
    PLUGIN = 10
    UNARY = 11
    PADDING = 12
    SHUFFLE = 13
    REDUCE = 14
    TOPK = 15
    GATHER = 16
    MATRIX_MULTIPLY = 17
    RAGGED_SOFTMAX = 18
    CONSTANT = 19
    IDENTITY = 20
    CAST = 1
    PLUGIN_V2 = 21
    SLICE = 22
    SHAPE = 23
    PARAMETRIC_RELU = 24
    RESIZE = 25
    TRIP_LIMIT = 26
    RECURRENCE = 27
    ITERATOR = 28
    LOOP_OUTPUT = 29
    SELECT = 30
    ASSERTION = 39
    FILL = 31
    QUANTIZE = 32
    DEQUANTIZE = 33
    CONDITION = 34
    CONDITIONAL_INPUT = 35
    CONDITIONAL_OUTPUT = 36
    SCATTER = 37
    EINSUM = 38
    ONE_HOT = 40
    NON_ZERO = 41
    REVERSE_SEQUENCE = 44
    NORMALIZATION = 45
    PLUGIN_V3 = 46
    SQUEEZE = 47
    UNSQUEEZE = 48
    CUMULATIVE = 49
    DYNAMIC_QUANTIZE = 50
    ATTENTION_INPUT = 51
    ATTENTION_OUTPUT = 52
    ROTARY_EMBEDDING = 53
    KV_CACHE_UPDATE = 54
    MOE = 55
    DIST_COLLECTIVE = 56


class ActivationType(Enumeration):
    """The function of an activation layer."""

    RELU = 0
    SIGMOID = 1
    TANH = 2
    LEAKY_RELU = 3
    ELU = 4
    SELU = 5
    SOFTSIGN = 6
    SOFTPLUS = 7
    CLIP = 8
    HARD_SIGMOID = 9
    SCALED_TANH = 10
    THRESHOLDED_RELU = 11
    GELU_ERF = 12
    GELU_TANH = 13


class PoolingType(Enumeration):
    """How a pooling layer reduces its window."""

    MAX = 0
    AVERAGE = 1
    MAX_AVERAGE_BLEND = 2


class PaddingMode(Enumeration, dropped={"CAFFE_ROUND_DOWN": 4, "CAFFE_ROUND_UP": 5}):
    """How the output size of a convolution or pooling follows from its paddings."""

    EXPLICIT_ROUND_DOWN = 0
    EXPLICIT_ROUND_UP = 1
    SAME_UPPER = 2
    SAME_LOWER = 3


class ElementWiseOperation(Enumeration):
    """A function of two tensors."""

    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    SUB = 4
    DIV = 5
    POW = 6
    FLOOR_DIV = 7
    AND = 8
    OR = 9
    XOR = 10
    EQUAL = 11
    GREATER = 12
    LESS = 13


class UnaryOperation(Enumeration):
    """A function of one tensor."""

    EXP = 0
    LOG = 1
    SQRT = 2
    RECIP = 3
    ABS = 4
    NEG = 5
    SIN = 6
    COS = 7
    TAN = 8
    SINH = 9
    COSH = 10
    ASIN = 11
    ACOS = 12
    ATAN = 13
    ASINH = 14
    ACOSH = 15
    ATANH = 16
    CEIL = 17
    FLOOR = 18
    ERF = 19
    NOT = 20
    SIGN = 21
    ROUND = 22
    ISINF = 23
    ISNAN = 24


class ReduceOperation(Enumeration):
    """How elements along the reduced axes become one."""

    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    AVG = 4
    NONE = 5


class MatrixOperation(Enumeration):
    """What is done to an operand before a matrix product."""

    NONE = 0
    TRANSPOSE = 1
    VECTOR = 2


class TopKOperation(Enumeration):
    """Whether the largest or the smallest elements are taken."""

    MAX = 0
    MIN = 1


class InterpolationMode(Enumeration):
    """How a resize layer reads between elements."""

    NEAREST = 0
    LINEAR = 1
    CUBIC = 2


class ResizeCoordinateTransformation(Enumeration):
    """Where an output element of a resize lies in the input."""

    ALIGN_CORNERS = 0
    ASYMMETRIC = 1
    HALF_PIXEL = 2


class ResizeSelector(Enumeration):
    """Which input element a resize takes for an output of one element."""

    FORMULA = 0
    UPPER = 1


class ResizeRoundMode(Enumeration):
    """How a nearest resize rounds coordinates."""

    HALF_UP = 0
    HALF_DOWN = 1
    FLOOR = 2
    CEIL = 3


class SampleMode(Enumeration, dropped={"DEFAULT": 0}):
    """What a slice or grid sample reads outside of its input."""

    STRICT_BOUNDS = 0
    WRAP = 1
    CLAMP = 2
    FILL = 3
    REFLECT = 4


class ScaleMode(Enumeration):
    """What one element of a scale layer's weights holds for."""

    UNIFORM = 0
    CHANNEL = 1
    ELEMENTWISE = 2


class GatherMode(Enumeration):
    """How a gather layer reads its indices."""

    DEFAULT = 0
    ELEMENT = 1
    ND = 2


class ScatterMode(Enumeration):
    """How a scatter layer reads its indices."""

    ELEMENT = 0
    ND = 1


class FillOperation(Enumeration):
    """What a fill layer generates."""

    LINSPACE = 0
    RANDOM_UNIFORM = 1
    RANDOM_NORMAL = 2


class CumulativeOperation(Enumeration):
    """What a cumulative layer accumulates."""

    SUM = 0


class BoundingBoxFormat(Enumeration):
    """What the four numbers of a box say."""

    CORNER_PAIRS = 0
    CENTER_SIZES = 1


class LoopOutput(Enumeration):
    """What a loop hands out."""

    LAST_VALUE = 0
    CONCATENATE = 1
    REVERSE = 2


class TripLimit(Enumeration):
    """What ends a loop."""

    COUNT = 0
    WHILE = 1


class AttentionNormalizationOp(Enumeration):
    """How attention normalizes its scores."""

    NONE = 0
    SOFTMAX = 1


class KVCacheMode(Enumeration):
    """How a cache of keys and values is written."""

    LINEAR = 0


class MoEActType(Enumeration):
    """The activation inside a mixture of experts."""

    NONE = 0
    SILU = 1


class CollectiveOperation(Enumeration):
    """An operation across devices."""

    ALL_REDUCE = 0
    ALL_GATHER = 1
    BROADCAST = 2
    REDUCE = 3
    REDUCE_SCATTER = 4


class RNNOperation(Enumeration):
    """The cell of the RNN layer of TensorRT 8."""

    RELU = 0
    TANH = 1
    LSTM = 2
    GRU = 3


class RNNDirection(Enumeration):
    """The direction of the RNN layer of TensorRT 8."""

    UNIDIRECTION = 0
    BIDIRECTION = 1


class RNNInputMode(Enumeration):
    """The input of the RNN layer of TensorRT 8."""

    LINEAR = 0
    SKIP = 1


class RNNGateType(Enumeration):
    """A gate of the RNN layer of TensorRT 8."""

    INPUT = 0
    OUTPUT = 1
    FORGET = 2
    UPDATE = 3
    RESET = 4
    CELL = 5
    HIDDEN = 6


ResizeMode = InterpolationMode  # the name until 8.x
SliceMode = SampleMode  # the name until 8.x

__all__ = [
    "LayerType",
    "ActivationType",
    "PoolingType",
    "PaddingMode",
    "ElementWiseOperation",
    "UnaryOperation",
    "ReduceOperation",
    "MatrixOperation",
    "TopKOperation",
    "InterpolationMode",
    "ResizeCoordinateTransformation",
    "ResizeSelector",
    "ResizeRoundMode",
    "SampleMode",
    "ScaleMode",
    "GatherMode",
    "ScatterMode",
    "FillOperation",
    "CumulativeOperation",
    "BoundingBoxFormat",
    "LoopOutput",
    "TripLimit",
    "AttentionNormalizationOp",
    "KVCacheMode",
    "MoEActType",
    "CollectiveOperation",
    "RNNOperation",
    "RNNDirection",
    "RNNInputMode",
    "RNNGateType",
    "ResizeMode",
    "SliceMode",
]
