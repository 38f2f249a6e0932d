"""IExecutionContext: shapes, addresses, both generations of calls, allocators, threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from trt_engine import Bench, doubled, run

import octile
import octile.tensorrt as trt

memory = octile.host_memory


def test_shapes_before_and_after_setting():
    bench = doubled((-1, 3, 4))
    context = bench.engine().create_execution_context()
    assert context.infer_shapes() == ["x"]
    assert context.get_tensor_shape("x") == context.get_tensor_shape("y") == (-1, 3, 4)
    assert context.get_tensor_strides("y") == (-1, -1, -1)
    assert not context.all_binding_shapes_specified and context.all_shape_inputs_specified
    for shape in ([2, 3, 4], (2, 3, 4), trt.Dims([2, 3, 4]), np.array([2, 3, 4])):
        assert context.set_input_shape("x", shape)
    assert context.infer_shapes() == []
    assert context.get_tensor_shape("y") == (2, 3, 4)
    assert context.get_tensor_strides("y") == (12, 4, 1)
    assert context.get_max_output_size("y") == 512
    assert context.all_binding_shapes_specified


def test_shapes_that_do_not_fit_are_told():
    bench = doubled((-1, 4))
    context = bench.engine().create_execution_context()
    assert not context.set_input_shape("x", (9, 4))
    assert bench.error() == (
        "IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check failed, "
        "condition: satisfyProfile. Set dimension [9,4] for tensor x does not satisfy any "
        "optimization profiles. Valid range for profile 0: [1,4]..[8,4].)"
    )
    for shape in ((1, 5), (1,), (1, 4, 1)):
        assert not context.set_input_shape("x", shape)
        assert "Static dimension mismatch" in bench.error()
    assert not context.set_input_shape("y", (1, 4)) and "'y' is an output" in bench.error()
    assert not context.set_input_shape("z", (1, 4)) and "invalid tensor name: z" in bench.error()
    with pytest.raises(TypeError):
        context.set_input_shape("x", "no shape")
    assert context.infer_shapes() == ["x"]


def test_shapes_that_contradict_each_other():
    bench = Bench()
    a = bench.network.add_input("a", trt.float32, (-1, 2))
    b = bench.network.add_input("b", trt.float32, (-1, 2))
    add = bench.network.add_elementwise(a, b, trt.ElementWiseOperation.SUM)
    bench.network.mark_output(add.get_output(0))
    bounds = ([2, 2], [4, 2], [8, 2])
    bench.profile(a=bounds, b=bounds)
    context = bench.engine().create_execution_context()
    context.set_input_shape("a", (3, 2))
    context.set_input_shape("b", (4, 2))
    with pytest.raises(RuntimeError, match="infer_shapes"):
        context.infer_shapes()
    assert "inferShapes" in bench.error()
    array = np.ones((4, 2), np.float32)
    assert not context.execute_v2([array.ctypes.data] * 3)
    assert bench.error()
    context.set_input_shape("a", (4, 2))
    assert context.infer_shapes() == []


def test_extents_of_one_name_are_equal():
    bench = Bench()
    for name, rank in (("a", 2), ("b", 3)):
        x = bench.network.add_input(name, trt.float32, (-1,) * rank)
        x.set_dimension_name(0, "batch")
        x.set_dimension_name(1, f"{name} alone")
        assert x.get_dimension_name(0) == "batch"
        bench.network.mark_output(bench.network.add_identity(x).get_output(0))
    bench.profile(a=([1, 1], [2, 2], [8, 8]), b=([1, 1, 1], [2, 2, 2], [8, 8, 8]))
    context = bench.engine().create_execution_context()
    arrays = [np.ones(shape, np.float32) for shape in ((4, 2), (4, 3, 2), (4, 2), (4, 3, 2))]
    addresses = [array.ctypes.data for array in arrays]
    context.set_input_shape("a", (4, 2))
    context.set_input_shape("b", (4, 3, 2))
    assert context.infer_shapes() == []
    assert context.execute_v2(addresses), bench.logger.errors
    context.set_input_shape("b", (3, 3, 2))
    with pytest.raises(RuntimeError):
        context.infer_shapes()
    told = "dimension 'batch' has several extents: 4 ('a', axis 0), 3 ('b', axis 0)"
    assert told in bench.error()
    assert not context.execute_v2(addresses) and told in bench.error()


def test_both_generations_of_calls_give_the_same():
    engine = doubled((-1, 4)).engine()
    context = engine.create_execution_context()
    array = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert context.set_binding_shape(0, (2, 4))
    assert context.get_binding_shape(1) == context.get_binding_shape("y") == (2, 4)
    assert context.get_strides(1) == (4, 1)
    results = []
    for call in (
        lambda bindings: context.execute_v2(bindings),
        lambda bindings: context.execute_async_v2(bindings, 0),
        lambda bindings: context.execute_async_v2(bindings=bindings, stream_handle=0),
    ):
        results.append(np.zeros((2, 4), np.float32))
        assert call([array.ctypes.data, results[-1].ctypes.data])
    results.append(run(context, x=array)["y"])
    for result in results:
        np.testing.assert_array_equal(result, 2 * array)


def test_addresses_of_the_device_s_memory():
    engine = doubled((2, 4)).engine()
    context = engine.create_execution_context()
    array = np.arange(8, dtype=np.float32)
    x, y = memory.alloc(32), memory.alloc(32)
    memory.copy(x, array.ctypes.data, 32)
    context.set_tensor_address("x", x)
    context.set_tensor_address("y", np.int64(y))
    assert context.get_tensor_address("x") == x and context.get_tensor_address("y") == y
    assert context.execute_async_v3(0)
    result = np.empty(8, np.float32)
    memory.copy(result.ctypes.data, y, 32)
    np.testing.assert_array_equal(result, 2 * array)
    memory.free(x)
    memory.free(y)


def test_wrong_addresses_are_caught():
    bench = doubled((2, 4))
    context = bench.engine().create_execution_context()
    array = np.zeros((2, 4), np.float32)
    good = array.ctypes.data
    small = memory.alloc(16)
    freed = memory.alloc(32)
    memory.free(freed)
    for bad, text in ((small, "allocation of 16 bytes"), (freed, "freed"), (8, "")):
        assert not context.execute_v2([bad, good])
        error = bench.error()
        assert error.startswith("IExecutionContext::executeV2") and "input 'x'" in error
        assert text in error
        assert not context.execute_v2([good, bad])
        assert "output 'y'" in bench.error()
    assert context.execute_v2([good, good])
    memory.free(small)


def test_what_was_not_set_is_told():
    bench = doubled((-1, 4))
    context = bench.engine().create_execution_context()
    array = np.zeros((2, 4), np.float32)
    assert not context.execute_async_v3(0)
    assert "shape of dynamic input tensor x was not set" in bench.error()
    context.set_input_shape("x", (2, 4))
    assert not context.execute_async_v3(0)
    assert bench.error() == (
        "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (Address is not set for input "
        "tensor x. Call setInputTensorAddress or setTensorAddress before enqueue/execute.)"
    )
    context.set_tensor_address("x", array.ctypes.data)
    assert not context.execute_async_v3(0)
    assert "Neither address or allocator is set for output tensor y" in bench.error()
    assert not context.execute_v2([0, 0]) and "input tensor x" in bench.error()
    assert not context.execute_v2([array.ctypes.data])
    assert "1 bindings for 2 inputs and outputs" in bench.error()
    assert not context.execute(1, [0, 0]) and "hasImplicitBatchDimension" in bench.error()
    assert not context.execute_async(1, [0, 0], 0) and bench.error()
    assert not context.set_tensor_address("z", 1) and "invalid tensor name" in bench.error()
    assert context.get_max_output_size("x") == -1 and "'x' is an input" in bench.error()
    with pytest.raises(TypeError):
        context.set_tensor_address("x", "address")
    with pytest.raises(TypeError):
        context.execute_async_v3("stream")


def test_profiles():
    bench = doubled((-1, 4))
    bench.profile(x=([16, 4], [16, 4], [32, 4]))
    engine = bench.engine()
    context = engine.create_execution_context()
    assert context.active_optimization_profile == 0
    assert context.set_input_shape("x", (2, 4))
    assert context.set_optimization_profile_async(1, 0)
    assert context.active_optimization_profile == 1
    assert context.infer_shapes() == ["x"]  # shapes are set anew for another profile
    assert not context.set_input_shape("x", (2, 4)) and "profile 1: [16,4]..[32,4]" in bench.error()
    array = np.random.default_rng(0).random((20, 4), np.float32)
    np.testing.assert_array_equal(run(context, x=array)["y"], 2 * array)
    # 8.x: bindings of all profiles, those of the active one count.
    result = np.zeros_like(array)
    assert context.set_binding_shape(2, (20, 4))
    assert not context.set_binding_shape(0, (20, 4)) and "belongs to profile 0" in bench.error()
    assert context.get_binding_shape(0) == (-1, 4) and context.get_binding_shape(3) == (20, 4)
    assert context.execute_v2([0, 0, array.ctypes.data, result.ctypes.data])
    np.testing.assert_array_equal(result, 2 * array)
    context.active_optimization_profile = 0
    np.testing.assert_array_equal(run(context, x=array[:3])["y"], 2 * array[:3])
    with pytest.raises(RuntimeError, match="Error in set optimization profile async"):
        context.set_optimization_profile_async(2, 0)
    assert "profile 2 is not in 0 … 1" in bench.error()


@pytest.mark.parametrize("dtype", [trt.float16, trt.int32, trt.int64, trt.int8, trt.bool])
def test_bindings_hold_the_declared_type(dtype):
    bench = Bench()
    x = bench.network.add_input("x", dtype, (2, 3))
    y = bench.network.add_identity(x).get_output(0)
    y.name = "y"
    bench.network.mark_output(y)
    engine = bench.engine()
    assert engine.get_tensor_dtype("x") == engine.get_tensor_dtype("y") == dtype
    array = np.array([[0, 1, 2], [3, 4, 1]]).astype(trt.nptype(dtype))
    np.testing.assert_array_equal(run(engine.create_execution_context(), x=array)["y"], array)


def test_half_bindings_hold_real_halves():
    engine = doubled((-1, 4), trt.float16).engine()
    context = engine.create_execution_context()
    array = (np.random.default_rng(1).random((3, 4)) * 100).astype(np.float16)
    result = run(context, x=array)["y"]
    assert result.dtype == np.float16
    np.testing.assert_array_equal(result, array + array)
    assert context.get_max_output_size("y") == 512
    big = np.full((1, 4), 60000, np.float16)
    assert np.isinf(run(context, x=big)["y"]).all()


def test_bfloat16_bindings_are_rounded_to_the_nearest():
    engine = doubled((1, 4), trt.bfloat16).engine()
    assert engine.get_tensor_dtype("x") == trt.bfloat16
    context = engine.create_execution_context()
    bits = np.array([0x3F80, 0x4049, 0xC000, 0x7F80], np.uint16)  # 1, 3.140625, −2, inf
    result = np.zeros(4, np.uint16)
    assert context.execute_v2([bits.ctypes.data, result.ctypes.data])
    assert [hex(v) for v in result] == ["0x4000", "0x40c9", "0xc080", "0x7f80"]


def test_empty_tensors_need_no_memory():
    context = doubled((-1, 4), bounds=([0, 4], [2, 4], [8, 4])).engine().create_execution_context()
    assert context.set_input_shape("x", (0, 4))
    assert context.get_tensor_shape("y") == (0, 4)
    assert context.execute_v2([0, 0])
    assert context.execute_async_v3(0)
    array = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(run(context, x=array)["y"], 2 * array)


# --- shapes that come from data and from shape inputs ---
class Allocator(trt.IOutputAllocator):
    def __init__(self):
        trt.IOutputAllocator.__init__(self)
        self.calls, self.address, self.size, self.shape = [], 0, 0, None

    def reallocate_output(self, name, old, size, alignment):
        self.calls.append((name, old, size))
        if size > self.size:
            self.address, self.size = memory.alloc(size), size
        return self.address

    def notify_shape(self, name, shape):
        self.shape = tuple(shape)

    def array(self, dtype):
        result = np.empty(self.shape, dtype)
        memory.copy(result.ctypes.data, self.address, result.nbytes)
        return result


def non_zero():
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (-1, 4))
    found = bench.network.add_non_zero(x).get_output(0)
    found.name = "found"
    bench.network.mark_output(found)
    bench.profile(x=([1, 4], [2, 4], [8, 4]))
    return bench


def test_outputs_whose_shape_comes_from_data():
    bench = non_zero()
    engine = bench.engine()
    assert engine.get_tensor_shape("found") == (2, -1)
    context = engine.create_execution_context()
    allocator = Allocator()
    assert context.set_output_allocator("found", allocator)
    assert context.get_output_allocator("found") is allocator
    rng = np.random.default_rng(2)
    for rows in (2, 5):
        array = (rng.random((rows, 4)) > 0.5).astype(np.float32)
        context.set_input_shape("x", array.shape)
        context.set_tensor_address("x", array.ctypes.data)
        assert context.get_tensor_shape("found") == (2, -1)
        assert context.execute_async_v3(0), bench.logger.errors
        expected = np.array(array.nonzero())
        dtype = trt.nptype(engine.get_tensor_dtype("found"))
        assert allocator.calls[-1][2] == expected.size * np.dtype(dtype).itemsize
        np.testing.assert_array_equal(allocator.array(dtype), expected)
        assert allocator.shape == expected.shape
        # Programs for TensorRT 10 look for −1 after running to know whose allocator to ask.
        assert context.get_tensor_shape("found") == (2, -1)
        assert context.get_max_output_size("found") == 512  # 2 · 8 · 4 elements, in steps of 512


def test_without_an_allocator_the_shape_found_is_shown():
    context = non_zero().engine().create_execution_context()
    array = np.eye(4, dtype=np.float32)
    result = np.zeros(16, np.int64)
    context.set_input_shape("x", array.shape)
    context.set_tensor_address("x", array.ctypes.data)
    context.set_tensor_address("found", result.ctypes.data)
    assert context.get_tensor_shape("found") == (2, -1)
    assert context.execute_async_v3(0)
    assert context.get_tensor_shape("found") == context.get_binding_shape(1) == (2, 4)
    assert context.get_max_output_size("found") == 512
    context.set_input_shape("x", array.shape)
    assert context.get_tensor_shape("found") == (2, -1)  # until it runs again
    assert context.execute_async_v3(0)
    assert context.get_tensor_shape("found") == (2, 4)
    context.set_tensor_address("x", 0)
    assert not context.execute_async_v3(0)  # it found nothing
    assert context.get_tensor_shape("found") == (2, -1)


def test_an_address_does_where_its_memory_is_large_enough():
    bench = non_zero()
    engine = bench.engine()
    context = engine.create_execution_context()
    array = np.eye(4, dtype=np.float32)
    dtype = trt.nptype(engine.get_tensor_dtype("found"))
    result = np.zeros((2, 4), dtype)
    context.set_input_shape("x", (4, 4))
    assert context.execute_v2([array.ctypes.data, result.ctypes.data])
    np.testing.assert_array_equal(result, np.array(array.nonzero()))
    small = memory.alloc(4)
    assert not context.execute_v2([array.ctypes.data, small])
    assert "output 'found' of shape (2, 4)" in bench.error()
    memory.free(small)


def test_allocators_serve_outputs_of_known_shape_too():
    bench = doubled((-1, 4))
    context = bench.engine().create_execution_context()
    allocator = Allocator()
    context.set_output_allocator("y", allocator)
    array = np.random.default_rng(3).random((3, 4), np.float32)
    context.set_input_shape("x", (3, 4))
    context.set_tensor_address("x", array.ctypes.data)
    assert context.execute_async_v3(7)
    assert allocator.calls == [("y", 0, 48)] and allocator.shape == (3, 4)
    np.testing.assert_array_equal(allocator.array(np.float32), 2 * array)

    class Async(Allocator):
        def reallocate_output_async(self, name, old, size, alignment, stream):
            self.calls.append(stream)
            return 0

    context.set_output_allocator("y", Async())
    assert not context.execute_async_v3(7)
    assert "gave no memory for 48 bytes" in bench.error()
    assert context.get_output_allocator("y").calls == [7]

    class Raises(Allocator):
        def reallocate_output(self, *arguments):
            raise KeyError("pool")

    context.set_output_allocator("y", Raises())
    assert not context.execute_async_v3(7) and "KeyError: 'pool'" in bench.error()
    with pytest.raises(TypeError):
        context.set_output_allocator("y", object())
    assert not context.set_output_allocator("x", None) and "'x' is an input" in bench.error()


def reshaped():
    """y = x reshaped to the values of `to`."""
    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (-1, 4))
    to = bench.network.add_input("to", trt.int32, (2,))
    shuffle = bench.network.add_shuffle(x)
    shuffle.set_input(1, to)
    shuffle.get_output(0).name = "y"
    bench.network.mark_output(shuffle.get_output(0))
    profile = bench.profile(x=([1, 4], [3, 4], [6, 4]))
    profile.set_shape_input("to", (1, 1), (4, 3), (24, 24))
    return bench


def test_inputs_whose_values_give_shapes():
    bench = reshaped()
    engine = bench.engine()
    assert engine.is_shape_inference_io("to") and not engine.is_shape_inference_io("x")
    assert engine.get_tensor_location("to") == trt.TensorLocation.HOST
    values = [[1, 1], [4, 3], [24, 24]]
    assert engine.get_tensor_profile_values("to", 0) == values
    assert engine.get_tensor_profile_values(0, "to") == values
    assert engine.is_shape_binding(1)
    with pytest.raises(RuntimeError):
        engine.get_tensor_profile_values("x", 0)
    context = engine.create_execution_context()
    assert context.infer_shapes() == ["x", "to"] and not context.all_shape_inputs_specified
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    context.set_input_shape("x", (3, 4))
    for shape in ((2, 6), (4, 3)):
        to = np.array(shape, np.int32)
        context.set_tensor_address("to", to.ctypes.data)
        assert context.infer_shapes() == []
        assert context.get_tensor_shape("y") == shape
        assert context.get_max_output_size("y") == 512
        result = run(context, x=array, to=to)["y"]
        np.testing.assert_array_equal(result, array.reshape(shape))


def test_asking_for_shapes_leaves_memory_that_numpy_hands_out_alone():
    context = reshaped().engine().create_execution_context()
    context.set_input_shape("x", (3, 4))
    shown = np.array((2, 6), np.int32)
    context.set_tensor_address("to", shown.ctypes.data)
    address = shown.ctypes.data
    del shown  # as scripts do that give a temporary array's address
    for _ in range(3):
        assert context.get_tensor_shape("y") == (2, 6)
        assert context.get_shape(1) == [2, 6]
    x, y = np.arange(12, dtype=np.float32).reshape(3, 4), np.empty((2, 6), np.float32)
    assert context.execute_v2([x.ctypes.data, address, y.ctypes.data])
    np.testing.assert_array_equal(y, x.reshape(2, 6))


def test_shape_inputs_of_8x():
    bench = reshaped()
    context = bench.engine().create_execution_context()
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert context.set_binding_shape(0, (3, 4))
    assert context.set_shape_input(1, (6, 2))
    assert context.get_shape(1) == [6, 2] and context.all_shape_inputs_specified
    assert context.get_binding_shape(2) == (6, 2)
    result = np.zeros((6, 2), np.float32)
    assert context.execute_v2([array.ctypes.data, 0, result.ctypes.data]), bench.logger.errors
    np.testing.assert_array_equal(result, array.reshape(6, 2))
    assert not context.set_shape_input(1, (6, 2, 1)) and "no 3 values" in bench.error()
    assert not context.set_shape_input(0, (6, 2)) and bench.error()


# --- callbacks ---
def test_profilers_are_told_every_layer():
    class Profiler(trt.IProfiler):
        def __init__(self):
            trt.IProfiler.__init__(self)
            self.times = []

        def report_layer_time(self, name, ms):
            self.times.append((name, ms))

    bench = doubled((-1, 4))
    context = bench.engine().create_execution_context()
    assert not context.report_to_profiler() and "no run with a profiler" in bench.error()
    profiler = Profiler()
    context.profiler = profiler
    assert context.profiler is profiler and context.enqueue_emits_profile
    array = np.ones((2, 4), np.float32)
    run(context, x=array)
    assert len(profiler.times) == context.engine.num_layers
    assert all(isinstance(name, str) and ms >= 0 for name, ms in profiler.times)
    context.enqueue_emits_profile = False
    run(context, x=array)
    assert len(profiler.times) == context.engine.num_layers
    assert context.report_to_profiler()
    assert len(profiler.times) == 2 * context.engine.num_layers
    context.profiler = None
    run(context, x=array)
    assert len(profiler.times) == 2 * context.engine.num_layers


def test_debug_tensors_are_shown_to_the_listener():
    class Listener(trt.IDebugListener):
        def __init__(self):
            trt.IDebugListener.__init__(self)
            self.seen = {}

        def process_debug_tensor(self, addr, location, type, shape, name, stream):
            array = np.empty(tuple(shape), trt.nptype(type))
            memory.copy(array.ctypes.data, addr, array.nbytes)
            self.seen[name] = array
            return True

    bench = Bench()
    x = bench.network.add_input("x", trt.float32, (3,))
    middle = bench.network.add_elementwise(x, x, trt.ElementWiseOperation.SUM).get_output(0)
    middle.name = "middle"
    y = bench.network.add_elementwise(middle, middle, trt.ElementWiseOperation.PROD).get_output(0)
    bench.network.mark_output(y)
    assert bench.network.mark_debug(middle) and bench.network.mark_debug(y)
    engine = bench.engine()
    assert engine.num_io_tensors == 2 and engine.is_debug_tensor("middle")
    context = engine.create_execution_context()
    listener = Listener()
    assert context.set_debug_listener(listener) and context.get_debug_listener() is listener
    array = np.array([1, 2, 3], np.float32)
    run(context, x=array)
    assert listener.seen == {}
    assert context.set_tensor_debug_state("middle", True) and context.get_debug_state("middle")
    run(context, x=array)
    assert list(listener.seen) == ["middle"]
    np.testing.assert_array_equal(listener.seen["middle"], 2 * array)
    assert context.set_all_tensors_debug_state(True)
    run(context, x=array)
    np.testing.assert_array_equal(listener.seen[y.name], 4 * array * array)
    assert not context.set_tensor_debug_state("x", True) and "no debug tensor" in bench.error()


def test_several_contexts_in_threads():
    engine = doubled((-1, 64), bounds=([1, 64], [8, 64], [64, 64])).engine()
    failures = []

    def work(seed):
        context = engine.create_execution_context()
        rng = np.random.default_rng(seed)
        for _ in range(20):
            array = rng.random((int(rng.integers(1, 64)), 64), np.float32)
            if not np.array_equal(run(context, x=array)["y"], 2 * array):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_objects_may_go_in_any_order():
    bench = doubled((2, 4))
    runtime = trt.Runtime(bench.logger)
    context = runtime.deserialize_cuda_engine(bench.bytes()).create_execution_context()
    del bench, runtime
    array = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(run(context, x=array)["y"], 2 * array)


def test_what_cannot_change_results_is_kept():
    bench = doubled((2, 4))
    engine = bench.engine()
    config = engine.create_runtime_config()
    strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    config.set_execution_context_allocation_strategy(strategy)
    assert config.get_execution_context_allocation_strategy() == strategy
    context = engine.create_execution_context(config)
    assert context.get_runtime_config() is config
    assert engine.create_execution_context(strategy).get_runtime_config() is None
    assert engine.create_execution_context_without_device_memory().engine is engine
    context.name = "mine"
    context.debug_sync = True
    context.nvtx_verbosity = trt.ProfilingVerbosity.DETAILED
    context.persistent_cache_limit = 1 << 20
    context.device_memory = memory.alloc(64)
    context.set_device_memory(0, 0)
    context.set_aux_streams([0, 0])
    assert context.name == "mine" and context.persistent_cache_limit == 1 << 20
    assert context.update_device_memory_size_for_shapes() == engine.device_memory_size_v2
    assert not context.set_communicator(None) and "multi-device" in bench.error()
    assert context.set_input_consumed_event(0) and context.get_input_consumed_event() == 0
    with pytest.raises(trt.UnsupportedError):
        context.unfused_tensors_debug_state = True


def test_numbers_that_are_no_addresses_raise():
    context = doubled((2, 4)).engine().create_execution_context()
    for number in (-1, 1 << 64, "a"):
        with pytest.raises(TypeError, match="is no address"):
            context.set_tensor_address("x", number)
        with pytest.raises(TypeError, match="is no address"):
            context.execute_v2([number, 0])
