"""octile.tensorrt: Resize, GridSample, NMS, ReverseSequence, Fill."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from trt_network import Net, one

import octile.tensorrt as trt

X = np.arange(60, dtype=np.float32).reshape(1, 3, 4, 5)
SIZE = (2, 3, 6, 10)
INT32, INT64 = np.int32, np.int64
LINEAR, CUBIC = trt.InterpolationMode.LINEAR, trt.InterpolationMode.CUBIC
PLACES, ROUNDS = trt.ResizeCoordinateTransformation, trt.ResizeRoundMode


def place(kind, o, size, extent, upper=False):
    """Where element o of `size` lies in an axis of `extent`."""
    if kind == PLACES.ALIGN_CORNERS:
        return 0.0 if size == 1 else o * (extent - 1) / (size - 1)
    if kind == PLACES.ASYMMETRIC:
        return o * extent / size
    return 0.0 if upper and size == 1 else (o + 0.5) * extent / size - 0.5


def resize_axis(x, axis, size, kind, mode, rounding, upper=False):
    extent, rows = x.shape[axis], []
    if extent == size:
        return x
    rounded = {
        ROUNDS.FLOOR: np.floor,
        ROUNDS.CEIL: np.ceil,
        ROUNDS.HALF_UP: lambda v: np.floor(v + 0.5),
        ROUNDS.HALF_DOWN: lambda v: np.ceil(v - 0.5),
    }[rounding]
    for o in range(size):
        at = place(kind, o, size, extent, upper)
        if mode == LINEAR:
            at = min(max(at, 0), extent - 1)
            low = int(at)
            high = min(low + 1, extent - 1)
            weight = at - low
            rows.append(x.take(low, axis) * (1 - weight) + x.take(high, axis) * weight)
        else:
            rows.append(x.take(int(min(max(rounded(at), 0), extent - 1)), axis))
    return np.stack(rows, axis)


def resize(x, size, kind=PLACES.ASYMMETRIC, mode=None, rounding=ROUNDS.FLOOR, upper=False):
    for axis, extent in enumerate(size):
        x = resize_axis(x, axis, extent, kind, mode, rounding, upper)
    return x


def settle(layer, kind, mode=None, rounding=ROUNDS.FLOOR):
    layer.coordinate_transformation, layer.nearest_rounding = kind, rounding
    if mode is not None:
        layer.resize_mode = mode
    return layer


def test_resize_defaults():
    layer, y = one(lambda n, x: n.add_resize(x), X)
    assert layer.resize_mode == layer.interpolation_mode == trt.InterpolationMode.NEAREST
    assert layer.coordinate_transformation == PLACES.ASYMMETRIC and not layer.align_corners
    assert layer.nearest_rounding == ROUNDS.FLOOR and layer.cubic_coeff == -0.75
    assert layer.selector_for_single_pixel == trt.ResizeSelector.FORMULA
    np.testing.assert_array_equal(y, X)
    _, y = one(lambda n, x: n.add_resize(x), X, edit=lambda r: setattr(r, "shape", SIZE))
    np.testing.assert_array_equal(y, resize(X, SIZE))


@pytest.mark.parametrize("kind", PLACES.__members__.values())
@pytest.mark.parametrize("rounding", ROUNDS.__members__.values())
@pytest.mark.parametrize("at_run_time", [False, True])
def test_resize_nearest(kind, rounding, at_run_time):
    net = Net()
    layer = settle(net.network.add_resize(net.input(X)), kind, None, rounding)
    if at_run_time:
        layer.set_input(1, net.input(INT32(SIZE)))
    else:
        layer.shape = SIZE
    y = net.run(layer.get_output(0))
    np.testing.assert_array_equal(y, resize(X, SIZE, kind, None, rounding))


@pytest.mark.parametrize("kind", PLACES.__members__.values())
@pytest.mark.parametrize("size", [(1, 3, 6, 10), (1, 3, 1, 3), (2, 3, 4, 1)])
@pytest.mark.parametrize("at_run_time", [False, True])
def test_resize_linear(kind, size, at_run_time):
    net = Net()
    layer = settle(net.network.add_resize(net.input(X)), kind, LINEAR)
    layer.selector_for_single_pixel = trt.ResizeSelector.UPPER
    if at_run_time:
        layer.set_input(1, net.input(INT64(size)))
        assert tuple(layer.get_output(0).shape) == (-1,) * 4
    else:
        layer.shape = size
    y = net.run(layer.get_output(0))
    np.testing.assert_allclose(y, resize(X, size, kind, LINEAR, upper=True), rtol=1e-5)


@pytest.mark.parametrize("mode, kind", list(itertools.product((LINEAR, CUBIC), (False, True))))
def test_resize_as_pytorch(mode, kind):
    torch = pytest.importorskip("torch")
    net = Net()
    layer = net.network.add_resize(net.input(X))
    layer.resize_mode = mode
    layer.shape = (1, 3, 9, 7)
    if kind:
        layer.align_corners = True
    else:
        layer.coordinate_transformation = PLACES.HALF_PIXEL
    name = "bilinear" if mode == LINEAR else "bicubic"
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(X), size=(9, 7), mode=name, align_corners=kind
    )
    np.testing.assert_allclose(net.run(layer.get_output(0)), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_resize_by_scales_and_by_constant_extents():
    net = Net()
    layer = net.network.add_resize(net.input(X, shape=(-1, 3, 4, 5)))
    layer.scales = np.array([1, 1, 1.5, 2.2])
    assert tuple(layer.get_output(0).shape) == (-1, 3, 6, 11)
    layer.scales = []
    layer.set_input(1, net.constant(INT32([1, 3, 6, 10])))
    assert tuple(layer.get_output(0).shape) == (1, 3, 6, 10)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), resize(X, (1, 3, 6, 10)))


def test_resize_to_multiples_of_the_extents():
    net = Net()
    network = net.network
    x = net.input(X, shape=(-1, 3, -1, -1))
    shape = network.add_shape(x).get_output(0)
    factors = net.constant(INT64([1, 1, 2, 3]))
    target = network.add_elementwise(shape, factors, trt.ElementWiseOperation.PROD).get_output(0)
    layer = network.add_resize(x)
    layer.set_input(1, target)
    assert tuple(layer.get_output(0).shape) == (-1, 3, -1, -1)
    native = net.complete(layer.get_output(0))
    assert "Resize" in [type(step.op).__name__ for step in native.layers]
    np.testing.assert_array_equal(net.run(layer.get_output(0)), resize(X, (1, 3, 8, 15)))


def test_resize_errors():
    net = Net()
    layer = net.network.add_resize(net.input(X))
    layer.shape = (1, 2)
    assert str(layer.get_output(0).shape) == "(-1)"
    layer.shape, layer.scales = SIZE, [1, 1, 1, 1]
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "both a shape and scales" in net.logger.errors[-1]
    layer = net.network.add_resize(net.input(X))
    layer.resize_mode = CUBIC
    layer.set_input(1, net.input(INT32(SIZE)))
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "CUBIC" in net.logger.errors[-1]


@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR", "CUBIC"])
@pytest.mark.parametrize("beside", ["FILL", "CLAMP", "REFLECT"])
@pytest.mark.parametrize("align", [False, True])
def test_grid_sample_as_pytorch(mode, beside, align):
    torch = pytest.importorskip("torch")
    # Beside the image PyTorch's cubic CLAMP moves the taps, ONNX's (and ours) the point.
    reach = 0.7 if (mode, beside) == ("CUBIC", "CLAMP") else 1.3
    grid = np.random.default_rng(3).uniform(-reach, reach, (1, 6, 7, 2)).astype(np.float32)

    def add(network, x, g):
        layer = network.add_grid_sample(x, g)
        layer.interpolation_mode = getattr(trt.InterpolationMode, mode)
        layer.sample_mode = getattr(trt.SampleMode, beside)
        layer.align_corners = align
        return layer

    _, y = one(add, X, grid)
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(X),
        torch.from_numpy(grid),
        mode={"NEAREST": "nearest", "LINEAR": "bilinear", "CUBIC": "bicubic"}[mode],
        padding_mode={"FILL": "zeros", "CLAMP": "border", "REFLECT": "reflection"}[beside],
        align_corners=align,
    )
    np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_grid_sample_at_pixels():
    ys, xs = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 5), indexing="ij")
    grid = np.stack([xs, ys], -1)[None].astype(np.float32)
    layer, y = one(
        lambda n, x, g: n.add_grid_sample(x, g),
        X,
        grid,
        edit=lambda s: setattr(s, "align_corners", True),
    )
    assert layer.interpolation_mode == LINEAR and layer.sample_mode == trt.SampleMode.FILL
    np.testing.assert_allclose(y, X, rtol=1e-5, atol=1e-5)
    net = Net()
    layer = net.network.add_grid_sample(net.input(X), net.input(grid))
    layer.sample_mode = trt.SampleMode.WRAP
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "SampleMode.WRAP" in net.logger.errors[-1]


def overlap(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.maximum(high - low, 0))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def kept(boxes, scores, most, threshold, least):
    """(image, class, box) of what is kept; boxes (N, B, C, 4), scores (N, B, C)."""
    rows = []
    for n, c in np.ndindex(scores.shape[0], scores.shape[2]):
        taken = []
        for b in np.argsort(-scores[n, :, c], kind="stable"):
            free = all(overlap(boxes[n, b, c], boxes[n, t, c]) <= threshold for t in taken)
            if scores[n, b, c] > least and free and len(taken) < most:
                taken.append(b)
        rows += [(n, c, b) for b in taken]
    return np.array(sorted(rows, key=lambda row: (row[0], -scores[row[0], row[2], row[1]])))


@pytest.mark.parametrize("own_boxes", [False, True])
@pytest.mark.parametrize("centers", [False, True])
def test_nms(own_boxes, centers):
    rng = np.random.default_rng(4)
    centre = rng.uniform(0, 1, (2, 20, 3 if own_boxes else 1, 2)).astype(np.float32)
    size = rng.uniform(0.2, 0.5, centre.shape).astype(np.float32)
    corners = np.concatenate([centre - size / 2, centre + size / 2], -1)
    boxes = np.concatenate([centre, size], -1) if centers else corners
    scores = rng.uniform(0, 1, (2, 20, 3)).astype(np.float32)
    net = Net()
    inputs = net.input(boxes if own_boxes else boxes[:, :, 0]), net.input(scores)
    layer = net.network.add_nms(*inputs, net.constant(INT32(5)), trt.int64)
    layer.set_input(3, net.constant(np.float32(0.3)))
    layer.set_input(4, net.constant(np.float32([0.25])))
    if centers:
        layer.bounding_box_format = trt.BoundingBoxFormat.CENTER_SIZES
    rows, count = layer.get_output(0), layer.get_output(1)
    assert (rows.dtype, count.dtype) == (trt.int64, trt.int32)
    assert (tuple(rows.shape), tuple(count.shape)) == ((-1, 3), ())
    found, number = net.run(rows, count)
    corners = np.broadcast_to(corners, (2, 20, 3, 4))
    np.testing.assert_array_equal(found, kept(corners, scores, 5, 0.3, 0.25))
    assert number == len(found)


def test_nms_looks_at_the_best_only():
    scores = np.linspace(0.1, 0.9, 30, dtype=np.float32).reshape(1, 10, 3)
    boxes = np.zeros((1, 10, 4), np.float32)
    boxes[0, :, 0] = np.arange(10) * 2
    boxes[0, :, 2:] = boxes[0, :, :2] + 1
    net = Net()
    layer = net.network.add_nms(net.input(boxes), net.input(scores), net.constant(INT32(30)))
    assert layer.topk_box_limit == 5000
    layer.topk_box_limit = 4
    found = net.run(layer.get_output(0))
    assert found.tolist() == [[0, 2, 9], [0, 1, 9], [0, 0, 9], [0, 2, 8]]
    assert found.dtype == INT32
    net.arrays["in1"] = scores * 0  # none is above the threshold
    assert net.run(layer.get_output(0)).shape == (0, 3)


def test_nms_needs_constants():
    net = Net()
    boxes, scores = net.input(np.zeros((1, 3, 4), np.float32)), net.input(np.zeros((1, 3, 2), "f4"))
    layer = net.network.add_nms(boxes, scores, net.input(INT32([3])))
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "known when the engine is built" in net.logger.errors[-1]
    assert net.network.add_nms(boxes, scores, net.constant(INT32(3)), trt.float32) is None


@pytest.mark.parametrize("batch, time", [(1, 0), (0, 1), (2, 0)])
@pytest.mark.parametrize("declared", [(3, 4, 5), (-1, -1, -1)])
def test_reverse_sequence(batch, time, declared):
    x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    lengths = INT32([3, 2, 1, 3, 2])[: x.shape[batch]]
    net = Net()
    layer = net.network.add_reverse_sequence(net.input(x, shape=declared), net.input(lengths))
    assert (layer.batch_axis, layer.sequence_axis) == (1, 0)
    layer.batch_axis, layer.sequence_axis = batch, time
    assert tuple(layer.get_output(0).shape) == declared
    expected = x.copy()
    for place_ in np.ndindex(x.shape):
        length, at = lengths[place_[batch]], list(place_)
        if at[time] < length:
            at[time] = length - 1 - at[time]
        expected[place_] = x[tuple(at)]
    np.testing.assert_array_equal(net.run(layer.get_output(0)), expected)


@pytest.mark.parametrize("dtype", [trt.float32, trt.int32, trt.int64])
def test_fill_in_steps(dtype):
    net = Net()
    layer = net.network.add_fill((4,), trt.FillOperation.LINSPACE, dtype)
    assert (layer.alpha, layer.beta, layer.is_alpha_beta_int64()) == (0, 1, False)
    y = layer.get_output(0)
    assert y.dtype == dtype and tuple(y.shape) == (4,)
    layer.alpha, layer.beta = 1000, -3
    assert layer.is_alpha_beta_int64()
    np.testing.assert_array_equal(net.run(y), 1000 - 3 * np.arange(4))
    layer.alpha = [5]  # TensorRT's binding takes what is no number without a word, and drops it
    assert layer.alpha == 1000


@pytest.mark.parametrize("known", ["all", "steps at run time", "shape at run time"])
def test_fill_by_tensors(known):
    net = Net()
    layer = net.network.add_fill((3, 4, 5), trt.FillOperation.LINSPACE)
    make = net.constant if known == "all" else net.input
    if known == "shape at run time":
        layer.set_input(0, net.input(INT32([3, 4, 5])))
    layer.set_input(1, make(np.float32(1000)))
    layer.set_input(2, make(np.float32([100, 10, 1])))
    shape = tuple(layer.get_output(0).shape)
    assert shape == ((-1,) * 3 if known == "shape at run time" else (3, 4, 5))
    i, j, k = np.ogrid[:3, :4, :5]
    np.testing.assert_array_equal(net.run(layer.get_output(0)), 1000 + 100 * i + 10 * j + k)


def test_fill_to_extents_of_what_is_found():
    x = (np.arange(60) % 7 == 3).astype(np.float32).reshape(3, 4, 5)
    net = Net()
    shape = net.network.add_shape(net.network.add_non_zero(net.input(x)).get_output(0))
    layer = net.network.add_fill([], trt.FillOperation.LINSPACE)
    layer.set_input(0, shape.get_output(0))
    layer.set_input(1, net.constant(np.float32(7)))
    layer.set_input(2, net.constant(np.float32([10, 1])))
    assert tuple(layer.get_output(0).shape) == (3, -1)
    count = np.count_nonzero(x)
    expected = 7 + 10 * np.arange(3)[:, None] + np.arange(count)
    np.testing.assert_array_equal(net.run(layer.get_output(0)), expected)


def test_fill_refuses():
    net = Net()
    for operation in (trt.FillOperation.RANDOM_UNIFORM, trt.FillOperation.RANDOM_NORMAL):
        with pytest.raises(trt.UnsupportedError, match=str(operation)):
            net.network.add_fill((4,), operation)
    assert net.network.add_fill((4,), trt.FillOperation.LINSPACE, trt.int8) is None
    layer = net.network.add_fill((4, 5), trt.FillOperation.LINSPACE)
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "input 2" in net.logger.errors[-1]
