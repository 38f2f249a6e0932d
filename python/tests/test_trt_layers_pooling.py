"""octile.tensorrt: Pooling against loops in NumPy, and PyTorch if there."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import one
from trt_windows import Mode, windows

import octile.tensorrt as trt

RNG = np.random.default_rng(11)


def normal(*shape):
    return RNG.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("mode", list(Mode.__members__.values()) + [Mode.CAFFE_ROUND_UP])
@pytest.mark.parametrize("kind", ["MAX", "AVERAGE"])
@pytest.mark.parametrize("excludes", [True, False])
def test_pooling(mode, kind, excludes):
    x = normal(1, 2, 9, 8)

    def edit(layer):
        layer.stride_nd = (2, 3)
        layer.padding_nd = (1, 0)
        layer.padding_mode = mode
        layer.average_count_excludes_padding = excludes

    kind = getattr(trt.PoolingType, kind)
    _, y = one(lambda n, t: n.add_pooling_nd(t, kind, (3, 2)), x, edit=edit)
    for place, cut in windows(x, (3, 2), (2, 3), (1, 1), (1, 0), (1, 0), mode):
        if kind == trt.PoolingType.MAX:
            wanted = np.nanmax(cut, axis=(2, 3))
        elif excludes:
            wanted = np.nanmean(cut, axis=(2, 3))
        else:
            continue  # below
        got = y[(slice(None), slice(None), *place)]
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_average_pooling_counts_padding():
    x = np.ones((1, 1, 4, 4), np.float32)

    def edit(layer):
        layer.padding = (1, 1)
        layer.average_count_excludes_padding = False

    _, y = one(lambda n, t: n.add_pooling(t, trt.PoolingType.AVERAGE, (3, 3)), x, edit=edit)
    np.testing.assert_allclose(y[0, 0, 0], np.array([4, 6, 6, 4]) / 9, rtol=1e-6)


def test_pooling_defaults_and_blend():
    x = normal(1, 2, 6, 5)
    kind = trt.PoolingType.MAX_AVERAGE_BLEND

    def edit(layer):
        assert layer.stride_nd == (1, 1) and layer.blend_factor == 0
        assert layer.average_count_excludes_padding
        assert layer.padding_mode == Mode.EXPLICIT_ROUND_DOWN
        layer.blend_factor = 0.25

    layer, y = one(lambda n, t: n.add_pooling_nd(t, kind, (2, 2)), x, edit=edit)
    assert layer.type == kind and layer.window_size_nd == (2, 2)
    cuts = np.stack([x[:, :, i : i + 5, j : j + 4] for i in (0, 1) for j in (0, 1)])
    wanted = 0.75 * cuts.max(axis=0) + 0.25 * cuts.mean(axis=0)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_pooling_in_three_axes_and_of_low_and_high_rank():
    x = normal(1, 2, 4, 5, 6)
    _, y = one(lambda n, t: n.add_pooling_nd(t, trt.PoolingType.MAX, (2, 2, 3)), x)
    cuts = [
        x[:, :, i : i + 3, j : j + 4, k : k + 4]
        for i in range(2)
        for j in range(2)
        for k in range(3)
    ]
    np.testing.assert_array_equal(y, np.max(cuts, axis=0))
    for shape in ((3, 4, 5), (2, 3, 2, 4, 5)):
        x = normal(*shape)
        _, y = one(lambda n, t: n.add_pooling_nd(t, trt.PoolingType.MAX, (2, 2)), x)
        cuts = [x[..., i : i + 3, j : j + 4] for i in (0, 1) for j in (0, 1)]
        np.testing.assert_array_equal(y, np.max(cuts, axis=0))


def test_pooling_against_torch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    x = normal(2, 4, 9, 9)

    def pool(layer):
        layer.stride_nd, layer.padding_nd = (2, 2), (1, 1)
        layer.padding_mode = Mode.CAFFE_ROUND_UP
        layer.average_count_excludes_padding = False

    for kind, torch_pool in (
        (trt.PoolingType.MAX, f.max_pool2d),
        (trt.PoolingType.AVERAGE, f.avg_pool2d),
    ):
        _, y = one(lambda n, t, kind=kind: n.add_pooling_nd(t, kind, (3, 3)), x, edit=pool)
        wanted = torch_pool(torch.from_numpy(x), 3, 2, 1, ceil_mode=True).numpy()
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
