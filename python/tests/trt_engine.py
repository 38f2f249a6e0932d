"""For tests of building and running: small networks, engines, arrays as memory."""

from __future__ import annotations

import numpy as np
from trt_network import Remembers

import octile.tensorrt as trt


class Bench:
    """A builder with a logger that remembers, one network and one configuration."""

    def __init__(self, flags=0):
        self.logger = Remembers()
        self.builder = trt.Builder(self.logger)
        self.network = self.builder.create_network(flags)
        self.config = self.builder.create_builder_config()

    def profile(self, **shapes):
        """Adds a profile: input name = (min, opt, max)."""
        profile = self.builder.create_optimization_profile()
        for name, bounds in shapes.items():
            profile.set_shape(name, *bounds)
        self.config.add_optimization_profile(profile)
        return profile

    def bytes(self):
        return self.builder.build_serialized_network(self.network, self.config)

    def engine(self):
        data = self.bytes()
        assert data is not None, self.logger.errors
        engine = trt.Runtime(self.logger).deserialize_cuda_engine(data)
        assert engine is not None, self.logger.errors
        return engine

    def error(self):
        """The last error in the log; the log is emptied."""
        errors = self.logger.errors
        self.logger.lines.clear()
        assert errors, "nothing was told"
        return errors[-1]


def doubled(shape=(-1, 4), dtype=trt.float32, bounds=None):
    """A bench whose network is y = x + x."""
    bench = Bench()
    x = bench.network.add_input("x", dtype, shape)
    y = bench.network.add_elementwise(x, x, trt.ElementWiseOperation.SUM).get_output(0)
    y.name = "y"
    bench.network.mark_output(y)
    if -1 in shape:
        bench.profile(x=bounds or [[n if e < 0 else e for e in shape] for n in (1, 2, 8)])
    return bench


def run(context, **inputs):
    """Runs with host memory: arrays in by name, arrays out by name."""
    engine = context.engine
    arrays = {}
    for name, array in inputs.items():
        arrays[name] = np.array(array, order="C")
        if engine.get_tensor_location(name) == trt.TensorLocation.DEVICE:
            assert context.set_input_shape(name, arrays[name].shape)
        assert context.set_tensor_address(name, arrays[name].ctypes.data)
    outputs = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT:
            dtype = trt.nptype(engine.get_tensor_dtype(name))
            outputs[name] = np.empty(tuple(context.get_tensor_shape(name)), dtype)
            assert context.set_tensor_address(name, outputs[name].ctypes.data)
    assert context.execute_async_v3(0)
    return outputs
