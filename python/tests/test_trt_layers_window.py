"""octile.tensorrt: Convolution and Deconvolution against loops in NumPy, and PyTorch if there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from trt_network import Net, fails, one
from trt_windows import Mode, windows

import octile
import octile.tensorrt as trt

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


def convolved(x, w, bias, stride, dilation, before, after, mode, groups=1):
    result = {}
    c, m = x.shape[1] // groups, w.shape[0] // groups
    args = (w.shape[2:], stride, dilation, before, after, mode)
    for place, cut in windows(x, *args):
        cut = np.nan_to_num(cut)
        value = np.empty((x.shape[0], w.shape[0]))
        for g in range(groups):
            part = cut[:, g * c : (g + 1) * c].reshape(x.shape[0], -1)
            value[:, g * m : (g + 1) * m] = part @ w[g * m : (g + 1) * m].reshape(m, -1).T
        result[place] = value + bias
    out = tuple(max(p[a] for p in result) + 1 for a in range(x.ndim - 2))
    y = np.empty((x.shape[0], w.shape[0], *out))
    for place, value in result.items():
        y[(slice(None), slice(None), *place)] = value
    return y


@pytest.mark.parametrize("mode", ["EXPLICIT_ROUND_DOWN", "EXPLICIT_ROUND_UP", "SAME_UPPER"])
@pytest.mark.parametrize("stride,dilation", [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((2, 1), (2, 3))])
def test_convolution(mode, stride, dilation):
    x, w, b = normal(2, 3, 11, 12), normal(4, 3, 3, 2), normal(4)
    mode = getattr(Mode, mode)

    def edit(layer):
        layer.stride_nd = stride
        layer.dilation_nd = dilation
        layer.pre_padding = (1, 2)
        layer.post_padding = (2, 0)
        layer.padding_mode = mode

    layer, y = one(
        lambda n, t: n.add_convolution_nd(t, 4, (3, 2), trt.Weights(w), trt.Weights(b)),
        x,
        edit=edit,
    )
    wanted = convolved(x, w, b, stride, dilation, (1, 2), (2, 0), mode)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    assert layer.stride_nd == stride and layer.dilation == dilation and layer.padding_mode == mode


@pytest.mark.parametrize("mode", ["SAME_LOWER", "CAFFE_ROUND_DOWN", "CAFFE_ROUND_UP"])
def test_convolution_other_padding_modes(mode):
    x, w = normal(1, 2, 10, 7), normal(2, 2, 3, 4)
    mode = getattr(Mode, mode)

    def edit(layer):
        layer.stride = (2, 2)
        layer.pre_padding = (1, 2)
        layer.post_padding = (0, 0)  # Caffe's modes read the first only
        layer.padding_mode = mode

    _, y = one(lambda n, t: n.add_convolution(t, 2, (3, 4), w, None), x, edit=edit)
    wanted = convolved(x, w, 0, (2, 2), (1, 1), (1, 2), (0, 0), mode)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


def test_convolution_rounds_up_to_a_window_behind_the_image():
    x, w, b = normal(1, 1, 4, 4), normal(1, 1, 2, 2), normal(1)

    def edit(layer):
        layer.stride_nd = (3, 3)
        layer.post_padding = (1, 1)
        layer.padding_mode = Mode.EXPLICIT_ROUND_UP

    _, y = one(lambda n, t: n.add_convolution_nd(t, 1, (2, 2), w, b), x, edit=edit)
    wanted = convolved(x, w, b, (3, 3), (1, 1), (0, 0), (1, 1), Mode.EXPLICIT_ROUND_UP)
    assert y.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)


def test_convolution_is_edited_after_adding():
    """Everything that the constructor took, changed afterwards; groups; three axes."""
    x, w, b = normal(1, 4, 5, 6, 7), normal(6, 2, 3, 2, 1), normal(6)

    def edit(layer):
        layer.num_output_maps = 6
        layer.kernel_size_nd = (3, 2, 1)
        layer.kernel = trt.Weights(w)
        layer.bias = b
        layer.num_groups = 2
        layer.padding_nd = (1, 0, 2)

    net = Net()
    layer = net.network.add_convolution_nd(net.input(x), 1, (1, 1), np.zeros(1, np.float32))
    edit(layer)
    y = net.execute(layer.get_output(0))
    wanted = convolved(
        x, w, b, (1,) * 3, (1,) * 3, (1, 0, 2), (1, 0, 2), Mode.EXPLICIT_ROUND_DOWN, 2
    )
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    assert layer.padding_nd == (1, 0, 2) and layer.post_padding == (1, 0, 2)
    assert layer.stride_nd == (1, 1, 1)
    np.testing.assert_array_equal(layer.kernel, w.reshape(-1))


def test_convolution_on_more_leading_axes():
    """The channels stand before the window's axes, whatever the rank."""
    x, w = normal(2, 3, 4, 5, 6), normal(2, 4, 3, 3)
    layer, y = one(lambda n, t: n.add_convolution_nd(t, 2, (3, 3), w), x)
    wanted = convolved(
        x.reshape(6, 4, 5, 6), w, 0, (1, 1), (1, 1), (0, 0), (0, 0), Mode.EXPLICIT_ROUND_DOWN
    )
    np.testing.assert_allclose(y, wanted.reshape(2, 3, 2, 3, 4), rtol=1e-4, atol=1e-4)


def test_convolution_with_a_kernel_from_a_tensor():
    x, w, b = normal(1, 2, 6, 6), normal(3, 2, 3, 3), normal(3)
    net = Net()
    layer = net.network.add_convolution_nd(net.input(x), 3, (3, 3), trt.Weights(), trt.Weights(b))
    layer.set_input(1, net.constant(w))
    y = net.execute(layer.get_output(0))
    wanted = convolved(x, w, b, (1, 1), (1, 1), (0, 0), (0, 0), Mode.EXPLICIT_ROUND_DOWN)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    layer.kernel = w
    assert fails(layer.get_output(0))  # both a kernel and an input 1
    assert any("input 1" in text for text in net.logger.errors)


def test_convolution_is_a_native_one_with_constant_weights():
    x, w = normal(1, 2, 6, 6), normal(4, 2, 3, 3)
    net = Net()
    net.network.add_convolution_nd(net.input(x), 4, (3, 3), w)
    native = net.complete(net.network.get_layer(0).get_output(0))
    layer = native.find_layer("(Unnamed Layer* 0) [Convolution]")
    assert isinstance(layer.op, octile.ops.Convolution)
    np.testing.assert_array_equal(layer.inputs[1].value, w)
    assert layer.outputs[0].name == "(Unnamed Layer* 0) [Convolution]_output"


def test_half_weights_and_dynamic_batch():
    x, w = normal(3, 2, 6, 6), normal(4, 2, 3, 3).astype(np.float16)
    net = Net()
    layer = net.network.add_convolution_nd(net.input(x, shape=(-1, 2, 6, 6)), 4, (3, 3), w)
    assert layer.get_output(0).shape == (-1, 4, 4, 4)
    y = net.execute(layer.get_output(0))
    wanted = convolved(
        x, w.astype(np.float32), 0, (1, 1), (1, 1), (0, 0), (0, 0), Mode.EXPLICIT_ROUND_DOWN
    )
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


def test_wrong_arguments():
    net = Net()
    x = net.input(normal(1, 2, 6, 6))
    add = net.network.add_convolution_nd
    assert add(x, 0, (3, 3), np.zeros(18, np.float32)) is None
    assert add(x, 1, (3, 0), np.zeros(18, np.float32)) is None
    assert len(net.logger.errors) == 2 and "addConvolutionNd" in net.logger.errors[0]
    with pytest.raises(TypeError):
        add(None, 1, (3, 3), np.zeros(18, np.float32))
    with pytest.raises(TypeError):
        add(x, 1, (3, 3), "kernel")
    layer = add(x, 1, (3, 3), np.zeros(9, np.float32))  # two channels need 18
    assert layer.name == "(Unnamed Layer* 0) [Convolution]"
    assert fails(layer.get_output(0))
    assert "9" in net.logger.errors[-1] and "18" in net.logger.errors[-1]
    layer.stride_nd = (0, 1)
    assert layer.stride_nd == (1, 1) and "stride_nd" in net.logger.errors[-1]
    with pytest.raises(TypeError):
        layer.padding_mode = 2
    layer.kernel = np.zeros(18, np.float32)
    assert layer.get_output(0).shape == (1, 1, 4, 4)


def deconvolved(x, w, bias, stride, dilation, before, after, groups=1):
    """Each input element adds the kernel, then the paddings are cut off."""
    n, c = x.shape[:2]
    m = w.shape[1]
    out = [
        (i - 1) * s + 1 + d * (k - 1)
        for i, s, d, k in zip(x.shape[2:], stride, dilation, w.shape[2:])
    ]
    y = np.zeros((n, m * groups, *out))
    for place in itertools.product(*(range(e) for e in x.shape[2:])):
        to = tuple(
            slice(p * s, p * s + d * (k - 1) + 1, d)
            for p, s, d, k in zip(place, stride, dilation, w.shape[2:])
        )
        for channel in range(c):
            g = channel // (c // groups)
            value = x[(slice(None), channel, *place)].astype(np.float64)
            y[(slice(None), slice(g * m, (g + 1) * m), *to)] += np.multiply.outer(value, w[channel])
    cut = tuple(slice(b, e - a) for b, a, e in zip(before, after, out))
    return y[(slice(None), slice(None), *cut)] + np.reshape(bias, (-1, *(1,) * len(out)))


@pytest.mark.parametrize("groups", [1, 2])
def test_deconvolution(groups):
    x, w, b = normal(2, 4, 4, 5), normal(4, 6 // groups, 3, 2), normal(6)

    def edit(layer):
        layer.stride_nd = (2, 3)
        layer.dilation_nd = (1, 2)
        layer.pre_padding = (1, 0)
        layer.post_padding = (0, 2)
        layer.num_groups = groups

    net = Net()
    layer = net.network.add_deconvolution_nd(net.input(x), 6, (3, 2), w, b)
    edit(layer)
    y = net.execute(layer.get_output(0))
    wanted = deconvolved(x, w, b, (2, 3), (1, 2), (1, 0), (0, 2), groups)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", [Mode.SAME_UPPER, Mode.SAME_LOWER])
def test_deconvolution_same(mode):
    """Output min(I·S, (I − 1)·S + DK): a kernel smaller than the stride leaves no gap behind."""
    x, w = normal(1, 1, 4, 4), normal(1, 1, 5, 1)

    def edit(layer):
        layer.stride_nd = (2, 3)
        layer.padding_mode = mode

    _, y = one(lambda n, t: n.add_deconvolution_nd(t, 1, (5, 1), w), x, edit=edit)
    before, after = ((1, 0), (2, 0)) if mode == Mode.SAME_UPPER else ((2, 0), (1, 0))
    assert y.shape == (1, 1, 8, 10)
    wanted = deconvolved(x, w, 0, (2, 3), (1, 1), before, after)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


def test_convolution_against_torch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    x, w, b = normal(2, 4, 9, 9), normal(6, 2, 3, 3), normal(6)
    tx, tw, tb = (torch.from_numpy(v) for v in (x, w, b))

    def conv(layer):
        layer.stride_nd, layer.padding_nd, layer.num_groups = (2, 2), (1, 1), 2

    net = Net()
    layer = net.network.add_convolution_nd(net.input(x), 6, (3, 3), w, b)
    conv(layer)
    wanted = f.conv2d(tx, tw, tb, stride=2, padding=1, groups=2).numpy()
    np.testing.assert_allclose(net.execute(layer.get_output(0)), wanted, rtol=1e-4, atol=1e-4)
