"""octile.tensorrt: Slice, Gather, Scatter, OneHot, NonZero."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, one

import octile.tensorrt as trt

X = np.arange(60, dtype=np.float32).reshape(1, 3, 4, 5)
INT32, INT64 = np.int32, np.int64
MODES = trt.SampleMode


def read(x, start, size, stride, mode, fill=0):
    """What a slice layer reads, element by element."""
    y = np.empty(size, x.dtype)
    for place in np.ndindex(*size):
        at = [s + i * d for s, i, d in zip(start, place, stride)]
        outside = any(not 0 <= a < e for a, e in zip(at, x.shape))
        if mode == MODES.FILL and outside:
            y[place] = fill
            continue
        for axis, extent in enumerate(x.shape):
            if mode == MODES.WRAP:
                at[axis] %= extent
            elif mode == MODES.CLAMP:
                at[axis] = min(max(at[axis], 0), extent - 1)
            elif mode == MODES.REFLECT:
                while extent > 1 and not 0 <= at[axis] < extent:
                    at[axis] = -at[axis] if at[axis] < 0 else 2 * (extent - 1) - at[axis]
                at[axis] = 0 if extent == 1 else at[axis]
        y[place] = x[tuple(at)]
    return y


CASES = [
    ((0, 0, 0, 0), (1, 2, 3, 4), (1, 1, 1, 1)),
    ((0, 2, 3, 4), (1, 3, 2, 3), (1, -1, -2, -2)),
    ((0, 1, 1, 2), (2, 2, 3, 4), (0, 0, 1, 0)),
    ((0, 0, 1, 0), (1, 0, 2, 5), (1, 1, 1, 1)),
]
BESIDE = [
    ((0, 0, -1, -2), (1, 3, 8, 11), (1, 1, 1, 1)),
    ((0, 0, 0, 0), (1, 2, 3, 4), (1, 2, 2, 2)),
    ((-1, 4, 6, 7), (2, 3, 5, 5), (1, -2, -3, -4)),
    ((0, 0, 5, 1), (1, 3, 1, 3), (1, 1, 0, 0)),
]


@pytest.mark.parametrize("bounds", CASES)
def test_slice(bounds):
    layer, y = one(lambda n, x: n.add_slice(x, *bounds), X)
    assert layer.mode == MODES.STRICT_BOUNDS and layer.shape == bounds[1]
    np.testing.assert_array_equal(y, read(X, *bounds, MODES.STRICT_BOUNDS))


@pytest.mark.parametrize("mode", [MODES.WRAP, MODES.CLAMP, MODES.REFLECT, MODES.FILL])
@pytest.mark.parametrize("bounds", CASES + BESIDE)
def test_slice_beside_its_input(bounds, mode):
    def add(network, x):
        layer = network.add_slice(x, *bounds)
        layer.mode = mode
        return layer

    _, y = one(add, X)
    np.testing.assert_array_equal(y, read(X, *bounds, mode))


@pytest.mark.parametrize("mode", [MODES.WRAP, MODES.CLAMP, MODES.REFLECT, MODES.FILL])
@pytest.mark.parametrize("bounds", BESIDE)
def test_slice_of_unknown_extents(bounds, mode):
    net = Net()
    layer = net.network.add_slice(net.input(X, shape=(-1,) * 4), *bounds)
    layer.mode = mode
    assert tuple(layer.get_output(0).shape) == bounds[1]
    np.testing.assert_array_equal(net.run(layer.get_output(0)), read(X, *bounds, mode))


@pytest.mark.parametrize("dtype", [np.float32, INT32])
@pytest.mark.parametrize("at_run_time", [False, True])
def test_slice_fills_with_a_value(dtype, at_run_time):
    net = Net()
    layer = net.network.add_slice(net.input(X.astype(dtype)), *BESIDE[0])
    layer.mode = MODES.FILL
    value = np.asarray([-1], dtype)
    layer.set_input(4, net.input(value) if at_run_time else net.constant(value))
    y = net.run(layer.get_output(0))
    np.testing.assert_array_equal(y, read(X.astype(dtype), *BESIDE[0], MODES.FILL, -1))


def test_slice_by_constant_tensors():
    net = Net()
    layer = net.network.add_slice(net.input(X), [], [], [])
    for index, values in enumerate(CASES[0], 1):
        layer.set_input(index, net.constant(INT32(values)))
    assert tuple(layer.get_output(0).shape) == (1, 2, 3, 4)
    y = net.run(layer.get_output(0))
    np.testing.assert_array_equal(y, read(X, *CASES[0], MODES.STRICT_BOUNDS))


@pytest.mark.parametrize("which", [(1,), (2,), (1, 2), (1, 2, 3)])
@pytest.mark.parametrize("mode", [MODES.STRICT_BOUNDS, MODES.CLAMP, MODES.FILL])
def test_slice_by_tensors_of_run_time(which, mode):
    bounds = (0, 1, 1, 2), (1, 2, 2, 2), (1, 1, 2, 1)
    net = Net()
    layer = net.network.add_slice(net.input(X), *bounds)
    layer.mode = mode
    for index in which:
        layer.set_input(index, net.input(INT64(bounds[index - 1])))
    if which == (1,):
        assert tuple(layer.get_output(0).shape) == (1, 2, 2, 2)
    y = net.run(layer.get_output(0))
    np.testing.assert_array_equal(y, read(X, *bounds, mode))


def test_slice_by_extents_of_another():
    net = Net()
    network = net.network
    x = net.input(X, shape=(-1, -1, -1, -1))
    shape = network.add_shape(x).get_output(0)
    less = network.add_elementwise(
        shape, net.constant(INT64([0, 1, 1, 1])), trt.ElementWiseOperation.SUB
    )
    layer = network.add_slice(x, (0,) * 4, (0,) * 4, (1,) * 4)
    layer.set_input(2, less.get_output(0))
    np.testing.assert_array_equal(net.run(layer.get_output(0)), X[:, :2, :3, :4])


def test_slice_on_some_axes():
    net = Net()
    layer = net.network.add_slice(net.input(X), (1, 4), (2, 3), (1, -2))
    layer.axes = (1, 3)
    assert tuple(layer.get_output(0).shape) == (1, 2, 4, 3)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), X[:, 1:3, :, 4::-2])


def test_slice_errors():
    net = Net()
    x = net.input(X)
    assert net.network.add_slice(x, (0,), (1, 1), (1,)) is None
    layer = net.network.add_slice(x, (0, 0, 0, 0), (1, 4, 4, 5), (1, 1, 1, 1))
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "reach outside of axis 1" in net.logger.errors[-1]
    layer.start = (0, 0, -1, 0)
    layer.shape = (1, 3, 2, 5)
    assert str(layer.get_output(0).shape) == "(-1)"
    layer.mode = MODES.CLAMP
    assert tuple(layer.get_output(0).shape) == (1, 3, 2, 5)
    with pytest.raises(TypeError):
        layer.mode = 1


D = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
AT = INT32([[1, 0, 2], [0, 2, -1]])


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("dtype", [INT32, INT64])
def test_gather(axis, dtype):
    index = dtype([[1, 0], [0, -1], [-1, 1]])
    _, y = one(
        lambda n, x, i: n.add_gather(x, i, 1), D, index, edit=lambda g: setattr(g, "axis", axis)
    )
    np.testing.assert_array_equal(y, np.take(D, index, axis))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_gather_with_shared_axis(axis):
    index = INT32([[1, 0, 2], [0, 2, -1]])

    def add(network, x, i):
        layer = network.add_gather_v2(x, i, trt.GatherMode.DEFAULT)
        layer.axis, layer.num_elementwise_dims = axis, 1
        return layer

    _, y = one(add, D, index)
    expected = np.stack([np.take(D[n], index[n], axis - 1) for n in range(2)])
    np.testing.assert_array_equal(y, expected)


def test_gather_element():
    index = np.random.default_rng(1).integers(0, 4, (2, 3, 6, 5)).astype(INT32)

    def add(network, x, i):
        layer = network.add_gather_v2(x, i, trt.GatherMode.ELEMENT)
        layer.axis = 2
        return layer

    _, y = one(add, D, index)
    np.testing.assert_array_equal(y, np.take_along_axis(D, index.astype(INT64), 2))


def test_gather_nd():
    _, y = one(lambda n, x, i: n.add_gather_v2(x, i, trt.GatherMode.ND), D, AT)
    np.testing.assert_array_equal(y, [D[1, 0, 2], D[0, 2, -1]])
    layer, y = one(
        lambda n, x, i: n.add_gather_v2(x, i, trt.GatherMode.ND),
        D,
        AT,
        edit=lambda g: setattr(g, "num_elementwise_dims", 1),
    )
    assert layer.mode == trt.GatherMode.ND and layer.axis == 0
    np.testing.assert_array_equal(y, [D[0, 1, 0, 2], D[1, 0, 2, -1]])


def test_gather_of_dynamic_shape():
    net = Net()
    x = net.input(D, shape=(-1, 3, 4, 5))
    layer = net.network.add_gather(x, net.input(AT, shape=(-1, 3)), 1)
    assert tuple(layer.get_output(0).shape) == (-1, -1, 3, 4, 5)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), np.take(D, AT, 1))


def test_scatter_element():
    index = np.random.default_rng(2).permuted(np.tile(np.arange(4), (2, 3, 5, 1)), axis=3)
    index = np.ascontiguousarray(index.transpose(0, 1, 3, 2)).astype(INT32)
    layer, y = one(
        lambda n, x, i, u: n.add_scatter(x, i, u, trt.ScatterMode.ELEMENT),
        D,
        index,
        -D,
        edit=lambda s: setattr(s, "axis", 2),
    )
    expected = D.copy()
    np.put_along_axis(expected, index.astype(INT64), -D, 2)
    np.testing.assert_array_equal(y, expected)


def test_scatter_nd():
    index = INT32([[0, 2, 1], [1, 0, 3], [0, 1, 2]])
    updates = -np.arange(15, dtype=np.float32).reshape(3, 5)
    _, y = one(lambda n, x, i, u: n.add_scatter(x, i, u, trt.ScatterMode.ND), D, index, updates)
    expected = D.copy()
    for row, update in zip(index, updates):
        expected[tuple(row)] = update
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("axis", [-1, 0, 1, 2, -2])
def test_one_hot(axis):
    index = INT32([[0, 1, 2, 3], [5, 4, 3, 2], [5, 7, -1, 11]])
    net = Net()
    values, depth = net.constant(np.float32([-1, 2])), net.constant(INT32(16))
    layer = net.network.add_one_hot(net.input(index), values, depth, axis)
    expected = np.where(np.arange(16) == (index % 16)[..., None], 2, -1).astype(np.float32)
    y = net.run(layer.get_output(0))
    np.testing.assert_array_equal(y, np.moveaxis(expected, -1, axis if axis >= 0 else axis + 3))


def test_one_hot_of_dynamic_shape_and_run_time_values():
    index = INT32([[0, 1], [3, 2]])
    net = Net()
    depth = net.constant(INT32(4))
    layer = net.network.add_one_hot(
        net.input(index, shape=(-1, -1)), net.input(INT32([3, 8])), depth, 1
    )
    assert tuple(layer.get_output(0).shape) == (-1, 4, -1)
    y = net.run(layer.get_output(0))
    expected = np.where(np.arange(4)[None, :, None] == index[:, None], 8, 3)
    np.testing.assert_array_equal(y, expected)
    layer.set_input(2, net.input(INT32(4)))
    assert str(layer.get_output(0).shape) == "(-1)"


@pytest.mark.parametrize("dtype", [None, trt.int64])
def test_non_zero(dtype):
    x = (np.arange(60) % 7 == 3).astype(np.float32).reshape(3, 4, 5)
    net = Net()
    add = net.network.add_non_zero
    layer = add(net.input(x)) if dtype is None else add(net.input(x), dtype)
    y = layer.get_output(0)
    assert y.dtype == (dtype or trt.int32) and tuple(y.shape) == (3, -1)
    np.testing.assert_array_equal(net.run(y), np.stack(np.nonzero(x)))
    layer.indices_type = trt.float32
    assert layer.indices_type == (dtype or trt.int32) and net.logger.errors


def test_gather_what_is_not_zero():
    x = (np.arange(60) % 7).astype(np.float32).reshape(3, 4, 5)
    net = Net()
    t = net.input(x)
    found = net.network.add_shuffle(net.network.add_non_zero(t).get_output(0))
    found.first_transpose = (1, 0)
    layer = net.network.add_gather_v2(t, found.get_output(0), trt.GatherMode.ND)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), x[x != 0])
