"""For tests of octile.tensorrt's layers: a network with a logger that remembers, built and run
through the public API as programs do it."""

from __future__ import annotations

import numpy as np

import octile
import octile.tensorrt as trt


class Remembers(trt.ILogger):
    """A logger that keeps (severity, message)."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.lines = []

    def log(self, severity, msg):
        self.lines.append((severity, msg))

    @property
    def errors(self):
        return [text for severity, text in self.lines if severity <= trt.ILogger.ERROR]

    @property
    def warnings(self):
        return [text for severity, text in self.lines if severity == trt.ILogger.WARNING]


class Room(trt.IOutputAllocator):
    """Memory for one output, whatever its shape becomes."""

    def __init__(self):
        trt.IOutputAllocator.__init__(self)
        self.memory, self.shape = np.empty(64, np.uint8), ()

    def reallocate_output(self, name, memory, size, alignment):
        if size > self.memory.nbytes:
            self.memory = np.empty(size, np.uint8)
        return self.memory.ctypes.data

    def notify_shape(self, name, shape):
        self.shape = tuple(shape)

    def array(self, dtype):
        count = int(np.prod(self.shape)) * dtype.itemsize
        return self.memory[:count].view(dtype).reshape(self.shape).copy()


class Net:
    """A network under test: `input()` declares an array's input, `execute()` runs it."""

    def __init__(self):
        self.logger = Remembers()
        self.builder = trt.Builder(self.logger)
        self.network = self.builder.create_network(0)
        self.arrays = {}

    def input(self, array, name=None, shape=None):
        """A network input for `array`; `shape` where it is declared otherwise (−1)."""
        name = name or f"in{len(self.arrays)}"
        self.arrays[name] = np.array(array, order="C")
        dtype = trt.bool if array.dtype == bool else getattr(trt, array.dtype.name)
        return self.network.add_input(name, dtype, shape or array.shape)

    def constant(self, array):
        """A constant's tensor."""
        array = np.asarray(array)
        return self.network.add_constant(array.shape, array.copy(order="C")).get_output(0)

    def complete(self, *tensors):
        """The native network with these outputs."""
        for tensor in tensors:
            if not tensor.is_network_output:
                self.network.mark_output(tensor)
        return self.network._emission.complete()

    def build(self, *tensors, flags=()):
        """The engine with these outputs."""
        for tensor in tensors:
            if not tensor.is_network_output:
                self.network.mark_output(tensor)
        config = self.builder.create_builder_config()
        config.builder_optimization_level = 0  # no timing
        for flag in flags:
            config.set_flag(flag)
        profile = self.builder.create_optimization_profile()
        for index in range(self.network.num_inputs):
            tensor = self.network.get_input(index)
            shape = self.arrays[tensor.name].shape
            if -1 in tuple(tensor.shape):
                profile.set_shape(tensor.name, shape, shape, shape)
            elif tensor.is_shape_tensor:
                value = [int(v) for v in self.arrays[tensor.name].reshape(-1)]
                profile.set_shape_input(tensor.name, value, value, value)
        config.add_optimization_profile(profile)
        plan = self.builder.build_serialized_network(self.network, config)
        assert plan is not None, self.logger.errors
        return trt.Runtime(self.logger).deserialize_cuda_engine(plan)

    def execute(self, *tensors, flags=()):
        """The values of `tensors`; a single array for a single tensor."""
        engine = self.build(*tensors, flags=flags)
        context = engine.create_execution_context()
        rooms = {}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                context.set_input_shape(name, self.arrays[name].shape)
                context.set_tensor_address(name, self.arrays[name].ctypes.data)
            else:
                rooms[name] = Room()
                context.set_output_allocator(name, rooms[name])
        assert context.execute_async_v3(0), self.logger.errors
        values = []
        for tensor in tensors:
            dtype = engine.get_tensor_dtype(tensor.name)
            if dtype == trt.bfloat16:  # NumPy has none
                bits = rooms[tensor.name].array(np.dtype(np.uint16)).astype(np.uint32) << 16
                values.append(bits.view(np.float32))
            else:
                values.append(rooms[tensor.name].array(np.dtype(trt.nptype(dtype))))
        return values[0] if len(values) == 1 else values

    def run(self, *tensors, **options):
        """As execute(), by the native builder and engine with its options; floats stay float32."""
        native = self.complete(*tensors)
        profiles = options.pop("profiles", None)
        if profiles is None and any(-1 in t.shape for t in native.inputs):
            shapes = {t.name: (self.arrays[t.name].shape,) * 3 for t in native.inputs}
            profiles = [shapes]
        if profiles:
            options["profiles"] = profiles
        plan = octile.build(native, tactics="first", **options)
        context = octile.Engine(plan).create_context()
        feed = [self.arrays[t.name].astype(t.dtype, copy=False) for t in native.inputs]
        outputs = context.run(feed)
        values = [outputs[tensor.name] for tensor in tensors]
        return values[0] if len(values) == 1 else values


def fails(tensor):
    """Whether the tensor has no shape because its layer is wrong (that is in the log, then)."""
    return str(tensor.shape) == "(-1)"


def one(add, *arrays, edit=None, constants=()):
    """Runs a network of one layer: `add(network, *tensors)` makes it of inputs for `arrays`.

    `edit(layer)` changes it after its shape was asked for. Returns (layer, outputs…).
    """
    net = Net()
    tensors = [net.input(array) for array in arrays] + [net.constant(c) for c in constants]
    layer = add(net.network, *tensors)
    if edit is not None:
        layer.get_output(0).shape  # noqa: B018  (emits it, so that the edit takes it back)
        edit(layer)
    outputs = [layer.get_output(i) for i in range(layer.num_outputs)]
    shapes = [tuple(t.shape) for t in outputs]
    values = net.execute(*outputs)
    for value, shape in zip([values] if len(outputs) == 1 else values, shapes):
        assert value.shape == shape
    assert net.logger.errors == []
    return (layer, values) if len(outputs) == 1 else (layer, *values)
