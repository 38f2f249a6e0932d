"""Plan and Engine, lifetime of objects, errors as exceptions."""

import gc
import subprocess
import sys

import numpy as np
import pytest
from native_networks import ConvNet

import octile


@pytest.fixture(scope="module")
def net():
    return ConvNet()


def test_plans_and_engines(net, tmp_path):
    plan = net.build()
    path = tmp_path / "net.plan"
    plan.save(path)
    assert path.read_bytes() == plan.serialize() == octile.Plan.load(path).serialize()
    x = net.samples(1)[0]
    expected = octile.Engine(plan).create_context().run(x)["y"]
    for source in (path, str(path), plan.serialize(), bytearray(plan.serialize())):
        engine = octile.Engine(source, threads=1)
        np.testing.assert_array_equal(engine.create_context().run(x)["y"], expected)
    assert [b.name for b in engine.bindings] == ["x", "y"]
    assert engine.bindings[0].is_input and engine.bindings[0].dtype == np.float32
    assert engine.bindings[1].shape == (-1, 4, 4, 4)
    assert engine.profile_count == plan.profile_count == 1
    shapes = [f("x") for f in (engine.min_shape, engine.opt_shape, engine.max_shape)]
    assert shapes == list(net.profile["x"])
    assert len(engine.tactics()) == len(plan.layers()) and engine.arena_bytes() > 0
    assert engine.isa in octile.devices()[0].usable
    assert octile.retime(plan, tactics="first").name == plan.name == "convnet"
    with pytest.raises(octile.InvalidArgument):
        octile.Engine(plan, isa="sse")
    with pytest.raises(octile.InvalidFile):
        octile.Plan.parse(b"not a plan")
    with pytest.raises(octile.IoError, match="nowhere"):
        octile.Plan.load(tmp_path / "nowhere")
    with pytest.raises(TypeError):
        octile.Engine(5)


def test_metadata_travels_with_the_plan(net, tmp_path):
    given = {"classes": "cat,dog", "größe": "8"}
    net.build(metadata=given).save(tmp_path / "net.plan")
    plan = octile.Plan.load(tmp_path / "net.plan")
    assert plan.metadata == octile.retime(plan, tactics="first").metadata == given
    assert net.build().metadata == {}
    with pytest.raises(TypeError, match="metadata must be a dict of strings"):
        net.build(metadata={"n": 5})


def test_objects_die_in_any_order(net):
    context = octile.Engine(net.build()).create_context()
    gc.collect()
    x = net.samples(1)[0]
    np.testing.assert_allclose(context.run(x)["y"], net.expected(x), rtol=1e-4, atol=1e-5)
    result = context.run(x)["y"]
    plan, bindings = context.engine.plan, context.engine.bindings
    del context
    gc.collect()
    assert plan.layers()[0].name == "conv + relu" and bindings[0].name == "x"
    np.testing.assert_allclose(result, net.expected(x), rtol=1e-4, atol=1e-5)


def test_errors_are_python_exceptions():
    cases = {
        octile.InvalidArgument: ("invalid-argument", ValueError),
        octile.InvalidFile: ("invalid-file", ValueError),
        octile.IoError: ("io", OSError),
        octile.Unsupported: ("unsupported", NotImplementedError),
        octile.InternalError: ("internal", RuntimeError),
    }
    for cls, (code, builtin) in cases.items():
        assert issubclass(cls, octile.Error) and issubclass(cls, builtin) and cls.code == code
    with pytest.raises(octile.InvalidArgument) as caught:
        octile.Network().add_input("x", "float33", (1,))
    assert "float33" in str(caught.value) and caught.value.code == "invalid-argument"
    for dtype, shape in ((3, (1,)), ("float32", "12"), ("float32", (1.5,)), ("float32", 3)):
        with pytest.raises(TypeError):
            octile.Network().add_input("x", dtype, shape)


def test_exit_with_live_objects_is_quiet():
    program = """
import numpy, octile
network = octile.Network()
network.mark_output(network.activation(network.add_input("x", "float32", (1, 4)), "relu"), "y")
engine = octile.Engine(octile.build(network, log=print, tactics="first"), log=print)
context = engine.create_context()
context.set_profiler(lambda *_: context)
class Last:
    x = numpy.ones((1, 4), "float32")
    context = context
    def __del__(self):
        assert self.context.run(self.x)["y"].tolist() == [[1, 1, 1, 1]]
        print("ran")
last = Last()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.endswith("ran\n")
