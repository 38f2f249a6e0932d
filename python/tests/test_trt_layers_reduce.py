"""octile.tensorrt: Reduce, SoftMax, RaggedSoftMax, TopK, Cumulative."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, fails, one

import octile.tensorrt as trt

RNG = np.random.default_rng(8)
R = trt.ReduceOperation


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


REDUCE = {R.SUM: np.sum, R.PROD: np.prod, R.MAX: np.max, R.MIN: np.min, R.AVG: np.mean}


@pytest.mark.parametrize("op", list(REDUCE))
@pytest.mark.parametrize("axes", [(1,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("keep", [False, True])
def test_reduce(op, axes, keep):
    x = normal(2, 3, 4)

    def edit(layer):
        layer.op = op
        layer.axes = sum(1 << a for a in axes)
        layer.keep_dims = keep

    layer, y = one(lambda n, t: n.add_reduce(t, R.SUM, 1, False), x, edit=edit)
    np.testing.assert_allclose(y, REDUCE[op](x, axis=axes, keepdims=keep), rtol=1e-4, atol=1e-6)
    assert layer.op == op and layer.keep_dims is keep


def test_reduce_of_integers_and_errors():
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    for op in (R.SUM, R.MAX):
        _, y = one(lambda n, t, op=op: n.add_reduce(t, op, 2, True), x)
        np.testing.assert_array_equal(y, REDUCE[op](x, axis=1, keepdims=True))
    net = Net()
    t = net.input(x)
    assert net.network.add_reduce(t, R.NONE, 1, False) is None
    for mask in (0, 4):
        layer = net.network.add_reduce(t, R.SUM, mask, False)
        assert fails(layer.get_output(0))
    assert len(net.logger.errors) == 3


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("shape,axis", [((2, 3, 4, 5), 1), ((2, 3, 4), 0), ((3, 4), 0), ((5,), 0)])
def test_softmax_default_axis(shape, axis):
    x = normal(*shape)
    layer, y = one(lambda n, t: n.add_softmax(t), x)
    assert layer.axes == 1 << axis and layer.name == "(Unnamed Layer* 0) [Softmax]"
    np.testing.assert_allclose(y, softmax(x, axis), rtol=1e-5)


def test_softmax_axes():
    x = normal(2, 3, 4)

    def edit(layer):
        layer.axes = 1 << 2

    layer, y = one(lambda n, t: n.add_softmax(t), x, edit=edit)
    np.testing.assert_allclose(y, softmax(x, 2), rtol=1e-5)
    for mask in (0, 3):
        layer.axes = mask
    assert layer.axes == 4 and len(layer._network._builder._logger.errors) == 2


def test_ragged_softmax():
    x = normal(3, 4, 5)
    bounds = np.tile(np.array([0, 2, 5, 1], np.int32), 3).reshape(3, 4, 1)
    layer, y = one(lambda n, s, t: n.add_ragged_softmax(s, t), x, bounds)
    assert layer.name == "(Unnamed Layer* 0) [Ragged SoftMax]"
    for i in range(3):
        for j in range(4):
            n = bounds[i, j, 0]
            wanted = np.zeros(5)
            wanted[:n] = softmax(x[i, j, :n], 0) if n else 0
            np.testing.assert_allclose(y[i, j], wanted, rtol=1e-5, atol=1e-7)


def best(x, k, axis, largest):
    order = np.argsort(-x if largest else x, axis=axis, kind="stable")
    order = np.take(order, range(k), axis=axis)
    return np.take_along_axis(x, order, axis), order


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_topk(axis, largest, dtype):
    x = (4 * normal(3, 4, 5)).round().astype(dtype)  # with equal values
    kind = trt.TopKOperation.MAX if largest else trt.TopKOperation.MIN

    def edit(layer):
        layer.op, layer.k, layer.axes = kind, 2, 1 << axis

    layer, values, indices = one(
        lambda n, t: n.add_topk(t, trt.TopKOperation.MAX, 3, 1), x, edit=edit
    )
    wanted, order = best(x, 2, axis, largest)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(indices, order)
    assert indices.dtype == np.int32 and layer.get_output(1).dtype == trt.int32
    assert layer.get_output(1).name == "(Unnamed Layer* 0) [TopK]_output_2"


def test_topk_indices_of_64_bits():
    x = normal(3, 4)
    _, values, indices = one(
        lambda n, t: n.add_topk(t, trt.TopKOperation.MAX, 2, 2, trt.DataType.INT64), x
    )
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, best(x, 2, 1, True)[1])


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("k", [np.int32(2), np.array([3], np.int64)])
def test_topk_with_k_as_a_tensor(constant, k):
    x, k = normal(3, 4, 5), np.asarray(k)
    net = Net()
    layer = net.network.add_topk(net.input(x), trt.TopKOperation.MAX, 1, 1 << 1)
    layer.set_input(1, net.constant(k) if constant else net.input(k))
    count = int(k.reshape(-1)[0])
    assert layer.get_output(0).shape == (3, count if constant else -1, 5)
    assert constant or net.network.get_input(1).is_shape_tensor
    values, indices = net.execute(layer.get_output(0), layer.get_output(1))
    wanted, order = best(x, count, 1, True)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(indices, order)


def test_topk_errors():
    net = Net()
    x = net.input(normal(3, 4))
    kind = trt.TopKOperation.MAX
    assert net.network.add_topk(x, kind, 0, 1) is None
    assert net.network.add_topk(x, kind, 3841, 1) is None
    assert len(net.logger.errors) == 2
    for k, mask in ((2, 3), (4, 1), (1, 4)):
        layer = net.network.add_topk(x, kind, k, mask)
        assert fails(layer.get_output(0))
    assert len(net.logger.errors) == 5


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [1, -1])
def test_cumulative(exclusive, reverse, axis):
    x = normal(2, 3, 4)

    def edit(layer):
        layer.exclusive, layer.reverse = exclusive, reverse

    op = trt.CumulativeOperation.SUM
    layer, y = one(
        lambda n, t, a: n.add_cumulative(t, a, op, not exclusive, not reverse),
        x,
        constants=[np.int32(axis)],
        edit=edit,
    )
    turned = np.flip(x, axis) if reverse else x
    wanted = np.cumsum(turned, axis)
    wanted = wanted - turned if exclusive else wanted
    wanted = np.flip(wanted, axis) if reverse else wanted
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)
    assert layer.op == op and layer.name == "(Unnamed Layer* 1) [Cumulative]"


def test_cumulative_needs_a_constant_axis():
    net = Net()
    axis = net.input(np.array(1, np.int32))
    layer = net.network.add_cumulative(
        net.input(normal(2, 3)), axis, trt.CumulativeOperation.SUM, False, False
    )
    assert fails(layer.get_output(0)) and "constant" in net.logger.errors[0]
