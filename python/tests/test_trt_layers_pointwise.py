"""octile.tensorrt: Activation, Scale, ElementWise, Unary, ParametricReLU, Identity, Cast."""

from __future__ import annotations

import math

import numpy as np
import pytest
from trt_network import Net, fails, one

import octile.tensorrt as trt

RNG = np.random.default_rng(6)
A = trt.ActivationType


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


def erf(x):
    return np.vectorize(math.erf)(x)


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {  # with alpha 0.7 and beta 1.3
    A.RELU: lambda x, a, b: np.maximum(x, 0),
    A.SIGMOID: lambda x, a, b: 1 / (1 + np.exp(-x)),
    A.TANH: lambda x, a, b: np.tanh(x),
    A.LEAKY_RELU: lambda x, a, b: np.where(x < 0, a * x, x),
    A.ELU: lambda x, a, b: np.where(x < 0, a * (np.exp(x) - 1), x),
    A.SELU: lambda x, a, b: b * np.where(x < 0, a * (np.exp(x) - 1), x),
    A.SOFTSIGN: lambda x, a, b: x / (1 + abs(x)),
    A.SOFTPLUS: lambda x, a, b: a * np.log(np.exp(b * x) + 1),
    A.CLIP: lambda x, a, b: np.maximum(a, np.minimum(b, x)),
    A.HARD_SIGMOID: lambda x, a, b: np.clip(a * x + b, 0, 1),
    A.SCALED_TANH: lambda x, a, b: a * np.tanh(b * x),
    A.THRESHOLDED_RELU: lambda x, a, b: np.where(x > a, x, 0),
    A.GELU_ERF: lambda x, a, b: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    A.GELU_TANH: lambda x, a, b: gelu_tanh(x),
}


@pytest.mark.parametrize("kind", list(A.__members__.values()))
def test_activation(kind):
    x = 2 * normal(2, 3, 4)

    def edit(layer):
        assert layer.alpha == 0 and layer.beta == 0
        layer.type = kind
        layer.alpha = 0.7
        layer.beta = 1.3

    layer, y = one(lambda n, t: n.add_activation(t, A.RELU), x, edit=edit)
    wanted = ACTIVATIONS[kind](x.astype(np.float64), 0.7, 1.3)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
    assert layer.type == kind and layer.alpha == pytest.approx(0.7)
    assert layer.name == "(Unnamed Layer* 0) [Activation]"


def test_relu_of_integers_and_wrong_arguments():
    for dtype in (np.int32, np.int64):
        x = np.array([-3, 0, 2], dtype)
        _, y = one(lambda n, t: n.add_activation(t, A.RELU), x)
        np.testing.assert_array_equal(y, [0, 0, 2])
    net = Net()
    x = net.input(normal(2))
    for wrong in (0, "RELU", trt.PoolingType.MAX):
        with pytest.raises(TypeError):
            net.network.add_activation(x, wrong)
    assert net.network.num_layers == 0
    layer = net.network.add_activation(x, A.LEAKY_RELU)
    layer.alpha = float("nan")
    assert layer.alpha == 0 and "alpha" in net.logger.errors[0]


SCALES = {
    trt.ScaleMode.UNIFORM: (),
    trt.ScaleMode.CHANNEL: (3,),
    trt.ScaleMode.ELEMENTWISE: (3, 2, 4),
}


@pytest.mark.parametrize("mode", list(SCALES))
def test_scale(mode):
    x, shape = abs(normal(2, 3, 2, 4)), SCALES[mode]
    scale, shift, power = (np.asarray(0.5 + abs(normal(*shape)), np.float32) for _ in range(3))
    layer, y = one(
        lambda n, t: n.add_scale(
            t, mode, trt.Weights(shift), trt.Weights(scale), trt.Weights(power)
        ),
        x,
    )
    wide = (3, 1, 1) if shape == (3,) else shape
    s, o, p = (v.reshape(wide).astype(np.float64) for v in (scale, shift, power))
    np.testing.assert_allclose(y, (x * s + o) ** p, rtol=1e-5)
    assert layer.channel_axis == 1 and layer.mode == mode
    np.testing.assert_array_equal(layer.shift, shift.reshape(-1))


@pytest.mark.parametrize("axis", [0, 2])
def test_scale_nd(axis):
    x = abs(normal(2, 3, 2, 4))
    scale, shift = abs(normal(2)), abs(normal(2))

    def edit(layer):
        layer.channel_axis = axis

    _, y = one(
        lambda n, t: n.add_scale_nd(t, trt.ScaleMode.CHANNEL, shift, scale, None, 0), x, edit=edit
    )
    wide = [1] * 4
    wide[axis] = 2
    np.testing.assert_allclose(y, x * scale.reshape(wide) + shift.reshape(wide), rtol=1e-5)
    power = abs(normal(*x.shape[axis:]))
    mode = trt.ScaleMode.ELEMENTWISE
    _, y = one(lambda n, t: n.add_scale_nd(t, mode, None, power, power, axis), x)
    np.testing.assert_allclose(y, (x * power) ** power, rtol=1e-5)


def test_scale_without_weights_and_with_wrong_ones():
    x = normal(1, 3, 2, 2)
    _, y = one(lambda n, t: n.add_scale(t, trt.ScaleMode.UNIFORM, None, None, None), x)
    np.testing.assert_array_equal(y, x)
    net = Net()
    layer = net.network.add_scale(net.input(x), trt.ScaleMode.CHANNEL, scale=np.ones(2, np.float32))
    assert fails(layer.get_output(0))
    assert "2 weights" in net.logger.errors[0] and "3" in net.logger.errors[0]


E = trt.ElementWiseOperation
ELEMENTWISE = {
    E.SUM: np.add,
    E.PROD: np.multiply,
    E.MAX: np.maximum,
    E.MIN: np.minimum,
    E.SUB: np.subtract,
    E.DIV: np.divide,
    E.POW: np.power,
    E.FLOOR_DIV: np.floor_divide,
    E.AND: np.logical_and,
    E.OR: np.logical_or,
    E.XOR: np.logical_xor,
    E.EQUAL: np.equal,
    E.GREATER: np.greater,
    E.LESS: np.less,
}


@pytest.mark.parametrize("kind", list(E.__members__.values()))
def test_elementwise(kind):
    a, b = normal(2, 3, 1), normal(1, 3, 4)
    b[0, 0, 0] = a[0, 0, 0]
    if kind in (E.AND, E.OR, E.XOR):
        a, b = a > 0, b > 0
    elif kind == E.POW:
        a = abs(a)

    def edit(layer):
        layer.op = kind

    start = E.AND if a.dtype == bool else E.SUM
    layer, y = one(lambda n, s, t: n.add_elementwise(s, t, start), a, b, edit=edit)
    np.testing.assert_allclose(y, ELEMENTWISE[kind](a, b), rtol=1e-6)
    boolean = kind in (E.AND, E.OR, E.XOR, E.EQUAL, E.GREATER, E.LESS)
    assert layer.get_output(0).dtype == (trt.bool if boolean else trt.float32)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_elementwise_of_integers(dtype):
    a, b = np.array([7, -7, 7, -7], dtype), np.array([2, 2, -2, -2], dtype)
    for kind, wanted in (
        (E.DIV, [3, -3, -3, 3]),
        (E.FLOOR_DIV, [3, -4, -4, 3]),
        (E.SUM, [9, -5, 5, -9]),
        (E.MAX, [7, 2, 7, -2]),
    ):
        layer, y = one(lambda n, s, t, kind=kind: n.add_elementwise(s, t, kind), a, b)
        np.testing.assert_array_equal(y, wanted)
        assert y.dtype == dtype


def test_elementwise_errors_are_logged():
    for a, b, kind, text in (
        (normal(3, 4), normal(4), E.SUM, "rank"),
        (normal(3), np.ones(3, np.int32), E.PROD, "incompatible input types"),
        (normal(3), normal(3), E.AND, "BOOL"),
        (normal(3), normal(4), E.SUM, ""),
    ):
        net = Net()
        layer = net.network.add_elementwise(net.input(a), net.input(b), kind)
        assert fails(layer.get_output(0))
        assert len(net.logger.errors) == 1 and text in net.logger.errors[0]
        assert "(Unnamed Layer* 0) [ElementWise]" in net.logger.errors[0]


U = trt.UnaryOperation
UNARY = {
    U.EXP: np.exp,
    U.LOG: np.log,
    U.SQRT: np.sqrt,
    U.RECIP: np.reciprocal,
    U.ABS: np.abs,
    U.NEG: np.negative,
    U.SIN: np.sin,
    U.COS: np.cos,
    U.TAN: np.tan,
    U.SINH: np.sinh,
    U.COSH: np.cosh,
    U.ASIN: np.arcsin,
    U.ACOS: np.arccos,
    U.ATAN: np.arctan,
    U.ASINH: np.arcsinh,
    U.ACOSH: np.arccosh,
    U.ATANH: np.arctanh,
    U.CEIL: np.ceil,
    U.FLOOR: np.floor,
    U.ERF: erf,
    U.NOT: np.logical_not,
    U.SIGN: np.sign,
    U.ROUND: np.rint,
    U.ISINF: np.isinf,
    U.ISNAN: np.isnan,
}


@pytest.mark.parametrize("kind", list(U.__members__.values()))
def test_unary(kind):
    x = RNG.uniform(0.05, 0.95, (2, 5)).astype(np.float32)
    if kind == U.ACOSH:
        x += 1
    elif kind == U.NOT:
        x = x > 0.5
    elif kind in (U.ISINF, U.ISNAN):
        x[0, :3] = np.inf, -np.inf, np.nan
    elif kind in (U.ROUND, U.CEIL, U.FLOOR, U.SIGN, U.ABS, U.NEG, U.ERF):
        x = np.array([-2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 0.3], np.float32)

    def edit(layer):
        layer.op = kind

    start = U.NOT if kind == U.NOT else U.EXP
    layer, y = one(lambda n, t: n.add_unary(t, start), x, edit=edit)
    np.testing.assert_allclose(y, UNARY[kind](x), rtol=1e-6, atol=1e-7)
    assert layer.op == kind


def test_unary_of_integers_and_errors():
    x = np.array([-3, 0, 2], np.int32)
    for kind in (U.ABS, U.NEG, U.SIGN):
        _, y = one(lambda n, t, kind=kind: n.add_unary(t, kind), x)
        np.testing.assert_array_equal(y, UNARY[kind](x))
    net = Net()
    layer = net.network.add_unary(net.input(normal(3)), U.NOT)
    assert fails(layer.get_output(0)) and "BOOL" in net.logger.errors[0]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 1), (2, 3, 4)])
def test_parametric_relu(shape):
    x, slopes = normal(2, 3, 4), normal(*shape)
    layer, y = one(lambda n, t, s: n.add_parametric_relu(t, s), x, constants=[slopes])
    np.testing.assert_allclose(y, np.where(x < 0, x * slopes, x), rtol=1e-6)
    assert layer.name == "(Unnamed Layer* 1) [Parametric ReLU]"
    _, y = one(lambda n, t, s: n.add_parametric_relu(t, s), x, slopes)
    np.testing.assert_allclose(y, np.where(x < 0, x * slopes, x), rtol=1e-6)


def test_identity_and_cast():
    x = np.array([[0, 1.5, -2.25], [300, -300, 7]], np.float32)
    _, y = one(lambda n, t: n.add_identity(t), x)
    np.testing.assert_array_equal(y, x)
    for to, wanted in (
        (trt.bool, x != 0),
        (trt.int32, np.trunc(x)),
        (trt.int64, np.trunc(x)),
        (trt.float32, x),
        (trt.uint8, [[0, 1, 0], [44, 0, 7]]),  # as a GPU: negative numbers 0, large ones wrap
    ):
        layer, y = one(lambda n, t, to=to: n.add_cast(t, to), x)
        np.testing.assert_array_equal(y, wanted)
        assert layer.to_type == to and layer.get_output(0).dtype == to
    layer, y = one(lambda n, t: n.add_cast(t, trt.uint8), np.array([-300, 260], np.int32))
    np.testing.assert_array_equal(y, [212, 4])


def test_cast_to_half_rounds():
    x = np.array([1 + 2**-12, 1 + 2**-9, 3, 60001], np.float32)
    for to, wanted in (
        (trt.float16, x.astype(np.float16).astype(np.float32)),
        (trt.bfloat16, np.array([1, 1, 3, 59904], np.float32)),
    ):
        net = Net()
        half = net.network.add_cast(net.input(x), to).get_output(0)
        back = net.network.add_cast(half, trt.float32).get_output(0)
        assert half.dtype == to and back.dtype == trt.float32
        np.testing.assert_array_equal(net.execute(back), wanted)


def test_cast_to_int8_by_the_dynamic_range():
    x = np.array([-300, -290, 0, 10, 20, 290, 400], np.float32)
    net = Net()
    layer = net.network.add_cast(net.input(x), trt.int8)
    np.testing.assert_array_equal(
        net.execute(layer.get_output(0)), [-128, -128, 0, 10, 20, 127, 127]
    )
    layer.get_output(0).dynamic_range = (-300, 300)
    wanted = np.clip(np.rint(x / np.float32(300 / 127)), -128, 127)
    np.testing.assert_array_equal(net.execute(layer.get_output(0)), wanted)


def test_cast_is_edited_and_refuses():
    net = Net()
    layer = net.network.add_cast(net.input(normal(2)), trt.int32)
    assert layer.get_output(0).dtype == trt.int32
    layer.to_type = trt.bool
    assert layer.get_output(0).dtype == trt.bool
    with pytest.raises(trt.UnsupportedError, match="FP8"):
        layer.to_type = trt.fp8
    assert layer.to_type == trt.bool
