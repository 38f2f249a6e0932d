"""octile.tensorrt: small habits of public scripts that no other test is about."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net

import octile
import octile.tensorrt as trt


def model_bytes():
    native = octile.Network("m")
    x = native.add_input("x", "float32", (2, 3))
    native.mark_output(native.elementwise(x, x, name="twice"), "y")
    return octile.export_onnx_bytes(native)


def test_private_itemsize():
    assert trt._itemsize(trt.float32) == 4 and trt._itemsize(trt.int4) == 0.5


def test_a_supported_model_is_in_the_network_once():
    for ask in ("supports_model", "supports_model_v2"):
        net = Net()
        parser, model = trt.OnnxParser(net.network, net.logger), model_bytes()
        answer = getattr(parser, ask)(model)
        assert answer == ((True, [([0], True)]) if ask == "supports_model" else True)
        assert net.network.num_layers == 1 and net.network.num_outputs == 1
        assert parser.parse(model)  # scripts that ask first and parse then
        assert net.network.num_layers == 1
        net.arrays["x"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(net.execute(net.network.get_output(0)), 2 * net.arrays["x"])


def test_weights_are_marked_refittable_by_name():
    network = Net().network
    assert not network.are_weights_marked_refittable("w")
    assert network.mark_weights_refittable("w")
    assert network.are_weights_marked_refittable("w")
    assert network.unmark_weights_refittable("w")
    assert not network.are_weights_marked_refittable("w")


def test_shape_values_for_an_input_that_gives_no_shape_are_told():
    net, x = Net(), np.array([1, 2, 3], np.int32)
    tensor = net.network.add_identity(net.input(x, "x")).get_output(0)
    net.network.mark_output(tensor)
    config = net.builder.create_builder_config()
    profile = net.builder.create_optimization_profile()
    profile.set_shape_input("x", [1, 1, 1], [1, 2, 3], [4, 4, 4])
    config.add_optimization_profile(profile)
    assert net.builder.build_serialized_network(net.network, config) is not None
    assert net.logger.warnings == ["x: shape values set for non-shape input in profile 0."]


def test_networks_have_tensorrt_s_name():
    network = Net().network
    assert network.name == "Unnamed Network 0"
    network.name = "mine"
    assert network.name == "mine"


def test_layers_of_strongly_typed_networks_take_no_requests():
    net, x = Net(), np.array([[1, 2.5, -3]], np.float32)
    net.network = net.builder.create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    )
    layer = net.network.add_identity(net.input(x))
    layer.set_output_type(0, trt.float16)
    layer.precision = trt.int8
    for function, text in zip(("setOutputType", "setPrecision"), net.logger.errors):
        assert f"ILayer::{function}: Error Code 3" in text
        assert "cannot be called for a strongly typed network" in text
    assert len(net.logger.errors) == 2
    assert not layer.output_type_is_set(0) and not layer.precision_is_set
    assert layer.get_output(0).dtype == trt.float32
    np.testing.assert_array_equal(net.execute(layer.get_output(0)), x)


def test_layers_are_of_one_rank():
    net = Net()
    layer = net.network.add_identity(net.input(np.zeros((1, 2), np.float32)))
    layer.num_ranks = 1
    with pytest.raises(trt.UnsupportedError, match="ILayer.num_ranks"):
        layer.num_ranks = 2
    assert layer.num_ranks == 1
