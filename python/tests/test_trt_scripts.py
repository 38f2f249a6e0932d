"""octile.tensorrt: small habits of public scripts that no other test is about."""

from __future__ import annotations

import numpy as np
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
