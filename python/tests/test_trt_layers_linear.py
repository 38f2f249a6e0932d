"""octile.tensorrt: MatrixMultiply, FullyConnected, Constant, Einsum, Padding."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, fails, one

import octile
import octile.tensorrt as trt

RNG = np.random.default_rng(7)
NONE, TRANSPOSE, VECTOR = (getattr(trt.MatrixOperation, n) for n in ("NONE", "TRANSPOSE", "VECTOR"))


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


CASES = [
    ((2, 3, 4), NONE, (2, 4, 5), NONE, "bij,bjk->bik"),
    ((2, 4, 3), TRANSPOSE, (2, 4, 5), NONE, "bji,bjk->bik"),
    ((2, 3, 4), NONE, (2, 5, 4), TRANSPOSE, "bij,bkj->bik"),
    ((2, 4, 3), TRANSPOSE, (2, 5, 4), TRANSPOSE, "bji,bkj->bik"),
    ((2, 3, 4), NONE, (2, 4), VECTOR, "bij,bj->bi"),
    ((2, 4, 3), TRANSPOSE, (2, 4), VECTOR, "bji,bj->bi"),
    ((2, 4), VECTOR, (2, 4, 5), NONE, "bj,bjk->bk"),
    ((2, 4), VECTOR, (2, 5, 4), TRANSPOSE, "bj,bkj->bk"),
    ((2, 4), VECTOR, (2, 4), VECTOR, "bj,bj->b"),
    ((4,), VECTOR, (4, 5), NONE, "j,jk->k"),
    ((4,), VECTOR, (4,), VECTOR, "j,j->"),
    ((3, 4), NONE, (4,), VECTOR, "ij,j->i"),
]


@pytest.mark.parametrize("shape_a,op0,shape_b,op1,equation", CASES)
@pytest.mark.parametrize("constant", [False, True])
def test_matrix_multiply(shape_a, op0, shape_b, op1, equation, constant):
    a, b = normal(*shape_a), normal(*shape_b)

    def add(network, s, t):
        return network.add_matrix_multiply(s, op0, t, op1)

    layer, y = one(add, a, constants=[b]) if constant else one(add, a, b)
    np.testing.assert_allclose(y, np.einsum(equation, a, b), rtol=1e-4, atol=1e-5)
    assert (layer.op0, layer.op1) == (op0, op1)
    assert layer.name == f"(Unnamed Layer* {int(constant)}) [Matrix Multiply]"


def test_matrix_multiply_broadcasts_and_is_edited():
    a, b = normal(2, 1, 3, 4), normal(1, 5, 6, 4)

    def edit(layer):
        layer.op1 = TRANSPOSE

    layer, y = one(
        lambda n, s, t: n.add_matrix_multiply(s, NONE, t, NONE),
        normal(2, 1, 3, 4),
        normal(1, 5, 4, 6),
    )
    assert y.shape == (2, 5, 3, 6)
    net = Net()
    layer = net.network.add_matrix_multiply(net.input(a), NONE, net.input(b), NONE)
    assert fails(layer.get_output(0))
    edit(layer)
    y = net.execute(layer.get_output(0))
    np.testing.assert_allclose(y, a @ b.swapaxes(2, 3), rtol=1e-4, atol=1e-5)


def test_matrix_multiply_with_a_dynamic_batch():
    a, b = normal(3, 2, 4), normal(1, 4, 5)
    net = Net()
    layer = net.network.add_matrix_multiply(
        net.input(a, shape=(-1, -1, 4)), NONE, net.constant(b), NONE
    )
    assert layer.get_output(0).shape == (-1, -1, 5)
    np.testing.assert_allclose(net.execute(layer.get_output(0)), a @ b, rtol=1e-4, atol=1e-5)
    net = Net()
    layer = net.network.add_matrix_multiply(
        net.input(a, shape=(-1, -1, 4)), NONE, net.input(normal(3, 4)), VECTOR
    )
    assert layer.get_output(0).shape == (3, -1)


def test_matrix_multiply_with_a_constant_has_int8_weights():
    """Leading ones of a constant do not keep it from being a matrix of weights."""
    net = Net()
    b = normal(1, 4, 5)
    layer = net.network.add_matrix_multiply(net.input(normal(1, 3, 4)), NONE, net.constant(b), NONE)
    native = net.complete(layer.get_output(0)).find_layer(layer.name)
    assert isinstance(native.op, octile.ops.MatrixMultiply)
    np.testing.assert_array_equal(native.inputs[1].value, b[0])


def test_matrix_multiply_errors():
    for a, op0, b, op1 in (
        (normal(3, 4), NONE, normal(1, 4, 5), NONE),
        (normal(4), NONE, normal(4, 5), NONE),
        (normal(3, 4), NONE, normal(5, 6), NONE),
    ):
        net = Net()
        layer = net.network.add_matrix_multiply(net.input(a), op0, net.input(b), op1)
        assert fails(layer.get_output(0)) and len(net.logger.errors) == 1


def test_fully_connected():
    x, w, b = normal(2, 3, 4, 5), normal(6, 60), normal(6)
    layer, y = one(lambda n, t: n.add_fully_connected(t, 6, trt.Weights(w), trt.Weights(b)), x)
    np.testing.assert_allclose(y[..., 0, 0], x.reshape(2, -1) @ w.T + b, rtol=1e-4, atol=1e-4)
    assert y.shape == (2, 6, 1, 1) and layer.name == "(Unnamed Layer* 0) [Fully Connected]"
    net = Net()
    layer = net.network.add_fully_connected(net.input(x), 1, np.zeros(1, np.float32))
    layer.num_output_channels, layer.kernel, layer.bias = 6, w, b
    np.testing.assert_allclose(net.execute(layer.get_output(0)), y, rtol=1e-5)
    layer.kernel = w[:3]
    assert fails(layer.get_output(0)) and "180" in net.logger.errors[0]


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "int8", "bool"])
def test_constant(dtype):
    value = (10 * normal(2, 3)).astype(dtype)
    net = Net()
    layer = net.network.add_constant([1], np.zeros(1, np.float32))
    layer.weights = trt.Weights(value)
    layer.shape = value.shape
    tensor = layer.get_output(0)
    assert tensor.shape == (2, 3) and tensor.dtype == trt.Weights(value).dtype
    np.testing.assert_array_equal(layer.weights, value.reshape(-1))
    np.testing.assert_array_equal(net.execute(tensor), value)


def test_constant_scalars_halves_and_errors():
    net = Net()
    layer = net.network.add_constant((), np.array([2.5], np.float32))
    assert layer.get_output(0).shape == () and layer.shape == ()
    half = net.network.add_constant((2,), np.array([0.5, 1], np.float16)).get_output(0)
    assert half.dtype == trt.float16
    wrong = net.network.add_constant((3,), np.zeros(2, np.float32))
    assert fails(wrong.get_output(0)) and "(3,)" in net.logger.errors[0]
    with pytest.raises(trt.UnsupportedError, match="INT4"):
        net.network.add_constant((2,), trt.Weights(trt.int4, 4096, 0))


EQUATIONS = [
    ("ijk,pjr->ikpr", (1, 3, 4), (2, 3, 5)),
    ("ijk->jki", (1, 3, 4)),
    ("ijk->ij", (1, 3, 4)),
    ("ijk,pqk->", (1, 2, 4), (1, 3, 4)),
    ("ijk,ikl->ijl", (2, 2, 3), (2, 3, 4)),
    ("abc,dcb,de->ae", (1, 2, 3), (4, 3, 2), (4, 5)),
    ("ijj->ij", (1, 4, 4)),
    ("i...j->...ij", (2, 3, 4)),
    ("ab,bc", (2, 3), (3, 4)),
]


@pytest.mark.parametrize("equation,shapes", [(e[0], e[1:]) for e in EQUATIONS])
def test_einsum(equation, shapes):
    arrays = [normal(*shape) for shape in shapes]
    layer, y = one(lambda n, *t: n.add_einsum(list(t), equation), *arrays)
    np.testing.assert_allclose(y, np.einsum(equation, *arrays), rtol=1e-4, atol=1e-5)
    assert layer.equation == equation and layer.name == "(Unnamed Layer* 0) [Einsum]"


def test_einsum_errors():
    net = Net()
    layer = net.network.add_einsum([net.input(normal(2, 3))], "ij,jk->ik")
    assert fails(layer.get_output(0)) and "2 terms for 1 inputs" in net.logger.errors[0]
    with pytest.raises(TypeError):
        net.network.add_einsum([1], "ij->ij")


@pytest.mark.parametrize("before,after", [((1, 2), (3, 4)), ((-1, 0), (0, -2)), ((2, -1), (-2, 1))])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_padding(before, after, dtype):
    x = (10 * normal(1, 3, 4, 5)).astype(dtype)

    def edit(layer):
        layer.pre_padding_nd = before
        layer.post_padding = after

    layer, y = one(lambda n, t: n.add_padding_nd(t, (0, 0), (0, 0)), x, edit=edit)
    grown = np.pad(x, [(0, 0), (0, 0)] + [(max(b, 0), max(a, 0)) for b, a in zip(before, after)])
    cut = [slice(max(-b, 0), n - max(-a, 0)) for b, a, n in zip(before, after, grown.shape[2:])]
    np.testing.assert_array_equal(y, grown[:, :, cut[0], cut[1]])
    assert layer.pre_padding == before and layer.post_padding_nd == after


def test_padding_errors():
    net = Net()
    x = net.input(normal(1, 3, 4, 5))
    for before, after in (((1, 1, 1), (1, 1, 1)), ((-3, 0), (-3, 0))):
        layer = net.network.add_padding_nd(x, before, after)
        assert fails(layer.get_output(0))
    assert len(net.logger.errors) == 2
