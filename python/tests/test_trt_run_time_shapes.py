"""octile.tensorrt: what contexts know of shapes before running, and assertions that they check."""

from __future__ import annotations

import numpy as np
import pytest
from trt_engine import Bench, run
from trt_network import Net

import octile.tensorrt as trt

RNG = np.random.default_rng(7)


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


LESS, SUB = trt.ElementWiseOperation.LESS, trt.ElementWiseOperation.SUB


def extent(network, x, axis):
    return network.add_slice(network.add_shape(x).get_output(0), [axis], [1], [1]).get_output(0)


def number(network, value, dtype=np.int64):
    value = np.asarray(value, dtype)
    return network.add_constant(value.shape, value).get_output(0)


def test_extents_computed_from_extents_are_known_before_running():
    bench = Bench()
    network = bench.network
    x = network.add_input("x", trt.float32, (-1, -1, 4))
    shape = network.add_shape(x).get_output(0)
    less = network.add_elementwise(shape, number(network, [0, 1, 1]), SUB).get_output(0)
    layer = network.add_slice(x, (0, 0, 0), (0, 0, 0), (1, 1, 1))
    layer.set_input(2, less)
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    assert tuple(layer.get_output(0).shape) == (-1, -1, 3)
    bench.profile(x=([1, 2, 4], [2, 3, 4], [4, 8, 4]))
    context = bench.engine().create_execution_context()
    for rows in (3, 8, 2):
        array = np.arange(8 * rows, dtype=np.float32).reshape(2, rows, 4)
        assert context.set_input_shape("x", array.shape)
        assert context.get_tensor_shape("y") == (2, rows - 1, 3)
        np.testing.assert_array_equal(run(context, x=array)["y"], array[:, :-1, :3])


def test_loop_as_often_as_the_shape_says():
    bench = Bench()
    network = bench.network
    x = network.add_input("x", trt.float32, (-1, 3))
    count = network.add_shuffle(extent(network, x, 0))
    count.reshape_dims = ()
    loop = network.add_loop()
    loop.add_trip_limit(count.get_output(0), trt.TripLimit.COUNT)
    total = loop.add_recurrence(number(network, np.zeros(3), np.float32))
    row = loop.add_iterator(x).get_output(0)
    more = network.add_elementwise(total.get_output(0), row, trt.ElementWiseOperation.SUM)
    total.set_input(1, more.get_output(0))
    for name, kind, tensor in (
        ("last", trt.LoopOutput.LAST_VALUE, total.get_output(0)),
        ("sums", trt.LoopOutput.CONCATENATE, more.get_output(0)),
    ):
        output = loop.add_loop_output(tensor, kind, 0)
        if name == "sums":
            output.set_input(1, count.get_output(0))
        output.get_output(0).name = name
        network.mark_output(output.get_output(0))
    bench.profile(x=([1, 3], [2, 3], [6, 3]))
    context = bench.engine().create_execution_context()
    for rows in (2, 6, 1):
        array = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)
        assert context.set_input_shape("x", array.shape)
        assert context.get_tensor_shape("sums") == (rows, 3)
        found = run(context, x=array)
        np.testing.assert_array_equal(found["last"], array.sum(0))
        np.testing.assert_array_equal(found["sums"], np.cumsum(array, 0))


def asserted(data):
    """y = x, if its extent (or, with `data`, its first element) is below 4."""
    bench = Bench()
    network = bench.network
    x = network.add_input("x", trt.float32, (-1,))
    if data:
        value = network.add_slice(x, [0], [1], [1]).get_output(0)
        least = number(network, [4], np.float32)
    else:
        value, least = extent(network, x, 0), number(network, [4])
    condition = network.add_elementwise(value, least, LESS).get_output(0)
    network.add_assertion(condition, "it is below 4")
    layer = network.add_identity(x)
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    bench.profile(x=([1], [3], [8]))
    return bench, bench.engine()


@pytest.mark.parametrize("data", [False, True])
def test_assertions_are_checked_at_run_time(data):
    bench, engine = asserted(data)
    assert engine.num_io_tensors == 2
    context = engine.create_execution_context()
    good = np.float32([3, 2, 1])
    context.set_input_shape("x", good.shape)
    assert context.infer_shapes() == []
    np.testing.assert_array_equal(run(context, x=good)["y"], good)
    bad = np.float32([5, 1, 1, 1, 1])
    context.set_input_shape("x", bad.shape)
    if not data:
        with pytest.raises(RuntimeError):
            context.infer_shapes()
        assert "condition[0] is false. it is below 4" in bench.error()
    memory = np.zeros_like(bad)
    context.set_tensor_address("x", bad.ctypes.data)
    context.set_tensor_address("y", memory.ctypes.data)
    assert not context.execute_async_v3(0)
    assert "condition[0] is false. it is below 4" in bench.error()


def test_a_cache_of_keys_is_written_where_it_stands():
    bench = Bench()
    network = bench.network
    cache = network.add_input("cache", trt.float32, (1, 2, 4, 3))
    update = network.add_input("update", trt.float32, (1, 2, 1, 3))
    row = network.add_input("row", trt.int32, (1,))
    layer = network.add_kv_cache_update(cache, update, row, trt.KVCacheMode.LINEAR)
    layer.get_output(0).name = "out"
    network.mark_output(layer.get_output(0))
    engine = bench.engine()
    assert engine.get_aliased_input_tensor("out") == "cache"
    assert engine.get_aliased_input_tensor("cache") is None
    context = engine.create_execution_context()
    memory, step = np.zeros((1, 2, 4, 3), np.float32), np.ones((1, 2, 1, 3), np.float32)
    expected = memory.copy()
    for place in (2, 0):
        at = np.int32([place])
        for name, array in (("cache", memory), ("update", step), ("row", at), ("out", memory)):
            assert context.set_tensor_address(name, array.ctypes.data)
        assert context.execute_async_v3(0)
        expected[:, :, place] = step[:, :, 0]
        np.testing.assert_array_equal(memory, expected)
        step += 1


def test_extents_beside_int32_as_in_tensorrt_8():
    bench = Bench()
    network = bench.network
    x = network.add_input("x", trt.float32, (-1, 4))
    shape = network.add_shape(x).get_output(0)
    ones = number(network, [1, 1], np.int32)
    less = network.add_elementwise(shape, ones, SUB).get_output(0)
    assert less.dtype == trt.int64
    layer = network.add_slice(x, (0, 0), (0, 0), (1, 1))
    layer.set_input(2, less)
    assert tuple(layer.get_output(0).shape) == (-1, 3)


def test_the_most_that_data_can_give():
    bench = Bench()
    network = bench.network
    x = network.add_input("x", trt.float32, (-1, 5))
    found = network.add_non_zero(x, trt.int64)
    turned = network.add_shuffle(found.get_output(0))
    turned.first_transpose = (1, 0)
    turned.get_output(0).name = "places"
    boxes = network.add_input("boxes", trt.float32, (1, 6, 4))
    scores = network.add_input("scores", trt.float32, (1, 6, 2))
    nms = network.add_nms(boxes, scores, number(network, 3, np.int32))
    nms.get_output(0).name = "kept"
    network.mark_output(turned.get_output(0))
    network.mark_output(nms.get_output(0))
    bench.profile(x=([1, 5], [2, 5], [40, 5]))
    context = bench.engine().create_execution_context()
    assert context.set_input_shape("x", (2, 5))
    assert context.get_tensor_shape("places") == (-1, 2)
    assert context.get_max_output_size("places") == 3584  # 8 · 2 · 200, in steps of 512
    assert context.get_max_output_size("kept") == 512


@pytest.mark.parametrize("low, high", [((1, 1, 1), (4, 8, 5)), ((2, 4, 5), (9, 9, 9))])
def test_a_profile_may_hold_shapes_that_the_network_refuses(low, high):
    net, x, w = Net(), normal(3, 4, 5), normal(1, 5, 6)
    op = trt.MatrixOperation.NONE
    other = net.input(x, shape=(-1, -1, -1))
    a = net.network.add_elementwise(
        net.input(x, shape=(-1, -1, -1)), other, trt.ElementWiseOperation.SUM
    ).get_output(0)
    net.network.mark_output(
        net.network.add_matrix_multiply(a, op, net.constant(w), op).get_output(0)
    )
    config = net.builder.create_builder_config()
    profile = net.builder.create_optimization_profile()
    for name in net.arrays:
        profile.set_shape(name, low, x.shape, high)
    config.add_optimization_profile(profile)
    plan = net.builder.build_serialized_network(net.network, config)
    engine = trt.Runtime(net.logger).deserialize_cuda_engine(plan)
    last = -1 if low[0] == 1 else 5  # an extent of 1 is broadcast
    shapes = [tuple(engine.get_tensor_shape(engine.get_tensor_name(i))) for i in range(3)]
    assert shapes == [(-1, -1, 5), (-1, -1, last), (-1, -1, 6)]
    context = engine.create_execution_context()
    outer = (2, 4, 5) if low[0] == 2 else (1, 1, 5)
    first, second = normal(*outer), normal(*outer)
    y = np.empty((*outer[:2], 6), np.float32)
    for index, array in enumerate((first, second, y)):
        name = engine.get_tensor_name(index)
        context.set_tensor_address(name, array.ctypes.data)
        if index < 2:
            assert context.set_input_shape(name, array.shape)
    assert context.execute_async_v3(0), net.logger.errors
    np.testing.assert_allclose(y, (first + second) @ w, rtol=1e-5, atol=1e-5)
    assert net.logger.errors == [] and len(net.logger.warnings) == 1
    assert "values are not self-consistent" in net.logger.warnings[0]
    wrong = (1, 1, 1) if low[0] == 1 else (9, 9, 9)
    assert not context.set_input_shape(engine.get_tensor_name(0), wrong)
    assert "in0" in net.logger.errors[-1]


def test_an_engine_knows_extents_that_all_profiles_fix():
    net, x = Net(), normal(1, 3, 4)
    shape = net.input(np.array([2, 3, 2], np.int32), "shape")
    layer = net.network.add_shuffle(net.input(x, "x"))
    layer.set_input(1, shape)
    output = layer.get_output(0)
    output.name = "y"
    net.network.mark_output(output)
    config = net.builder.create_builder_config()
    for low, first in (([2, 1, 1], 2), ([1, 1, 1], -1)):
        profile = net.builder.create_optimization_profile()
        profile.set_shape_input("shape", low, [2, 3, 2], [2, 3, 2])
        config.add_optimization_profile(profile)
        plan = net.builder.build_serialized_network(net.network, config)
        engine = trt.Runtime(net.logger).deserialize_cuda_engine(plan)
        assert tuple(engine.get_tensor_shape("y")) == (first, -1, -1)
    assert tuple(output.shape) == (-1, -1, -1)
    np.testing.assert_array_equal(net.execute(output), x.reshape(2, 3, 2))
