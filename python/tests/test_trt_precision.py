"""octile.tensorrt: which layers run in INT8, by time, by request, and after a refit.

No test hangs on how quick this machine is: an ITimingCache that the test edits decides, or what is
held must hold whatever was chosen.
"""

from __future__ import annotations

import numpy as np
import pytest
from trt_engine import Bench, run

import octile.tensorrt as trt

IMAGE = np.random.default_rng(3).uniform(-1, 1, (2, 3, 8, 8)).astype(np.float32)
CONSTRAINTS = ["OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS", "STRICT_TYPES"]


def network(*flags):
    """Two convolutions, the first with a ReLU, and ranges set by hand; INT8 is allowed."""
    bench, made = Bench(), np.random.default_rng(0)
    x = bench.network.add_input("x", trt.float32, (-1, 3, 8, 8))
    first = bench.network.add_convolution_nd(
        x, 8, (3, 3), made.standard_normal((8, 3, 3, 3), np.float32), trt.Weights()
    )
    relu = bench.network.add_activation(first.get_output(0), trt.ActivationType.RELU)
    second = bench.network.add_convolution_nd(
        relu.get_output(0), 4, (3, 3), made.standard_normal((4, 8, 3, 3), np.float32), trt.Weights()
    )
    first.name, relu.name, second.name = "first", "relu", "second"
    second.get_output(0).name = "y"
    bench.network.mark_output(second.get_output(0))
    for tensor in (x, *(layer.get_output(0) for layer in bench.network)):
        tensor.dynamic_range = (-20, 20)
    x.dynamic_range = (-1, 1)
    bench.profile(x=((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8)))
    for flag in ("INT8", *flags):
        bench.config.set_flag(getattr(trt.BuilderFlag, flag))
    return bench


def precisions(engine):
    """(of the first convolution, of the second)."""
    found = {}
    for layer in engine._native.plan.layers():
        if layer.step == "Conv":
            found[layer.name.split(" + ")[0]] = layer.precision.split(" -> ")[0]
    return found["first"], found["second"]


def with_times(bench, float_ns, int8_ns):
    """The bench with a timing cache by which groups of layers take so long in float and INT8."""
    data = b""
    for _ in range(2):  # the first choice by these times may bring an engine that is new
        cache = bench.config.create_timing_cache(data)
        bench.config.set_timing_cache(cache, False)
        assert bench.bytes() is not None, bench.logger.errors
        lines = bytes(cache.serialize()).decode().splitlines()
        for i, line in enumerate(lines[1:], 1):
            key, number = line.rsplit("\t", 1)
            kind, last = key.split(" ", 1)[0], key.rsplit(" ", 1)[1]
            if kind == "group" and last in ("float32", "int8", "int8-to-float"):
                number = float_ns if last == "float32" else int8_ns
            elif kind == "engine" and last == "ns":
                number = 1e6
            lines[i] = f"{key}\t{number}"
        data = ("\n".join(lines) + "\n").encode()
    bench.config.set_timing_cache(bench.config.create_timing_cache(data), False)
    return bench


def test_layers_run_in_int8_where_it_pays():
    quick, slow = with_times(network(), 1e7, 1e5).engine(), with_times(network(), 1e5, 1e7).engine()
    assert precisions(quick) == ("int8", "int8")
    assert precisions(slow) == ("float32", "float32")
    for engine in (quick, slow, network().engine()):  # the last by true times
        measured = engine._native.plan.precision
        labels = {g["name"].split(" + ")[0]: g["precision"] for g in measured["groups"]}
        assert precisions(engine) == (labels["first"], labels["second"])
    exact, near = (run(e.create_execution_context(), x=IMAGE)["y"] for e in (slow, quick))
    assert 0 < np.linalg.norm(near - exact) / np.linalg.norm(exact) < 0.1


def test_level_0_measures_nothing_and_takes_all_in_int8():
    bench = with_times(network(), 1e5, 1e7)
    bench.config.builder_optimization_level = 0
    engine = bench.engine()
    assert precisions(engine) == ("int8", "int8") and engine._native.plan.precision is None


@pytest.mark.parametrize("flag", CONSTRAINTS)
def test_requests_count_under_the_flags_that_pin_precision(flag):
    for times in ((1e7, 1e5), (1e5, 1e7)):
        bench = with_times(network(flag), *times)
        bench.network[0].precision, bench.network[2].precision = trt.float32, trt.int8
        assert precisions(bench.engine()) == ("float32", "int8")


def test_requests_do_not_count_without_these_flags():
    bench = with_times(network(), 1e7, 1e5)
    bench.network[0].precision = bench.network[2].precision = trt.float32
    assert precisions(bench.engine()) == ("int8", "int8")
    bench = with_times(network(), 1e5, 1e7)
    bench.network[0].precision = bench.network[2].precision = trt.int8
    assert precisions(bench.engine()) == ("float32", "float32")


@pytest.mark.parametrize("times", [(1e7, 1e5), (1e5, 1e7)], ids=["int8", "float32"])
def test_a_refit_keeps_the_precisions(times):
    """Nothing is measured again: the second refit has what the first one had."""
    bench = with_times(network("REFIT"), *times)
    engine = bench.engine()
    before, outputs = precisions(engine), run(engine.create_execution_context(), x=IMAGE)["y"]
    refitter = trt.Refitter(engine, bench.logger)
    assert refitter.refit_cuda_engine(), bench.logger.errors
    assert precisions(engine) == before
    refitted = run(engine.create_execution_context(), x=IMAGE)["y"]
    # Float tactics are timed anew, and add up in other orders.
    np.testing.assert_allclose(refitted, outputs, rtol=1e-4, atol=1e-4)
    again = trt.Runtime(bench.logger).deserialize_cuda_engine(engine.serialize())
    refitter = trt.Refitter(again, bench.logger)
    kernel = np.random.default_rng(1).standard_normal((8, 3, 3, 3), np.float32)
    assert refitter.set_weights("first", trt.WeightsRole.KERNEL, kernel)
    assert refitter.refit_cuda_engine(), bench.logger.errors
    assert precisions(again) == before
    assert (run(again.create_execution_context(), x=IMAGE)["y"] != outputs).any()
