"""ExecutionContext: memory of arrays, conversions, DLPack, profilers, threads."""

import gc
import threading
import weakref

import numpy as np
import pytest
from native_networks import ConvNet

import octile


@pytest.fixture(scope="module")
def net():
    return ConvNet()


@pytest.fixture()
def context(net):
    return net.context()


def test_float_engine_agrees_with_numpy(net, context):
    for size in (1, 4, 2):
        x = net.samples(1, size)[0]
        for given in (x, [x], (x,), {"x": x}):
            got = context.run(given)
            assert list(got) == ["y"] and got["y"].flags.writeable
            np.testing.assert_allclose(got["y"], net.expected(x), rtol=1e-4, atol=1e-5)


def test_results_are_never_written_again(net, context):
    a, b = net.samples(2)
    first = context.run(a)["y"]
    kept = first.copy()
    context.run(b)
    np.testing.assert_array_equal(first, kept)
    context.run()
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_allclose(context.output("y"), net.expected(b), rtol=1e-4, atol=1e-5)


def test_memory_of_numpy_is_used_as_it_is(net, context):
    a, b = net.samples(2)
    x, y = a.copy(), np.zeros((2, 4, 4, 4), np.float32)
    context.bind_input("x", x)
    context.bind_output("y", y)
    context.run()
    np.testing.assert_allclose(y, net.expected(a), rtol=1e-4, atol=1e-5)
    x[:] = b
    context.run()
    np.testing.assert_allclose(y, net.expected(b), rtol=1e-4, atol=1e-5)
    assert context.run(a)["y"] is y


def test_addresses(net, context):
    x, y = net.samples(1)[0], np.zeros((2, 4, 4, 4), np.float32)
    context.set_input_shape("x", x.shape)
    assert context.shape("y") == y.shape
    context.bind_input("x", x.ctypes.data)
    context.bind_output("y", y.ctypes.data)
    context.run()
    np.testing.assert_allclose(y, net.expected(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(octile.InvalidArgument, match="null"):
        context.bind_input("x", 0)


def test_addresses_are_checked_before_a_run(net, context):
    x, y = net.samples(1)[0], np.zeros((2, 4, 4, 4), np.float32)
    context.set_input_shape("x", x.shape)
    context.bind_output("y", y.ctypes.data)
    context.bind_input("x", 4096)  # nothing is mapped there
    with pytest.raises(octile.InvalidArgument, match="input 'x'"):
        context.run()
    device = octile.host_memory.alloc(x.nbytes // 2)
    context.bind_input("x", device)
    with pytest.raises(octile.InvalidArgument, match="input 'x'"):
        context.run()
    octile.host_memory.free(device)


def test_bound_arrays_are_kept_alive(net, context):
    x = net.samples(1)[0]
    context.bind_input("x", x.copy())
    context.bind_output("y", np.zeros((2, 4, 4, 4), np.float32))
    gc.collect()
    context.run()
    np.testing.assert_allclose(context.output("y"), net.expected(x), rtol=1e-4, atol=1e-5)


def test_a_bound_array_that_is_too_small_is_refused(net, context):
    context.bind_output("y", np.zeros((1, 4, 4, 4), np.float32))
    with pytest.raises(octile.InvalidArgument, match="512 bytes.*has 256"):
        context.run(net.samples(1)[0])
    context.bind_input("x", net.samples(1)[0])
    context.set_input_shape("x", (4, 3, 8, 8))
    with pytest.raises(octile.InvalidArgument, match="'x' has shape"):
        context.run()


def test_what_cannot_be_bound(context):
    x = np.zeros((2, 8, 8, 3), np.float32).transpose(0, 3, 1, 2)
    for bad in (x, x.astype(np.float64), [1.0]):
        with pytest.raises(octile.InvalidArgument, match="input 'x': to be bound"):
            context.bind_input("x", bad)
    with pytest.raises(TypeError):
        context.bind_input("x", None)
    frozen = np.zeros((2, 4, 4, 4), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(octile.InvalidArgument, match="writable"):
        context.bind_output("y", frozen)
    with pytest.raises(octile.InvalidArgument, match="no input 'z', but 'x'"):
        context.bind_input("z", 1)


def test_conversions_of_inputs(net, context):
    x = np.rint(net.samples(1)[0] * 3)
    expected = context.run(x)["y"]
    strided = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    others = [strided, x.tolist()] + [x.astype(t) for t in ("float64", "float16", "int8", "int64")]
    for other in others:
        np.testing.assert_array_equal(context.run([other])["y"], expected)


def test_integers_take_what_they_hold_exactly():
    network = octile.Network()
    x = network.add_input("x", "int32", (3,))
    network.mark_output(network.elementwise(x, x, "add"), "y")
    context = octile.Engine(octile.build(network, tactics="first")).create_context()
    for good in ([1, 2, 3], np.array([1, 2, 3], np.uint16), np.array([1.0, 2.0, 3.0])):
        assert context.run({"x": good})["y"].tolist() == [2, 4, 6]
    huge = np.array([2**64 - 1, 0, 0], np.uint64)
    for bad in (np.array([0.5, 1, 2]), np.array([2**40, 0, 0]), huge):
        with pytest.raises(octile.InvalidArgument, match="input 'x'.*wanted is int32"):
            context.run(bad)
    with pytest.raises(TypeError):
        context.run("text")


def test_wrong_inputs(net, context):
    x = net.samples(1)[0]
    with pytest.raises(octile.InvalidArgument, match="outside profile 0"):
        context.run(np.zeros((9, 3, 8, 8), np.float32))
    with pytest.raises(octile.InvalidArgument, match="takes 1 inputs, not 2"):
        context.run([x, x])
    with pytest.raises(octile.InvalidArgument, match="no input 'q'"):
        context.run({"q": x})
    with pytest.raises(octile.InvalidArgument, match="no data|no shape"):
        net.context().run()


def test_dlpack(net, context):
    class Foreign:  # DLPack alone, no NumPy protocol
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **keywords):
            return self.array.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    x = net.samples(1)[0]
    expected = context.run(x)["y"]
    np.testing.assert_array_equal(context.run(Foreign(x))["y"], expected)
    np.testing.assert_array_equal(context.run(Foreign(x.astype(np.float64)))["y"], expected)


def test_pytorch(net, context):
    torch = pytest.importorskip("torch")
    x = net.samples(1)[0]
    tensor, out = torch.from_numpy(x), torch.zeros((2, 4, 4, 4))
    np.testing.assert_array_equal(context.run(tensor)["y"], context.run(x)["y"])
    context.bind_input("x", tensor)
    context.bind_output("y", out)
    context.run()
    np.testing.assert_allclose(out.numpy(), net.expected(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(context.run(tensor.double())["y"].numpy(), out.numpy())
    half = tensor.to(torch.bfloat16)
    network = octile.Network()
    assert network.constant(half).dtype == "bfloat16"


def test_outputs_whose_shape_depends_on_values():
    network = octile.Network()
    x = network.add_input("x", "float32", (6,))
    network.mark_output(network.add(octile.ops.NonZero(), [x]).output(), "y")
    engine = octile.Engine(octile.build(network, tactics="first"))
    assert engine.bindings[1].from_values
    context = engine.create_context()
    assert context.run(np.array([0, 1, 0, 2, 0, 0]))["y"].tolist() == [[1, 3]]
    assert context.run(np.zeros(6))["y"].shape == (1, 0)
    with pytest.raises(octile.InvalidArgument, match="cannot be bound"):
        context.bind_output("y", np.zeros((1, 6), np.int64))


def test_profiler(net, context):
    seen = []
    context.set_profiler(lambda step, nanoseconds: seen.append((step, nanoseconds)))
    context.run(net.samples(1)[0])
    assert [step for step, _ in seen] == list(range(len(context.engine.plan.layers())))
    assert all(nanoseconds >= 0 for _, nanoseconds in seen)

    def stop(step, nanoseconds):
        raise KeyError(step)

    context.set_profiler(stop)
    with pytest.raises(KeyError):
        context.run(net.samples(1)[0])
    context.set_profiler(lambda *_: context.run())
    with pytest.raises(octile.InvalidArgument, match="in use"):
        context.run(net.samples(1)[0])
    context.set_profiler(None)
    context.run(net.samples(1)[0])
    with pytest.raises(TypeError):
        context.set_profiler(5)


def test_a_cycle_through_the_profiler_is_collected(net):
    class Watch:
        pass

    def tie():
        watch, context = Watch(), net.context()
        context.set_profiler(lambda *_: (watch, context))
        return weakref.ref(watch)

    ref = tie()
    gc.collect()
    assert ref() is None


def test_threads_run_at_the_same_time(net):
    """While one context waits in its profiler, another finishes: the GIL is free."""
    engine = octile.Engine(net.build())
    x = net.samples(1)[0]
    expected = engine.create_context().run(x)["y"]
    failures = []

    def work(context):
        for _ in range(200):
            if not np.array_equal(context.run(x)["y"], expected):
                failures.append("differs")

    threads = [threading.Thread(target=work, args=(engine.create_context(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures

    inside, finished = threading.Event(), threading.Event()
    slow, quick = engine.create_context(), engine.create_context()

    def wait(step, _):
        inside.set()
        assert finished.wait(30)

    slow.set_profiler(wait)
    thread = threading.Thread(target=slow.run, args=(x,))
    thread.start()
    assert inside.wait(30)
    quick.run(x)
    with pytest.raises(octile.InvalidArgument, match="in use by another thread"):
        slow.run(x)
    finished.set()
    thread.join()
