"""For tests of octile.tensorrt's layers: a network with a logger that remembers, built and run."""

from __future__ import annotations

from types import SimpleNamespace

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


class Net:
    """A network under test: `inputs()` declares arrays' inputs, `run()` builds and runs."""

    def __init__(self):
        self.logger = Remembers()
        builder = SimpleNamespace(_logger=self.logger, _recorder=None)
        self.network = trt.INetworkDefinition(builder, 0)
        self.arrays = {}

    def input(self, array, name=None, shape=None):
        """A network input for `array`; `shape` where it is declared otherwise (−1)."""
        name = name or f"in{len(self.arrays)}"
        self.arrays[name] = np.array(array, order="C")
        types = {
            "float32": trt.float32,
            "float16": trt.float16,
            "int8": trt.int8,
            "int32": trt.int32,
            "int64": trt.int64,
            "bool": trt.bool,
            "uint8": trt.uint8,
        }
        return self.network.add_input(name, types[array.dtype.name], shape or array.shape)

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

    def run(self, *tensors, **options):
        """The values of `tensors`; a single array for a single tensor."""
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
    values = net.run(*outputs)
    for value, shape in zip([values] if len(outputs) == 1 else values, shapes):
        assert value.shape == shape
    assert net.logger.errors == []
    return (layer, values) if len(outputs) == 1 else (layer, *values)
