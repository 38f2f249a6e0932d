"""octile.tensorrt: Shuffle, Concatenation, Squeeze, Unsqueeze, Shape, Select."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, one

import octile.tensorrt as trt

X = np.arange(60, dtype=np.float32).reshape(1, 3, 4, 5)
INT32, INT64 = np.int32, np.int64


def shuffle(net, x, **settings):
    layer = net.network.add_shuffle(x)
    for name, value in settings.items():
        setattr(layer, name, value)
    return layer


def test_shuffle_transposes_reshapes_transposes():
    net = Net()
    layer = shuffle(
        net,
        net.input(X),
        first_transpose=(0, 2, 1, 3),
        reshape_dims=(1, 4, 5, 3),
        second_transpose=(0, 2, 1, 3),
    )
    assert layer.get_output(0).name == "(Unnamed Layer* 0) [Shuffle]_output"
    assert layer.type == trt.LayerType.SHUFFLE
    expected = X.transpose(0, 2, 1, 3).reshape(1, 4, 5, 3).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), expected)


@pytest.mark.parametrize(
    "dims, shape",
    [
        ((0, 0, -1), (1, 3, 20)),
        ((-1, 2, 15), (2, 2, 15)),
        ((0, 0, 0, 0), (1, 3, 4, 5)),
        ((-1,), (60,)),
        ((5, 0, 4, 1), (5, 3, 4, 1)),
    ],
)
def test_reshape_dims(dims, shape):
    layer, y = one(
        lambda n, x: n.add_shuffle(x), X, edit=lambda s: setattr(s, "reshape_dims", dims)
    )
    assert layer.reshape_dims == dims
    np.testing.assert_array_equal(y, X.reshape(shape))


def test_reshape_to_a_scalar_and_defaults():
    net = Net()
    layer = net.network.add_shuffle(net.input(np.float32([7])))
    assert layer.zero_is_placeholder is True
    assert list(layer.first_transpose) == list(range(8)) == list(layer.second_transpose)
    assert tuple(layer.get_output(0).shape) == (1,)
    layer.reshape_dims = ()
    assert tuple(layer.get_output(0).shape) == ()
    assert net.run(layer.get_output(0)) == 7


def test_zero_is_an_extent():
    net = Net()
    empty = shuffle(net, net.constant(np.zeros(0, np.float32)), zero_is_placeholder=False)
    empty.reshape_dims = (1, 3, 4, 0)
    joined = net.network.add_concatenation([net.input(X), empty.get_output(0)])
    joined.axis = 3
    assert tuple(empty.get_output(0).shape) == (1, 3, 4, 0)
    np.testing.assert_array_equal(net.run(joined.get_output(0)), X)


def test_reshape_to_constants_is_plain():
    net = Net()
    layer = net.network.add_shuffle(net.input(X))
    layer.set_input(1, net.constant(INT32([1, 4, -1, 3])))
    assert tuple(layer.get_output(0).shape) == (1, 4, 5, 3)
    native = net.complete(layer.get_output(0))
    assert {type(step.op).__name__ for step in native.layers} == {"Constant", "Shuffle"}
    np.testing.assert_array_equal(net.run(layer.get_output(0)), X.reshape(1, 4, 5, 3))


def test_reshape_to_values_of_run_time():
    net = Net()
    layer = net.network.add_shuffle(net.input(X))
    target = net.input(INT32([1, 4, 5, 3]))
    layer.set_input(1, target)
    layer.second_transpose = (0, 3, 1, 2)
    assert tuple(layer.get_output(0).shape) == (-1,) * 4
    assert target.is_shape_tensor
    expected = X.reshape(1, 4, 5, 3).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), expected)


def extent_chain(net, x):
    """(N, C, H, W) → (N, C, H, W, 1) → (N, C, H, W) by extents of extents."""
    network = net.network
    shape = network.add_shape(x).get_output(0)
    longer = network.add_concatenation([shape, net.constant(INT32([1]))])
    longer.axis = 0
    first = network.add_shuffle(x)
    first.set_input(1, longer.get_output(0))
    again = network.add_shape(first.get_output(0)).get_output(0)
    cut = network.add_slice(again, [0], [4], [1])
    second = network.add_shuffle(first.get_output(0))
    second.set_input(1, cut.get_output(0))
    return first.get_output(0), second.get_output(0)


@pytest.mark.parametrize("declared", [(1, 3, 4, 5), (-1, 3, 4, 5), (-1, -1, -1, -1)])
def test_extents_of_extents(declared):
    net = Net()
    first, second = extent_chain(net, net.input(X, shape=declared))
    assert tuple(first.shape) == (*declared, 1)
    assert tuple(second.shape) == declared
    a, b = net.run(first, second)
    np.testing.assert_array_equal(a, X[..., None])
    np.testing.assert_array_equal(b, X)


def test_flatten_keeps_what_is_known():
    net = Net()
    network = net.network
    x = net.input(X, shape=(-1, 3, 4, 5))
    batch = network.add_slice(network.add_shape(x).get_output(0), [0], [1], [1])
    target = network.add_concatenation([batch.get_output(0), net.constant(INT64([60]))])
    layer = network.add_shuffle(x)
    layer.set_input(1, target.get_output(0))
    assert tuple(layer.get_output(0).shape) == (-1, 60)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), X.reshape(1, 60))


def test_partly_known_extents_are_shown():
    net = Net()
    network = net.network
    x = net.input(X, shape=(-1, -1, 4, 5))
    shape = network.add_shape(x).get_output(0)
    swapped = network.add_gather(shape, net.constant(INT32([1, 0, 2, 3])), 0).get_output(0)
    layer = network.add_shuffle(x)
    layer.set_input(1, swapped)
    assert tuple(layer.get_output(0).shape) == (-1, -1, 4, 5)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), X.reshape(3, 1, 4, 5))


def test_bad_shuffles_are_logged():
    net = Net()
    x = net.input(X)
    layer = shuffle(net, x, reshape_dims=(7, 7))
    assert len(tuple.__new__(tuple)) == 0 and str(layer.get_output(0).shape) == "(-1)"
    assert "cannot reshape" in net.logger.errors[-1]
    layer.reshape_dims = (3, -1)
    assert tuple(layer.get_output(0).shape) == (3, 20)
    layer.first_transpose = (0, 0, 1, 2)
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "permutation" in net.logger.errors[-1]
    with pytest.raises(TypeError):
        layer.reshape_dims = 3.5
    with pytest.raises(TypeError):
        net.network.add_shuffle(None)


def test_concatenation_axis():
    a, b = X[0], -X[0]
    for rank, default in ((1, 0), (2, 0), (3, 0), (4, 1)):
        x = X.reshape(X.shape[-rank:] if rank < 4 else X.shape) if rank > 2 else X[0, 0][:rank]
        x = x[0] if rank == 1 else x
        layer, y = one(lambda n, p, q: n.add_concatenation([p, q]), x, x)
        assert layer.axis == default
        np.testing.assert_array_equal(y, np.concatenate([x, x], default))
    layer, y = one(
        lambda n, p, q: n.add_concatenation([p, q]), a, b, edit=lambda c: setattr(c, "axis", 2)
    )
    np.testing.assert_array_equal(y, np.concatenate([a, b], 2))


def test_concatenation_of_nothing_or_of_other_shapes():
    net = Net()
    assert net.network.add_concatenation([]) is None
    assert net.network.num_layers == 0 and len(net.logger.errors) == 1
    layer = net.network.add_concatenation([net.input(X), net.input(X[:, :, :2])])
    assert str(layer.get_output(0).shape) == "(-1)"


@pytest.mark.parametrize("dtype", [INT32, INT64])
@pytest.mark.parametrize("declared", [None, (-1, 1, -1, 1, 5)])
def test_squeeze_and_unsqueeze(dtype, declared):
    x = X.reshape(3, 1, 4, 1, 5)
    net = Net()
    t = net.input(x, shape=declared)
    thin = net.network.add_squeeze(t, net.constant(dtype([1, -2]))).get_output(0)
    wide = net.network.add_unsqueeze(thin, net.constant(dtype([0, 4, -1]))).get_output(0)
    assert tuple(thin.shape) == ((3, 4, 5) if declared is None else (-1, -1, 5))
    a, b = net.run(thin, wide)
    np.testing.assert_array_equal(a, x.squeeze((1, 3)))
    np.testing.assert_array_equal(b, np.expand_dims(a, (0, 4, 5)))
    assert thin.name == "(Unnamed Layer* 1) [Squeeze]_output"


def test_squeeze_refuses():
    net = Net()
    x = net.input(X)
    assert str(net.network.add_squeeze(x, net.constant(INT32([1]))).get_output(0).shape) == "(-1)"
    assert "cannot be squeezed" in net.logger.errors[-1]
    layer = net.network.add_unsqueeze(x, net.input(INT32([1])))
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "known when the engine is built" in net.logger.errors[-1]


def test_shape_layer():
    net = Net()
    shape = net.network.add_shape(net.input(X, shape=(-1, 3, -1, 5))).get_output(0)
    assert shape.dtype == trt.int64 and tuple(shape.shape) == (4,)
    assert net.run(shape).tolist() == [1, 3, 4, 5]


def test_select_broadcasts():
    condition = (np.arange(60) % 2).astype(bool).reshape(X.shape)
    _, y = one(lambda n, c, a, b: n.add_select(c, a, b), condition, X, -X)
    np.testing.assert_array_equal(y, np.where(condition, X, -X))
    _, y = one(lambda n, c, a, b: n.add_select(c, a, b), condition[:, :1], X, np.float32([[[[9]]]]))
    np.testing.assert_array_equal(y, np.where(condition[:, :1], X, 9))
    net = Net()
    layer = net.network.add_select(net.input(condition[0]), net.input(X), net.input(X))
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "one rank" in net.logger.errors[-1]
