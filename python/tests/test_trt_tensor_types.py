"""octile.tensorrt: types that programs set on inputs and outputs, and INT8 by dynamic ranges."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, fails

import octile
import octile.tensorrt as trt

RNG = np.random.default_rng(12)


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_an_output_of_another_type_is_cast(dtype):
    x = 5 * normal(2, 3)
    net = Net()
    tensor = net.network.add_identity(net.input(x)).get_output(0)
    net.network.mark_output(tensor)
    tensor.dtype = getattr(trt, dtype)
    np.testing.assert_array_equal(net.execute(tensor), x.astype(dtype))
    assert net.logger.warnings == []
    assert tensor.name == "(Unnamed Layer* 0) [Identity]_output"


def test_the_type_of_a_tensor_inside_has_no_effect():
    net = Net()
    x = normal(2, 3)
    inner = net.network.add_identity(net.input(x)).get_output(0)
    inner.dtype = trt.int32
    outer = net.network.add_identity(inner).get_output(0)
    np.testing.assert_array_equal(net.execute(outer), x)
    assert len(net.logger.warnings) == 1 and inner.name in net.logger.warnings[0]


def test_set_output_type_is_a_cast_behind_the_layer():
    x = 5 * normal(2, 3)
    net = Net()
    layer = net.network.add_activation(net.input(x), trt.ActivationType.RELU)
    layer.set_output_type(0, trt.int32)
    again = net.network.add_identity(layer.get_output(0)).get_output(0)
    assert layer.get_output(0).dtype == again.dtype == trt.int32
    np.testing.assert_array_equal(net.execute(again), np.maximum(x, 0).astype(np.int32))
    layer.reset_output_type(0)
    np.testing.assert_array_equal(net.execute(again), np.maximum(x, 0))


def test_an_int8_output_is_quantized_by_its_range():
    x = 50 * normal(4, 5)
    net = Net()
    tensor = net.network.add_identity(net.input(x)).get_output(0)
    net.network.mark_output(tensor)
    tensor.dtype = trt.int8
    with pytest.raises(Exception, match="dynamic range"):
        net.complete(tensor)
    tensor.dynamic_range = (-63.5, 63.5)
    y = net.execute(tensor)
    assert y.dtype == np.int8
    np.testing.assert_array_equal(y, np.clip(np.rint(x / np.float32(0.5)), -128, 127))


def test_an_int8_input_with_a_range_stands_for_floats():
    q = RNG.integers(-128, 128, (1, 2, 5, 5)).astype(np.int8)
    w = normal(3, 2, 3, 3)
    net = Net()
    x = net.input(q)
    layer = net.network.add_convolution_nd(x, 3, (3, 3), w)
    assert fails(layer.get_output(0))  # INT8 alone is no input of a float layer
    x.set_dynamic_range(-63.5, 63.5)
    assert layer.get_output(0).dtype == trt.float32
    y = net.execute(layer.get_output(0))
    cuts = np.stack([q[0, :, i : i + 3, j : j + 3].reshape(-1) for i in range(3) for j in range(3)])
    wanted = (0.5 * cuts @ w.reshape(3, -1).T).T.reshape(1, 3, 3, 3)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    native = net.complete(layer.get_output(0))
    assert native.inputs[0].dtype == np.dtype("int8")
    assert isinstance(native.inputs[0].consumers[0].op, octile.ops.Dequantize)


def test_half_and_bfloat16_are_shown_and_computed_in_float32():
    x = normal(1, 2, 4, 4).astype(np.float16)
    net = Net()
    layer = net.network.add_convolution_nd(net.input(x), 1, (1, 1), np.ones(2, np.float16))
    best = net.network.add_topk(layer.get_output(0), trt.TopKOperation.MAX, 2, 1 << 3)
    assert layer.get_output(0).dtype == best.get_output(0).dtype == trt.float16
    assert best.get_output(1).dtype == trt.int32
    wanted = x.astype(np.float32).sum(axis=1, keepdims=True)
    y = net.execute(layer.get_output(0))
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, wanted.astype(np.float16))
    bits = np.array([0x3F80, 0x4040], np.uint16)  # 1 and 3
    weights = trt.Weights(trt.bfloat16, bits.ctypes.data, 2)
    net = Net()
    constant = net.network.add_constant((2,), weights).get_output(0)
    assert constant.dtype == trt.bfloat16
    np.testing.assert_array_equal(net.execute(constant), [1, 3])


def test_a_layer_of_the_network_becomes_its_own_class():
    """Programs turn what network[i] gives into the layer's class by assigning __class__."""
    net = Net()
    net.network.add_convolution_nd(net.input(normal(1, 1, 4, 4)), 1, (2, 2), normal(4))
    layer = net.network[0]
    assert type(layer) is trt.ILayer and layer.type == trt.LayerType.CONVOLUTION
    layer.__class__ = trt.IConvolutionLayer
    layer.padding_nd = (1, 1)
    assert net.network.get_layer(0).get_output(0).shape == (1, 1, 5, 5)
    assert repr(trt.IConvolutionLayer) == "<class 'octile.tensorrt.IConvolutionLayer'>"


def test_formats_of_inputs_and_outputs_must_hold_the_linear_one():
    x, chw4 = normal(2, 3), 1 << int(trt.TensorFormat.CHW4)
    net = Net()
    inner = net.network.add_identity(net.input(x)).get_output(0)
    every = inner.allowed_formats
    inner.allowed_formats = chw4  # the builder decides what is inside
    assert inner.allowed_formats == every
    assert "not marked as input or output" in net.logger.warnings[0]
    tensor = net.network.add_identity(inner).get_output(0)
    net.network.mark_output(tensor)
    tensor.allowed_formats = chw4
    assert tensor.allowed_formats == chw4
    with pytest.raises(trt.UnsupportedError, match="allowed_formats of '.Unnamed Layer. 1."):
        net.execute(tensor)
    tensor.allowed_formats = chw4 | 1 << int(trt.TensorFormat.LINEAR)
    np.testing.assert_array_equal(net.execute(tensor), x)
    net.network.mark_output(inner)  # what was asked before, as programs of 8.x do
    assert inner.allowed_formats == chw4
    assert net.network.num_outputs == 2
    with pytest.raises(trt.UnsupportedError, match="allowed_formats of '.Unnamed Layer. 0."):
        net.builder.build_serialized_network(net.network, net.builder.create_builder_config())


def test_weighted_layers_run_in_int8_by_dynamic_ranges():
    """Convolution, FullyConnected and a product with a constant, its bias added by ElementWise."""
    net = Net()
    network, none = net.network, trt.MatrixOperation.NONE
    x = net.input(RNG.uniform(-1, 1, (2, 4, 8, 8)).astype(np.float32))
    conv = network.add_convolution_nd(x, 8, (3, 3), normal(8, 4, 3, 3), normal(8))
    full = network.add_fully_connected(conv.get_output(0), 16, normal(16, 288), normal(16))
    flat = network.add_shuffle(full.get_output(0))
    flat.reshape_dims = (-1, 16)
    product = network.add_matrix_multiply(
        flat.get_output(0), none, net.constant(normal(16, 5)), none
    )
    total = network.add_elementwise(
        product.get_output(0), net.constant(normal(1, 5)), trt.ElementWiseOperation.SUM
    )
    exact = net.execute(total.get_output(0))
    x.dynamic_range = (-1, 1)
    for layer, most in ((conv, 20), (full, 300), (flat, 300), (product, 800), (total, 800)):
        layer.get_output(0).dynamic_range = (-most, most)
    plan = octile.build(net.complete(total.get_output(0)), int8=True, tactics="first")
    weighted = [layer for layer in plan.layers() if layer.weight_bytes > 0]
    assert [layer.precision.split()[0] for layer in weighted] == ["int8"] * 3
    near = net.execute(total.get_output(0), flags=[trt.BuilderFlag.INT8])
    error = np.linalg.norm(near - exact) / np.linalg.norm(exact)
    assert 0 < error < 0.05
