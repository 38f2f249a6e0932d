"""octile.tensorrt: LRN and Normalization."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net, fails, one

import octile.tensorrt as trt

RNG = np.random.default_rng(9)


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(2, 7, 3, 4), (5, 3, 2)])
@pytest.mark.parametrize("window", [1, 3, 5])
def test_lrn(shape, window):
    x = normal(*shape)

    def edit(layer):
        layer.window_size, layer.alpha, layer.beta, layer.k = window, 0.7, 0.6, 1.5

    layer, y = one(lambda n, t: n.add_lrn(t, 3, 1.0, 1.0, 1.0), x, edit=edit)
    square = np.moveaxis(x.astype(np.float64) ** 2, -3, 0)
    half = window // 2
    sums = [square[max(c - half, 0) : c + half + 1].sum(axis=0) for c in range(len(square))]
    sums = np.moveaxis(np.stack(sums), 0, -3)
    np.testing.assert_allclose(y, x / (1.5 + 0.7 / window * sums) ** 0.6, rtol=1e-5)
    assert layer.window_size == window and layer.name == "(Unnamed Layer* 0) [LRN]"


def test_lrn_bounds():
    net = Net()
    x = net.input(normal(1, 3, 2, 2))
    for window, alpha, beta, k in ((2, 1, 1, 1), (17, 1, 1, 1), (3, 1, 0, 1), (3, 1, 1, 0)):
        assert net.network.add_lrn(x, window, alpha, beta, k) is None
    assert len(net.logger.errors) == 4


def normalized(x, axes, epsilon):
    x = x.astype(np.float64)
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


@pytest.mark.parametrize("version", ["add_normalization", "add_normalization_v2"])
@pytest.mark.parametrize("axes", [(2, 3), (1, 2, 3), (3,), (1,)])
def test_normalization(version, axes):
    x = 3 + normal(2, 3, 4, 5)
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    scale, bias = normal(*shape), normal(*shape)

    def edit(layer):
        assert layer.epsilon == pytest.approx(1e-5) and layer.num_groups == 1
        assert layer.compute_precision == trt.float32
        layer.axes = sum(1 << a for a in axes)
        layer.epsilon = 0.01

    layer, y = one(
        lambda n, t, s, b: getattr(n, version)(t, s, b, 1 << 2), x, scale, bias, edit=edit
    )
    np.testing.assert_allclose(y, normalized(x, axes, 0.01) * scale + bias, rtol=1e-4, atol=1e-5)
    assert layer.is_v2 == (version == "add_normalization_v2")
    assert type(layer) is trt.INormalizationLayer
    word = "NormalizationV2" if layer.is_v2 else "Normalization"
    assert layer.name == f"(Unnamed Layer* 0) [{word}]"


@pytest.mark.parametrize("batch", [2, -1])
@pytest.mark.parametrize("version", ["add_normalization", "add_normalization_v2"])
def test_group_normalization(version, batch):
    """scale and bias are the groups' in the first version, the channels' in the second."""
    x = 3 + normal(2, 6, 4, 5)
    count = 6 if version == "add_normalization_v2" else 3
    scale, bias = normal(1, count, 1, 1), normal(1, count, 1, 1)
    net = Net()
    layer = getattr(net.network, version)(
        net.input(x, shape=(batch, 6, 4, 5)),
        net.constant(scale),
        net.constant(bias),
        1 << 2 | 1 << 3,
    )
    layer.num_groups = 3
    y = net.execute(layer.get_output(0))
    wanted = normalized(x.reshape(2, 3, 2, 4, 5), (2, 3, 4), 1e-5).reshape(x.shape)
    scale, bias = (np.repeat(v, 6 // count, axis=1) for v in (scale, bias))
    np.testing.assert_allclose(y, wanted * scale + bias, rtol=1e-4, atol=1e-5)


def test_normalization_in_half_precision_rounds():
    x = normal(1, 2, 3, 4)
    ones, zeros = np.ones((1, 2, 1, 1), np.float32), np.zeros((1, 2, 1, 1), np.float32)

    def edit(layer):
        layer.compute_precision = trt.float16

    _, y = one(lambda n, t, s, b: n.add_normalization_v2(t, s, b, 12), x, ones, zeros, edit=edit)
    np.testing.assert_array_equal(y, y.astype(np.float16).astype(np.float32))
    np.testing.assert_allclose(y, normalized(x, (2, 3), 1e-5), atol=2e-3)


def test_normalization_errors():
    net = Net()
    x, scale = net.input(normal(1, 4, 3, 3)), net.input(normal(4))
    layer = net.network.add_normalization(x, scale, scale, 12)
    assert fails(layer.get_output(0)) and "rank" in net.logger.errors[0]
    assert net.network.add_normalization(x, scale, scale, 0) is None
    wide = net.input(normal(1, 4, 1, 1))
    layer = net.network.add_normalization_v2(x, wide, wide, 12)
    layer.num_groups = 3
    assert fails(layer.get_output(0)) and "groups" in net.logger.errors[-1]
    layer.compute_precision = trt.int8
    assert layer.compute_precision == trt.float32


def test_group_normalization_against_torch():
    torch = pytest.importorskip("torch")
    x, s, b = normal(2, 6, 4, 4), normal(6), normal(6)

    def edit(layer):
        layer.num_groups = 2

    net = Net()
    layer = net.network.add_normalization_v2(
        net.input(x), net.constant(s.reshape(1, 6, 1, 1)), net.constant(b.reshape(1, 6, 1, 1)), 12
    )
    edit(layer)
    wanted = torch.nn.functional.group_norm(
        torch.from_numpy(x), 2, torch.from_numpy(s), torch.from_numpy(b)
    )
    np.testing.assert_allclose(
        net.execute(layer.get_output(0)), wanted.numpy(), rtol=1e-4, atol=1e-5
    )
