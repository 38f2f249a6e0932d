"""octile.Network, its handles and its short forms; ops and their attributes."""

import copy
import gc

import numpy as np
import pytest
from native_networks import ConvNet, rng

import octile
from octile import ops


def run(network, *arrays):
    return octile.Engine(octile.build(network, tactics="first")).create_context().run(list(arrays))


def made_by(build, *arrays):
    """The output of what `build(network, *inputs)` adds, its inferred shape checked."""
    network = octile.Network()
    inputs = [network.add_input(f"i{n}", a.dtype, a.shape) for n, a in enumerate(arrays)]
    output = build(network, *inputs)
    network.mark_output(output, "out")
    result = run(network, *arrays)["out"]
    assert result.shape == output.shape and result.dtype == output.dtype
    return result


X = rng().standard_normal((2, 3, 4, 4)).astype(np.float32)
Y = rng().standard_normal((2, 3, 4, 4)).astype(np.float32) + 0.5


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


W = rng().standard_normal((4, 6)).astype(np.float32)
C = np.arange(1, 4, dtype=np.float32)
SHORT_FORMS = {
    "activation": (lambda n, x: n.activation(x, "leaky_relu"), [X], np.where(X < 0, 0.01 * X, X)),
    "activation by kind": (
        lambda n, x: n.activation(x, ops.ActivationKind.CLIP, -0.5, 0.5),
        [X],
        np.clip(X, -0.5, 0.5),
    ),
    "elementwise": (lambda n, a, b: n.elementwise(a, b, "mul"), [X, Y], X * Y),
    "unary": (lambda n, x: n.unary(x, "exp"), [X], np.exp(X)),
    "reduce": (lambda n, x: n.reduce(x, "mean", (2, 3)), [X], X.mean((2, 3))),
    "reduce one": (
        lambda n, x: n.reduce(x, "sum", 1, keep_dims=True),
        [X],
        X.sum(1, keepdims=True),
    ),
    "matrix": (
        lambda n, a, b: n.matrix_multiply(a, b, transpose_b=True),
        [X, Y],
        X @ Y.swapaxes(2, 3),
    ),
    "fully connected": (lambda n, x: n.fully_connected(x, W, np.ones(6)), [X], X @ W + 1),
    "scale": (lambda n, x: n.scale(x, C, 2.0), [X], X * C.reshape(3, 1, 1) + 2),
    "batch norm": (
        lambda n, x: n.batch_norm(x, C, C, C, C),
        [X],
        C.reshape(3, 1, 1) * (X - C.reshape(3, 1, 1)) / np.sqrt(C.reshape(3, 1, 1) + 1e-5)
        + C.reshape(3, 1, 1),
    ),
    "average": (
        lambda n, x: n.pooling(x, "average", 2),
        [X],
        X.reshape(2, 3, 2, 2, 2, 2).mean((3, 5)),
    ),
    "global": (lambda n, x: n.pooling(x, "max"), [X], X.max((2, 3), keepdims=True)),
    "shuffle": (
        lambda n, x: n.shuffle(x, (0, 2, 3, 1), (0, -1), (1, 0)),
        [X],
        X.transpose(0, 2, 3, 1).reshape(2, -1).T,
    ),
    "reshape": (lambda n, x: n.reshape(x, (0, -1)), [X], X.reshape(2, -1)),
    "transpose": (lambda n, x: n.transpose(x, (3, 2, 1, 0)), [X], X.T),
    "concatenation": (lambda n, a, b: n.concatenation([a, b]), [X, Y], np.concatenate([X, Y], 1)),
    "slice": (lambda n, x: n.slice(x, (1, 0), (2, 2), (1, 2), (1, 3)), [X], X[:, 1:3, :, 0:3:2]),
    "padding": (
        lambda n, x: n.padding(x, (0, 0, 1, 0), (0, 0, 0, 2), value=7),
        [X],
        np.pad(X, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=7),
    ),
    "softmax": (lambda n, x: n.softmax(x), [X], softmax(X, -1)),
    "gather": (
        lambda n, x: n.gather(x, n.constant(np.array([2, 0])), 1),
        [X],
        X[:, [2, 0]],
    ),
    "resize": (
        lambda n, x: n.resize(x, scales=(1, 1, 2, 2), coordinates="asymmetric", rounding="floor"),
        [X],
        X.repeat(2, 2).repeat(2, 3),
    ),
    "select": (
        lambda n, a, b: n.select(n.elementwise(a, b, "greater"), a, b),
        [X, Y],
        np.where(X > Y, X, Y),
    ),
    "cast": (lambda n, x: n.cast(x, np.int32), [X * 9], (X * 9).astype(np.int32)),
    "identity": (lambda n, x: n.identity(x), [X], X),
    "quantize": (
        lambda n, x: n.dequantize(n.quantize(x, 0.25), 0.25),
        [X],
        np.clip(np.rint(X / 0.25), -128, 127) * np.float32(0.25),
    ),
}


@pytest.mark.parametrize("form", SHORT_FORMS)
def test_short_forms(form):
    build, arrays, expected = SHORT_FORMS[form]
    np.testing.assert_allclose(made_by(build, *arrays), expected, rtol=1e-5, atol=1e-6)


def test_deconvolution_undoes_a_strided_identity():
    kernel = np.zeros((3, 3, 2, 2), np.float32)
    kernel[range(3), range(3), 0, 0] = 1
    expected = np.zeros((2, 3, 8, 8), np.float32)
    expected[:, :, ::2, ::2] = X
    got = made_by(lambda n, x: n.deconvolution(x, kernel, stride=2), X)
    np.testing.assert_array_equal(got, expected)


def test_top_k_gives_both_outputs():
    network = octile.Network()
    values, indices = network.top_k(network.add_input("x", "float32", (2, 5)), 2)
    network.mark_output(values, "v")
    network.mark_output(indices, "i")
    x = np.array([[1, 5, 3, 5, 0], [2, 2, 9, 1, 8]], np.float32)
    got = run(network, x)
    assert got["v"].tolist() == [[5, 5], [9, 8]] and got["i"].tolist() == [[1, 3], [2, 4]]
    assert got["i"].dtype == np.int32


def test_default_names_are_tensorrts():
    network = octile.Network()
    y = network.convolution(network.add_input("x", "float32", (1, 1, 4, 4)), np.ones((1, 1, 3, 3)))
    assert y.name == "(Unnamed Layer* 0) [Convolution]_output"
    assert y.producer.name == "(Unnamed Layer* 0) [Convolution]"
    assert y.producer.inputs[1].value.shape == (1, 1, 3, 3)


def test_padding_before_and_after():
    network = octile.Network()
    x = network.add_input("x", "float32", (1, 1, 4, 4))
    y = network.convolution(x, np.ones((1, 1, 3, 3)), padding=(0, 1, 2, 3))
    assert y.producer.op.window.pad_before == (0, 1) and y.producer.op.window.pad_after == (2, 3)
    assert y.shape == (1, 1, 4, 6)
    with pytest.raises(octile.InvalidArgument, match="padding: 3 values"):
        network.convolution(x, np.ones((1, 1, 3, 3)), padding=(0, 1, 2))


def test_handles():
    net = ConvNet()
    network = net.network
    x = network.inputs[0]
    assert x == network.find_tensor("x") and hash(x) == hash(network.find_tensor("x"))
    assert x.shape == (-1, 3, 8, 8) and x.dtype == np.float32 and x.producer is None
    assert [layer.name for layer in x.consumers] == ["conv"]
    assert network.find_tensor("none") is None and network.find_layer("none") is None
    y = network.outputs[0]
    assert y.is_output and y.name == "y" and y.value is None and y.network is network
    y.name = "z"
    assert network.find_tensor("z") == y
    assert y.dynamic_range is None
    y.dynamic_range = (-1, 2)
    assert y.dynamic_range == (-1, 2)
    conv = network.find_layer("conv")
    assert conv.precision == "auto" and conv.scheme is None
    conv.precision, conv.scheme = "int8", "dynamic-symmetric"
    assert (conv.precision, conv.scheme) == ("int8", "dynamic-symmetric")
    np.testing.assert_array_equal(conv.inputs[1].value, net.weights)
    assert conv.output() == conv.outputs[0] and "conv" in repr(conv) and "conv" in str(network)
    with pytest.raises(octile.InvalidArgument, match="no output 1"):
        conv.output(1)


def test_editing():
    network = octile.Network()
    x = network.add_input("x", "float32", (2, 6))
    first = network.activation(x, "relu", name="a")
    second = network.activation(first, "sigmoid", name="b")
    network.mark_output(second)
    layer = second.producer
    layer.op = ops.Shuffle(has_reshape=True, dims=(3, 4))
    assert network.outputs[0].shape == (3, 4)
    with pytest.raises(octile.InvalidArgument, match="b"):
        layer.op = ops.Shuffle(has_reshape=True, dims=(5, 5))
    assert network.outputs[0].shape == (3, 4)
    layer.set_input(0, x)
    network.remove(first.producer)
    assert "removed" in repr(first)
    with pytest.raises(octile.InvalidArgument, match="removed"):
        print(first.shape)
    other = network.unary(x, "abs", name="c")
    network.replace_uses(x, other)
    assert layer.inputs == [other] and other.producer.inputs == [x]


def test_truncate_takes_back():
    net = ConvNet()
    before, text = net.network.layer_count, str(net.network)
    tail = net.network.unary(net.network.outputs[0], "exp")
    net.network.mark_output(net.network.unary(tail, "abs"), "more")
    net.network.truncate(before)
    assert str(net.network) == text and net.network.layer_count == before


def test_copies_are_independent():
    net = ConvNet()
    other = copy.copy(net.network)
    assert other.digest() == net.network.digest()
    other.outputs[0].name = "changed"
    other.mark_output(other.unary(other.outputs[0], "exp"))
    assert net.network.outputs[0].name == "y" and len(net.network.outputs) == 1
    with pytest.raises(octile.InvalidArgument, match="handles of one network"):
        net.network.unary(other.inputs[0], "exp")


def test_handles_outlive_the_network():
    y = ConvNet().network.outputs[0]
    gc.collect()
    assert y.name == "y" and y.producer.name == "pool" and y.network.name == "convnet"


def test_values_of_a_constant():
    network = octile.Network()
    floats, ints = ("float32", "float64", "float16"), ("int8", "int16", "int32", "int64", "uint8")
    for dtype in (*floats, *ints, "bool"):
        array = np.array([[0, 1, 3]]).astype(dtype)
        constant = network.constant(array, dtype)
        assert constant.dtype == np.dtype(dtype) and constant.name == dtype
        np.testing.assert_array_equal(constant.value, array)
    assert network.constant(2.5).shape == ()
    with pytest.raises(octile.InvalidArgument, match="complex128"):
        network.constant(np.array([1j]))
    with pytest.raises(TypeError):
        network.constant("text")


def test_every_op_is_there_and_prints_what_python_reads():
    classes = [c for c in vars(ops).values() if isinstance(c, type) and hasattr(c, "__eq__")]
    found = 0
    for cls in classes:
        try:
            op = cls()
        except TypeError:
            continue
        assert eval(repr(op), vars(ops)) == op and op == cls() and op != 1
        assert copy.deepcopy(op) == op
        found += 1
    assert found >= 45


def test_attributes_of_ops():
    op = ops.Convolution(ops.Window(kernel=[3, 3], pad_before=(1, 1)), groups=2)
    op.window.stride = (2, 2)
    op.window.mode = "same_upper"
    assert op.window.kernel == (3, 3) and op.window.stride == (2, 2)
    assert op.window.mode is ops.PaddingMode.SAME_UPPER
    assert op != ops.Convolution()
    assert eval(repr(op), vars(ops)) == op
    assert ops.Cast("int8").type == np.int8 and ops.Cast(np.dtype("int64")).type == np.int64
    rnn = ops.Recurrent("gru", activations=[ops.Activation("tanh", 1, 2)])
    assert rnn.activations[0].alpha == 1 and eval(repr(rnn), vars(ops)) == rnn
    pooling = ops.Pooling("average", global_=True)
    assert pooling.global_ and eval(repr(pooling), vars(ops)) == pooling
    with pytest.raises(octile.InvalidArgument, match="leaky_relu"):
        ops.Activation("leaky")
    with pytest.raises(TypeError):
        ops.Softmax(axes="1")
    with pytest.raises(TypeError):
        ops.Softmax(axis=1)


def test_onnx_node():
    def build(network, x):
        (y,) = network.onnx_node(
            "Einsum", [x, X[0, 0]], {"equation": "nchw,wk->nchk"}, name="product"
        )
        assert y.producer.name == "product"
        return y

    np.testing.assert_allclose(made_by(build, X), X @ X[0, 0], rtol=1e-5, atol=1e-6)
    network = octile.Network()
    x = network.add_input("x", "float32", (1, 4, 3))
    y, other = network.onnx_node("Split", [x, None], {"axis": 1, "num_outputs": 2}, outputs=2)
    assert y.shape == other.shape == (1, 2, 3)
    before = str(network)
    with pytest.raises(octile.Unsupported, match="Nothing"):
        network.onnx_node("Nothing", [x])
    with pytest.raises(octile.InvalidArgument):
        network.onnx_node("Softmax", [x], {"axle": 1})
    with pytest.raises(TypeError, match="attribute 'axis'"):
        network.onnx_node("Softmax", [x], {"axis": object()})
    assert str(network) == before


@pytest.mark.parametrize("start, end, step", [(0, -2, 2), (5, 1, -2), (-1, 0, -1), (1, -1, 1)])
def test_onnx_slices_of_an_unknown_extent(start, end, step):
    network = octile.Network()
    x = network.add_input("x", "float32", (-1, 3))
    lists = [np.array([value]) for value in (start, end, 0, step)]
    (y,) = network.onnx_node("Slice", [x, *lists])
    network.mark_output(y)
    plan = octile.build(network, profiles=[{"x": ((1, 3), (4, 3), (9, 3))}], tactics="first")
    context = octile.Engine(plan).create_context()
    for rows in (1, 2, 7, 9):
        array = np.random.default_rng(rows).random((rows, 3), np.float32)
        (result,) = context.run([array]).values()
        np.testing.assert_array_equal(result, array[start:end:step])
