"""octile.tensorrt: Quantize and Dequantize, alone and around a convolution."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, fails

import octile
import octile.tensorrt as trt

RNG = np.random.default_rng(10)
INT8 = trt.BuilderFlag.INT8


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


def quantized(x, scale):
    return np.clip(np.rint(x / np.asarray(scale, np.float32)), -128, 127)


def test_quantize_and_dequantize():
    x = 100 * normal(3, 4, 5)
    net = Net()
    q = net.network.add_quantize(net.input(x), net.constant(np.float32(0.5)))
    dq = net.network.add_dequantize(q.get_output(0), net.constant(np.float32(0.25)))
    q.axis = dq.axis = 0
    assert q.get_output(0).dtype == trt.int8 and dq.get_output(0).dtype == trt.float32
    assert q.to_type == trt.int8 and dq.to_type == trt.float32
    np.testing.assert_array_equal(
        net.execute(dq.get_output(0), flags=[INT8]), quantized(x, 0.5) * np.float32(0.25)
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scales_along_an_axis(axis):
    x = 100 * normal(3, 4, 5)
    scale = RNG.uniform(0.2, 1, x.shape[axis]).astype(np.float32)
    net = Net()
    q = net.network.add_quantize(net.input(x), net.constant(scale))
    zeros = net.constant(np.zeros(x.shape[axis], np.float32))
    q.set_input(2, zeros)
    assert q.axis == -1
    assert fails(q.get_output(0)) and "need an axis" in net.logger.errors[0]
    q.axis = axis
    dq = net.network.add_dequantize(q.get_output(0), net.constant(scale))
    dq.axis = axis
    wide = np.moveaxis(scale.reshape(-1, 1, 1), 0, axis)
    y = net.execute(dq.get_output(0), flags=[INT8])
    np.testing.assert_allclose(y, quantized(x, wide) * wide, rtol=1e-6)


def test_what_is_refused():
    net = Net()
    x, scale = net.input(normal(2, 4)), net.constant(np.float32(1))
    add = net.network.add_quantize
    for dtype in (trt.DataType.FP8, trt.DataType.INT4, trt.DataType.FP4):
        with pytest.raises(trt.UnsupportedError, match=dtype.name):
            add(x, scale, dtype)
    with pytest.raises(trt.UnsupportedError, match="add_dynamic_quantize"):
        net.network.add_dynamic_quantize(x, 1, 16, trt.DataType.FP8, trt.DataType.FLOAT)
    layer = add(x, scale)
    with pytest.raises(trt.UnsupportedError, match="block_shape"):
        layer.block_shape = (1, 2)
    assert add(x, scale, trt.float32) is None
    layer = add(x, net.input(np.float32([1])))
    assert fails(layer.get_output(0)) and "constant" in net.logger.errors[-1]
    layer = add(x, scale)
    layer.set_input(2, net.constant(np.float32(3)))
    assert fails(layer.get_output(0)) and "zero point" in net.logger.errors[-1]
    layer = net.network.add_dequantize(x, scale)
    assert fails(layer.get_output(0)) and "INT8" in net.logger.errors[-1]
    layer = add(x, net.constant(np.ones((2, 2), np.float32)))
    assert fails(layer.get_output(0)) and "blocks" in net.logger.errors[-1]


def test_explicit_int8_convolution():
    """Quantized input and weights around a convolution: an INT8 layer with exact results."""
    x = np.tile(np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3), (1, 1, 2, 3))
    w = np.power(10, range(4, -5, -1), dtype=np.float32).reshape(1, 1, 3, 3)
    net = Net()
    one = net.constant(np.float32([1]).reshape(()))
    layers = []
    for tensor in (net.input(x), net.constant(w)):
        q = net.network.add_quantize(tensor, one)
        dq = net.network.add_dequantize(q.get_output(0), one)
        layers.append(dq.get_output(0))
    conv = net.network.add_convolution_nd(
        layers[0], 1, (3, 3), trt.Weights(), np.zeros(1, np.float32)
    )
    conv.set_input(1, layers[1])
    qw = quantized(w, 1)[0, 0]
    wanted = [[(x[0, 0, i : i + 3, j : j + 3] * qw).sum() for j in range(7)] for i in range(4)]
    native = net.complete(conv.get_output(0))
    plan = octile.build(native, tactics="first", int8=True)
    assert [layer.precision for layer in plan.layers() if layer.step == "Conv"] == [
        "int8 -> float32"
    ]
    np.testing.assert_array_equal(net.execute(conv.get_output(0), flags=[INT8])[0, 0], wanted)


def test_dequantize_to_half():
    net = Net()
    scale = net.constant(np.float32(0.5))
    q = net.network.add_quantize(net.input(normal(2, 2)), scale)
    dq = net.network.add_dequantize(q.get_output(0), scale, trt.float16)
    assert dq.get_output(0).dtype == trt.float16
