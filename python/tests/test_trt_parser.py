"""OnnxParser: models become TensorRT's layers, run as they do natively, can be edited, fail."""

from __future__ import annotations

import pathlib
import struct

import numpy as np
import pytest
from trt_engine import Bench, run

import octile
import octile.tensorrt as trt
from octile import ops
from octile.tensorrt._onnx_values import declared

DATA = pathlib.Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
MODELS = {
    "mnist/mnist_cntk_opset7": ["CONVOLUTION", "POOLING", "MATRIX_MULTIPLY"],
    "cifar10-resnet/cifar10_resnet20": ["CONVOLUTION", "ELEMENTWISE", "SLICE"],
    "mlperf-tiny-kws/tiny_kws_dscnn_fp32": ["CONVOLUTION", "ACTIVATION", "SOFTMAX"],
    "mlperf-tiny-kws/tiny_kws_dscnn_qdq": ["QUANTIZE", "DEQUANTIZE"],
    "mobilenetv2-imagenet/mobilenetv2_1.0_224_fp32": ["CONVOLUTION", "REDUCE"],
    "mobilenetv2-imagenet/mobilenetv2_1.0_224_qdq": ["QUANTIZE", "CONVOLUTION"],
    "ultraface/version-slim-320": ["SCALE", "SHUFFLE", "CONCATENATION"],
    "coco-detect/FastestDet": ["GATHER", "RESIZE", "SHUFFLE"],
    "coco-detect/yolox_nano_416": ["RESIZE", "CONCATENATION"],
}
rng = np.random.default_rng(5)


class Calibrator(trt.IInt8EntropyCalibrator2):
    """One batch for each input, from host memory."""

    def __init__(self, **arrays):
        trt.IInt8EntropyCalibrator2.__init__(self)
        self.arrays, self.left, self.cache = arrays, 1, None

    def get_batch_size(self):
        return len(next(iter(self.arrays.values())))

    def get_batch(self, names):
        self.left -= 1
        return None if self.left < 0 else [self.arrays[name].ctypes.data for name in names]

    def read_calibration_cache(self):
        return self.cache

    def write_calibration_cache(self, cache):
        self.cache = bytes(cache)


def parsed(model, path=None):
    """A bench whose network is the model (bytes or a file)."""
    bench = Bench()
    parser = trt.OnnxParser(bench.network, bench.logger)
    ok = parser.parse(model) if isinstance(model, bytes) else parser.parse_from_file(str(model))
    assert ok and parser.num_errors == 0, bench.logger.errors
    bench.config.builder_optimization_level = 0  # no timing
    bench.parser = parser
    return bench


def layers(native):
    """What a native network is made of, whatever the order of its constants."""
    return sorted(
        (
            layer.name,
            repr(layer.op),
            [t.name for t in layer.inputs],
            [t.name for t in layer.outputs],
        )
        for layer in native.layers
    )


def small():
    """A native network with a layer of many kinds, whose names no default would give."""
    net = octile.Network("small")
    x = net.add_input("image", "float32", (-1, 4, 8, 8))
    kernel = rng.standard_normal((6, 2, 3, 3)).astype(np.float32)
    weights = net.constant(kernel, name="conv.weight")
    bias = net.constant(rng.standard_normal(6).astype(np.float32), name="conv.bias")
    window = ops.Window(kernel=[3, 3], stride=[2, 1], pad_before=[1, 0], pad_after=[1, 2])
    y = net.add(ops.Convolution(window=window, groups=2), [x, weights, bias], name="c1").output(0)
    y = net.activation(y, ops.ActivationKind.LEAKY_RELU, 0.25, name="leaky")
    window = ops.Window(kernel=[2, 2], stride=[2, 2])
    y = net.add(ops.Pooling(kind="average", window=window), [y], name="p1").output(0)
    shift = net.constant(np.full((6, 1, 1), 0.5, np.float32), name="shift")
    y = net.elementwise(y, shift, ops.ElementwiseKind.ADD, name="shifted")
    y = net.reshape(y, [0, -1], name="flat")
    matrix = net.constant(rng.standard_normal((48, 5)).astype(np.float32), name="fc.weight")
    y = net.add(ops.MatrixMultiply(), [y, matrix], name="fc").output(0)
    y = net.softmax(y, [1], name="soft")
    y.name = "probabilities"
    values, indices = net.add(ops.TopK(k=2, axis=1), [y], name="best").outputs
    net.mark_output(y)
    net.mark_output(indices)
    return net


def own_class(layer, name):
    layer.__class__ = getattr(trt, name)
    return layer


def find(network, name):
    return next(layer for layer in network if layer.name == name)


@pytest.mark.parametrize("name", MODELS)
def test_models_run_as_they_do_natively(name):
    file = DATA / f"{name}.onnx"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    bench, native = parsed(file), octile.import_onnx(file)
    kinds = {layer.type.name for layer in bench.network}
    assert set(MODELS[name]) <= kinds and "PLUGIN_V2" not in kinds
    mine, wanted = layers(bench.network._emission.complete()), layers(native)
    scales = [n for n in mine if n[0].endswith(".scale") and n not in wanted]
    assert [n for n in mine if n not in scales] == wanted
    assert bool(scales) == ("kws_dscnn_qdq" in name or "224_qdq" in name)

    x = bench.network.get_input(0)
    shape = tuple(1 if extent < 0 else extent for extent in x.shape)
    array = rng.random(shape, np.float32)
    bounds = {}
    if -1 in x.shape:
        bench.profile(**{x.name: (shape, shape, shape)})
        bounds = {"profiles": [{x.name: (shape, shape, shape)}]}
    quantized = "qdq" in name
    calibrator = Calibrator(**{x.name: array})
    bench.config.set_flag(trt.BuilderFlag.INT8)
    if not quantized:
        bench.config.int8_calibrator = calibrator
    engine = bench.engine()
    outputs = run(engine.create_execution_context(), **{x.name: array})

    table = None
    if not quantized:
        table = octile.CalibrationTable.from_tensorrt(calibrator.cache, "test")
        ours = octile.calibrate(native, [array], method="entropy")
        assert set(table) == set(ours)
        for key, entry in ours.items():
            assert table[key].threshold == pytest.approx(entry.threshold, rel=1e-6)
    plan = octile.build(native, table, int8=True, tactics="first", **bounds)
    wanted = octile.Engine(plan).create_context().run({x.name: array})
    assert list(outputs) == list(wanted)
    for key, value in wanted.items():
        np.testing.assert_array_equal(outputs[key], value)
    steps = [{s.name: s.precision for s in p.layers()} for p in (engine._native.plan, plan)]
    assert steps[0] == steps[1]


def by_attributes(network):
    """Makes all layers write themselves by their attributes, as after an edit."""
    for layer in network._layers:
        if "_origin" in layer.__dict__:
            layer._origin.count = -1
    return network._emission.complete()


@pytest.mark.parametrize("name", MODELS)
def test_attributes_of_models_say_all(name):
    file = DATA / f"{name}.onnx"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    bench, native = parsed(file), octile.import_onnx(file)
    for layer in bench.network:
        layer.__class__ = getattr(trt, layer._class.__name__, trt.ILayer)
        values = {key: getattr(layer, key) for key in dir(layer) if key[0] != "_"}
        assert values["num_outputs"] == 1
    x = native.inputs[0]
    shape = tuple(2 if extent < 0 else extent for extent in x.shape)
    options = {"tactics": "first", "int8": "qdq" in name}
    if -1 in x.shape:
        options["profiles"] = [{x.name: (shape, shape, shape)}]
    array = rng.random(shape, np.float32)
    plans = [octile.build(n, **options) for n in (native, by_attributes(bench.network))]
    first, second = (octile.Engine(plan).create_context().run(array) for plan in plans)
    for key, value in first.items():
        np.testing.assert_array_equal(second[key], value)


def shuffled(**attributes):
    return ops.Shuffle(first=[0, 2, 1, 3], second=[1, 0, 2], has_reshape=True, **attributes)


IMAGE = rng.standard_normal((2, 4, 6, 6)).astype(np.float32)
INDEX = np.array([[2, 0], [1, 3]])
OPS = {  # name → (op, inputs, class); arrays but the first are constants
    "deconvolution": (
        ops.Deconvolution(
            window=ops.Window(kernel=[3, 3], stride=[2, 2], pad_before=[1, 1], pad_after=[1, 1]),
            groups=2,
            output_padding=[1, 0],
        ),
        [IMAGE, rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(6)],
        "IDeconvolutionLayer",
    ),
    "same": (
        ops.Convolution(window=ops.Window(kernel=[3, 2], stride=[2, 2], mode="same_lower")),
        [IMAGE, rng.standard_normal((3, 4, 3, 2))],
        "IConvolutionLayer",
    ),
    "ceil": (
        ops.Pooling(window=ops.Window(kernel=[3, 3], stride=[2, 2], mode="ceil")),
        [IMAGE],
        "IPoolingLayer",
    ),
    "counted": (
        ops.Pooling(
            kind="average",
            window=ops.Window(kernel=[3, 3], pad_before=[1, 1], pad_after=[1, 1]),
            count_padding=True,
        ),
        [IMAGE],
        "IPoolingLayer",
    ),
    "global": (ops.Pooling(global_=True), [IMAGE], "IReduceLayer"),
    "selu": (
        ops.Activation(kind="selu", alpha=1.67, beta=1.05),
        [IMAGE],
        "IActivationLayer",
    ),
    "ranks": (ops.Elementwise(kind="sub"), [IMAGE, np.ones((4, 1, 1))], "IElementWiseLayer"),
    "power": (ops.Elementwise(kind="pow"), [np.abs(IMAGE), np.array(2.0)], "IElementWiseLayer"),
    "floor": (ops.Unary(kind="floor"), [IMAGE], "IUnaryLayer"),
    "isnan": (ops.Unary(kind="is_nan"), [IMAGE], "IUnaryLayer"),
    "reduce": (ops.Reduce(kind="mean", axes=[1, 3], keep_dims=True), [IMAGE], "IReduceLayer"),
    "total": (ops.Reduce(kind="sum"), [IMAGE], "IReduceLayer"),
    "product": (
        ops.MatrixMultiply(transpose_b=True),
        [IMAGE[0, 0], rng.standard_normal((5, 6)), rng.standard_normal(5)],
        "IMatrixMultiplyLayer",
    ),
    "batches": (ops.MatrixMultiply(), [IMAGE, np.ones((6, 2))], "IMatrixMultiplyLayer"),
    "vector": (ops.MatrixMultiply(), [IMAGE[0, 0], np.arange(6.0)], "IMatrixMultiplyLayer"),
    "broadcast vector": (ops.MatrixMultiply(), [IMAGE, np.arange(6.0)], "NativeLayer"),
    "vectors": (ops.MatrixMultiply(), [IMAGE[0, 0, 0], np.arange(6.0)], "IMatrixMultiplyLayer"),
    "shuffle": (shuffled(dims=[0, 24, -1]), [IMAGE], "IShuffleLayer"),
    "concatenation": (ops.Concatenation(axis=3), [IMAGE, IMAGE], "IConcatenationLayer"),
    "slice": (
        ops.Slice(axes=[3, 1], start=[-1, 1], size=[3, 2], stride=[-2, 1]),
        [IMAGE],
        "ISliceLayer",
    ),
    "reflect": (
        ops.Padding(kind="reflect", before=[0, 0, 1, 2], after=[0, 0, 2, 0]),
        [IMAGE],
        "ISliceLayer",
    ),
    "zeros": (ops.Padding(before=[0, 1, -1, 2], after=[0, 0, 2, -3]), [IMAGE], "ISliceLayer"),
    "softmax": (ops.Softmax(axes=[2]), [IMAGE], "ISoftMaxLayer"),
    "gather": (ops.Gather(axis=2), [IMAGE, INDEX], "IGatherLayer"),
    "scatter": (
        ops.ScatterElements(axis=1),
        [IMAGE[0, 0], INDEX, np.ones((2, 2))],
        "IScatterLayer",
    ),
    "select": (ops.Select(), [IMAGE > 0, IMAGE, np.zeros(6)], "ISelectLayer"),
    "linear": (
        ops.Resize(kind="linear", coordinates="align_corners", sizes=[2, 4, 9, 3]),
        [IMAGE],
        "IResizeLayer",
    ),
    "nearest": (
        ops.Resize(rounding="round_prefer_ceil", scales=[1, 1, 1.5, 2.5]),
        [IMAGE],
        "IResizeLayer",
    ),
    "cubic": (
        ops.Resize(kind="cubic", cubic_coefficient=-0.5, exclude_outside=True, scales=[1, 1, 2, 3]),
        [IMAGE],
        "IResizeLayer",
    ),
    "grid": (
        ops.GridSample(padding="border", align_corners=True),
        [IMAGE, rng.uniform(-1.5, 1.5, (2, 3, 3, 2))],
        "IGridSampleLayer",
    ),
    "cast": (ops.Cast(type="int32"), [IMAGE], "ICastLayer"),
    "quantize": (ops.Quantize(scale=[0.1, 0.2, 0.3, 0.4], axis=1), [IMAGE], "IQuantizeLayer"),
}


@pytest.mark.parametrize("name", OPS)
def test_attributes_of_operators_say_all(name):
    op, arrays, cls = OPS[name]
    net, arrays = (
        octile.Network(),
        [a.astype(np.float32) if a.dtype == float else a for a in arrays],
    )
    inputs = [net.add_input("x", arrays[0].dtype, arrays[0].shape)]
    inputs += [net.constant(array, name=f"c{i}") for i, array in enumerate(arrays[1:])]
    y = net.add(op, inputs, name="it").output(0)
    if y.dtype == np.int8:
        y = net.add(ops.Dequantize(scale=op.scale, axis=1), [y], name="back").output(0)
    net.mark_output(y)
    model = octile.export_onnx_bytes(net)
    bench, native = parsed(model), octile.import_onnx(model)
    assert find(bench.network, "it")._class.__name__ == cls
    edited = by_attributes(bench.network)
    results = []
    for network in (net, native, edited):
        plan = octile.build(network, tactics="first")
        results.append(octile.Engine(plan).create_context().run(arrays[0])[y.name])
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_allclose(results[2], results[0], rtol=1e-5, atol=1e-6)


def test_layers_are_tensorrts_own():
    bench = parsed(octile.export_onnx_bytes(small()))
    net = bench.network
    assert [net.get_output(i).name for i in range(net.num_outputs)] == [
        "probabilities",
        "best_output_2",
    ]
    assert tuple(net.get_input(0).shape) == (-1, 4, 8, 8)
    conv = find(net, "c1")
    assert type(conv) is trt.ILayer and conv.type == trt.LayerType.CONVOLUTION
    own_class(conv, "IConvolutionLayer")
    assert (conv.num_output_maps, conv.num_groups) == (6, 2)
    assert tuple(conv.stride_nd) == (2, 1) and tuple(conv.kernel_size_nd) == (3, 3)
    assert tuple(conv.pre_padding) == (1, 0) and tuple(conv.post_padding) == (1, 2)
    assert conv.kernel.shape == (6 * 2 * 9,) and conv.bias.shape == (6,)
    leaky = own_class(find(net, "leaky"), "IActivationLayer")
    assert (leaky.type, leaky.alpha) == (trt.ActivationType.LEAKY_RELU, 0.25)
    pool = own_class(find(net, "p1"), "IPoolingLayer")
    assert pool.type == trt.PoolingType.AVERAGE and tuple(pool.window_size_nd) == (2, 2)
    assert own_class(find(net, "shifted"), "IElementWiseLayer").op == trt.ElementWiseOperation.SUM
    assert tuple(own_class(find(net, "flat"), "IShuffleLayer").reshape_dims) == (0, -1)
    assert own_class(find(net, "soft"), "ISoftMaxLayer").axes == 2
    best = own_class(find(net, "best"), "ITopKLayer")
    assert (best.k, best.axes, best.op) == (2, 2, trt.TopKOperation.MAX)
    matrix = own_class(find(net, "fc.weight"), "IConstantLayer")
    assert tuple(matrix.shape) == (48, 5) and matrix.weights.size == 240
    names = [layer.name for layer in net]
    assert "conv.weight" not in names and "conv.bias" not in names  # they are the layer's weights


def edits():
    """(name, edit of the parsed network, the same edit of the native one)."""

    def with_op(name, **values):
        def change(native):
            layer = native.find_layer(name)
            op = layer.op
            for key, value in values.items():
                setattr(op, key, value)
            layer.op = op

        return change

    def alpha(net):
        own_class(find(net, "leaky"), "IActivationLayer").alpha = 0.5

    def kind(net):
        own_class(find(net, "shifted"), "IElementWiseLayer").op = trt.ElementWiseOperation.PROD

    def stride(net):
        own_class(find(net, "p1"), "IPoolingLayer").type = trt.PoolingType.MAX

    def best(net):
        own_class(find(net, "best"), "ITopKLayer").op = trt.TopKOperation.MIN

    yield "alpha", alpha, with_op("leaky", alpha=0.5)
    yield "op", kind, with_op("shifted", kind=ops.ElementwiseKind.MUL)
    yield "pooling", stride, with_op("p1", kind=ops.PoolingKind.MAX)
    yield "topk", best, with_op("best", largest=False)


@pytest.mark.parametrize(
    "name, edit, native_edit", list(edits()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_edits_change_the_engine(name, edit, native_edit):
    model = octile.export_onnx_bytes(small())
    bench, native = parsed(model), octile.import_onnx(model)
    array = rng.standard_normal((2, 4, 8, 8)).astype(np.float32)
    before = octile.Engine(octile.build(native, tactics="first", profiles=[two()])).create_context()
    before = before.run(array)
    edit(bench.network)
    native_edit(native)
    plan = octile.build(native, tactics="first", profiles=[two()])
    wanted = octile.Engine(plan).create_context().run(array)
    assert any((before[key] != wanted[key]).any() for key in wanted)  # the edit can be seen
    bench.profile(**two())
    outputs = run(bench.engine().create_execution_context(), image=array)
    for key, value in wanted.items():
        np.testing.assert_allclose(outputs[key], value, rtol=1e-5, atol=1e-6)


def two():
    return {"image": ((2, 4, 8, 8),) * 3}


def test_an_edited_kernel_is_used():
    bench = parsed(octile.export_onnx_bytes(small()))
    conv = own_class(find(bench.network, "c1"), "IConvolutionLayer")
    conv.kernel = np.zeros(108, np.float32)
    conv.bias = np.ones(6, np.float32)
    bench.network.mark_output(conv.get_output(0))
    bench.profile(**two())
    outputs = run(
        bench.engine().create_execution_context(), image=np.ones((2, 4, 8, 8), np.float32)
    )
    assert (outputs[conv.get_output(0).name] == 1).all()


def test_layers_can_be_added_behind_a_parsed_model():
    bench = parsed(octile.export_onnx_bytes(small()))
    net, y = bench.network, bench.network.get_output(0)
    net.unmark_output(y)
    z = net.add_unary(y, trt.UnaryOperation.NEG).get_output(0)
    z.name = "negated"
    net.mark_output(z)
    net.mark_output(y)
    bench.profile(**two())
    array = rng.standard_normal((2, 4, 8, 8)).astype(np.float32)
    outputs = run(bench.engine().create_execution_context(), image=array)
    assert list(outputs) == ["best_output_2", "negated", "probabilities"]
    np.testing.assert_array_equal(outputs["negated"], -outputs["probabilities"])


def test_several_layers_may_share_weights():
    net = octile.Network()
    x = net.add_input("x", "float32", (1, 2, 4, 4))
    weights = net.constant(rng.standard_normal((2, 2, 1, 1)).astype(np.float32), name="w")
    window = ops.Window(kernel=[1, 1])
    a = net.add(ops.Convolution(window=window), [x, weights], name="a").output(0)
    b = net.add(ops.Convolution(window=window), [a, weights], name="b").output(0)
    net.mark_output(b)
    model = octile.export_onnx_bytes(net)
    bench = parsed(model)
    assert layers(bench.network._emission.complete()) == layers(octile.import_onnx(model))
    own_class(find(bench.network, "a"), "IConvolutionLayer").kernel = np.ones(4, np.float32)
    array = rng.standard_normal((1, 2, 4, 4)).astype(np.float32)
    outputs = run(bench.engine().create_execution_context(), x=array)
    summed = np.repeat(array.sum(axis=1, keepdims=True), 2, axis=1)
    wanted = np.einsum("oi,nihw->nohw", weights.value[:, :, 0, 0], summed)
    np.testing.assert_allclose(outputs[b.name], wanted, rtol=1e-5, atol=1e-5)


def test_what_tensorrts_layer_cannot_express_refuses_edits():
    net = octile.Network()
    x = net.add_input("x", "float32", (-1, 8))
    y = net.add(ops.Slice(axes=[0], start=[1], size=[-1], stride=[1]), [x], name="rest").output(0)
    net.mark_output(y)
    bench = parsed(octile.export_onnx_bytes(net))
    layer = own_class(bench.network.get_layer(0), "ISliceLayer")
    assert layer.type == trt.LayerType.SLICE and tuple(layer.get_output(0).shape) == (-1, 8)
    layer.start = (0, 0)
    assert str(layer.get_output(0).shape) == "(-1)"
    assert "edit the model instead" in bench.error()


def test_errors_name_the_node():
    net = octile.Network()
    x = net.add_input("x", "float32", (1, 4))
    net.mark_output(net.unary(x, ops.UnaryKind.SINH, name="fine"))
    model = octile.export_onnx_bytes(net).replace(b"\x22\x04Sinh", b"\x22\x04Sunk")
    bench = Bench()
    parser = trt.OnnxParser(bench.network, bench.logger)
    assert parser.parse(model) is False and parser.num_errors == 1
    error = parser.get_error(0)
    assert (error.code(), error.node(), error.node_name()) == (
        trt.ErrorCode.INVALID_NODE,
        0,
        "fine",
    )
    assert error.node_operator() == "Sunk" and "Sunk" in error.desc()
    assert str(error).startswith("In node 0 with name: fine and operator: Sunk (import_onnx): ")
    assert error.local_function_stack() == [] and error.local_function_stack_size() == 0
    assert "Sunk" in bench.error() and bench.network.num_layers == 0
    assert parser.num_subgraphs == 1 and not parser.is_subgraph_supported(0)
    assert parser.supports_model(model) == (False, [([0], False)])
    assert parser.get_error(parser.num_errors) is None and parser.get_error(-1) is None
    parser.clear_errors()
    assert parser.num_errors == 0
    assert parser.parse(b"nothing of the kind") is False
    assert parser.get_error(0).code() == trt.ErrorCode.MODEL_DESERIALIZE_FAILED
    assert parser.parse_from_file("/nowhere/model.onnx") is False
    assert "/nowhere/model.onnx" in bench.error()
    with pytest.raises(TypeError):
        trt.OnnxParser(bench.builder, bench.logger)


def test_supported_models_and_operators():
    model = octile.export_onnx_bytes(small())
    bench = Bench()
    parser = trt.OnnxParser(bench.network, bench.logger)
    supported, graphs = parser.supports_model(model)
    assert supported and isinstance(graphs, trt.SubGraphCollection)
    assert graphs == [(parser.get_subgraph_nodes(0), True)] and parser.num_subgraphs == 1
    assert parser.get_subgraph_nodes(0) == list(range(len(octile.onnx_nodes(model))))
    assert parser.parse(model) and bench.network.num_inputs == 1  # which it put there already
    assert parser.supports_operator("Conv") and not parser.supports_operator("Sunk")
    tensor = parser.get_layer_output_tensor("c1", 0)
    assert tensor is find(bench.network, "c1").get_output(0)
    assert parser.get_layer_output_tensor("c1", 1) is None
    assert parser.get_layer_output_tensor("no such node", 0) is None
    assert parser.get_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM) and parser.flags == 1
    parser.clear_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
    assert parser.flags == 0
    with pytest.raises(trt.UnsupportedError, match="DLA"):
        parser.set_flag(trt.OnnxParserFlag.ADJUST_FOR_DLA)
    assert parser.set_builder_config(bench.config) and parser.get_used_vc_plugin_libraries() == []


def test_initializers_from_memory():
    net = octile.Network()
    x = net.add_input("x", "float32", (1, 3))
    bias = net.constant(np.zeros(3, np.float32), name="bias")
    y = net.elementwise(x, bias, ops.ElementwiseKind.ADD, name="sum")
    net.mark_output(y)
    bench = Bench()
    parser = trt.OnnxParser(bench.network, bench.logger)
    assert not parser.parse_model_proto()
    assert parser.load_model_proto(octile.export_onnx_bytes(net))
    values = np.array([1, 2, 3], np.float32)
    assert not parser.load_initializer("bias", 8, 12) and "bias" in bench.error()
    assert parser.load_initializer("bias", values.ctypes.data, values.nbytes)
    assert parser.parse_model_proto(), bench.logger.errors
    outputs = run(bench.engine().create_execution_context(), x=np.zeros((1, 3), np.float32))
    np.testing.assert_array_equal(outputs[y.name], [[1, 2, 3]])


def test_a_taken_input_name_leaves_the_network_as_it_was():
    bench = Bench()
    bench.network.add_input("image", trt.float32, (1, 2))
    parser = trt.OnnxParser(bench.network, bench.logger)
    assert not parser.parse(octile.export_onnx_bytes(small()))
    assert "image" in bench.error() and bench.network.num_layers == 0
    assert bench.network.num_inputs == 1


def test_half_inputs_and_outputs_are_half():
    net = octile.Network()
    x = net.add_input("x", "float16", (-1, 3))
    y = net.unary(net.cast(x, "float32", name="up"), ops.UnaryKind.SQRT, name="root")
    net.mark_output(net.cast(y, "float16", name="down"))
    net.mark_output(y)
    bench = parsed(octile.export_onnx_bytes(net))
    bench.profile(x=((1, 3), (1, 3), (2, 3)))
    engine = bench.engine()
    names = [engine.get_tensor_name(i) for i in range(3)]
    assert [engine.get_tensor_dtype(n) for n in names] == [trt.float16, trt.float16, trt.float32]
    outputs = run(engine.create_execution_context(), x=np.array([[1, 2, 4]], np.float16))
    root = np.sqrt(np.array([[1, 2, 4]], np.float32))
    np.testing.assert_array_equal(outputs[names[1]], root.astype(np.float16))
    np.testing.assert_allclose(outputs[names[2]], root, rtol=1e-6)


def test_extents_have_the_models_names():
    net = octile.Network()
    x = net.add_input("x", "float32", (-1, 3))
    net.mark_output(net.unary(x, ops.UnaryKind.SQRT, name="root"))
    model = octile.export_onnx_bytes(net)
    name = next(iter(declared(model)["x"].names))
    assert name and declared(model)["x"].dtype is None
    model = model.replace(
        b"\x12" + bytes([len(name)]) + name.encode(),
        b"\x12" + bytes([len(name)]) + b"B" * len(name),
    )
    tensor = parsed(model).network.get_input(0)
    assert tensor.get_dimension_name(0) == "B" * len(name)
    assert tensor.get_dimension_name(1) is None
    assert declared(b"no model") == {}


def test_int64_outputs_are_told():
    net = octile.Network()
    x = net.add_input("x", "float32", (1, 3))
    net.mark_output(net.cast(x, "int64", name="whole"))
    bench = parsed(octile.export_onnx_bytes(net))
    assert any("Int64 binding" in text for text in bench.logger.warnings)
    outputs = run(bench.engine().create_execution_context(), x=np.full((1, 3), 2.5, np.float32))
    assert next(iter(outputs.values())).tolist() == [[2, 2, 2]]


def test_caches_of_other_builds_match_by_the_models_names():
    model, array = octile.export_onnx_bytes(small()), rng.random((2, 4, 8, 8), np.float32)
    bench = parsed(model)
    bench.profile(**two())
    bench.config.set_flag(trt.BuilderFlag.INT8)
    bench.config.int8_calibrator = calibrator = Calibrator(image=array)
    assert bench.bytes() is not None
    lines = calibrator.cache.decode().splitlines()[1:]
    scales = {
        k: struct.unpack("!f", bytes.fromhex(v))[0] for k, v in (s.split(": ") for s in lines)
    }
    assert {"image", "probabilities", "c1_output"} <= set(scales)
    assert scales["image"] == pytest.approx(array.max() / 127, rel=0.1)
