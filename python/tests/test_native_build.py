"""octile.build with samples and recipes, quantize, ONNX, compare and files of samples."""

import pathlib

import numpy as np
import pytest
from native_networks import ConvNet, failing

import octile

DATA = pathlib.Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="module")
def net():
    return ConvNet()


@pytest.fixture(scope="module")
def table(net):
    return octile.calibrate(net.network, net.samples())


def test_int8_from_a_table_and_from_samples(net, table):
    plan = net.build(table, int8=True)
    assert any("int8" in layer.precision for layer in plan.layers())
    same = net.build(int8=True, samples=net.samples())
    assert plan.serialize() == same.serialize()
    x = net.samples()[0]
    got = octile.Engine(plan).create_context().run(x)["y"]
    assert octile.sqnr_db(net.expected(x), got) > 25
    assert octile.cosine(net.expected(x), got) > 0.99
    affine = net.build(
        table, int8=True, scheme="static-affine", layer_precision={"conv": "float32"}
    )
    assert all(layer.precision == "float32" for layer in affine.layers())


def test_recipes(net):
    plan = net.build(int8=True, samples=net.samples(), recipes=octile.recipe_names())
    x = net.samples()[0]
    got = octile.Engine(plan).create_context().run(x)["y"]
    assert octile.sqnr_db(net.expected(x), got) > 25
    one_shot = net.build(int8=True, samples=iter(net.samples()), recipes=octile.recipe_names())
    assert one_shot.serialize() == plan.serialize()
    with pytest.raises(octile.InvalidArgument, match="sharpen"):
        net.build(int8=True, samples=net.samples(), recipes=["sharpen"])
    with pytest.raises(octile.InvalidArgument, match="int8=True"):
        net.build(samples=net.samples())
    with pytest.raises(octile.InvalidArgument, match="give samples"):
        net.build(int8=True, method="mse")
    with pytest.raises(LookupError):
        net.build(int8=True, samples=failing(net.samples()))


def test_options_of_build(net, table):
    with pytest.raises(TypeError, match="unexpected keyword argument 'int4'"):
        net.build(int4=True)
    with pytest.raises(TypeError, match="a profile must be a dict"):
        octile.build(net.network, profiles=[5])
    with pytest.raises(octile.InvalidArgument, match="three"):
        octile.build(net.network, profiles={"x": ((1, 3, 8, 8),)})
    with pytest.raises(octile.InvalidArgument, match="x"):
        octile.build(net.network)
    two = octile.build(net.network, profiles=[net.profile, net.profile], tactics="first")
    assert two.profile_count == 2
    with pytest.raises(octile.InvalidArgument, match="fast"):
        net.build(tactics="fast")
    assert net.build(disabled_passes=octile.pass_names()).layers()


def test_quantize_and_onnx(net, table, tmp_path):
    quantized = octile.quantize(net.network, table)
    assert any(isinstance(layer.op, octile.ops.Quantize) for layer in quantized.layers)
    decisions = octile.explain_quantization(net.network, table)
    assert any(d.int8 and d.weighted and "conv" in d.name for d in decisions)
    octile.export_onnx(quantized, tmp_path / "q.onnx")
    data = (tmp_path / "q.onnx").read_bytes()
    assert data == octile.export_onnx_bytes(quantized)
    x = net.samples()[0]
    outputs = []
    for source in (tmp_path / "q.onnx", data):
        network = octile.import_onnx(source)
        plan = octile.build(network, int8=True, profiles=net.profile, tactics="first")
        outputs.append(octile.Engine(plan).create_context().run(x)["y"])
    np.testing.assert_array_equal(*outputs)
    assert octile.sqnr_db(net.expected(x), outputs[0]) > 25
    assert [n["op_type"] for n in octile.onnx_nodes(data)].count("Conv") == 1
    with pytest.raises(octile.InvalidFile, match="my model"):
        octile.import_onnx(b"nonsense", origin="my model")
    other = octile.quantize(net.network, table, style="onnxruntime")
    assert len(other.layers) > len(quantized.layers)


def test_compare(net, table):
    plan = net.build(table, int8=True)
    seen = []
    for batches in (net.samples(), iter(net.samples())):
        comparison = octile.compare(
            net.network, plan, batches, outputs=lambda r, c, rows: seen.append((r, c, rows))
        )
        assert comparison.samples == 8
        output = comparison.tensors[-1]
        assert output.output and output.tensor == "y"
    reference = np.concatenate([r[0] for r, _, _ in seen[:4]])
    candidate = np.concatenate([c[0] for _, c, _ in seen[:4]])
    assert output.sqnr_db == pytest.approx(octile.sqnr_db(reference, candidate), abs=1e-3)
    np.testing.assert_allclose(
        reference, net.expected(np.concatenate(net.samples())), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(LookupError):
        octile.compare(net.network, plan, failing(net.samples()))


def test_metrics():
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3]])
    assert octile.top_k_accuracy(scores, [1, 2]) == 0.5
    assert octile.top_k_accuracy(scores, [1, 2], k=2) == 1
    assert octile.top1_agreement(scores, scores[::-1]) == 0
    with pytest.raises(octile.InvalidArgument, match="shapes"):
        octile.sqnr_db([1.0], [1.0, 2.0])


def test_files(net, table, tmp_path):
    samples = np.concatenate(net.samples())
    octile.save_npz(tmp_path / "s.npz", {"x": samples, "labels": np.arange(8)})
    loaded = octile.load_npz(tmp_path / "s.npz")
    np.testing.assert_array_equal(loaded["x"], samples)
    np.testing.assert_array_equal(np.load(tmp_path / "s.npz")["labels"], np.arange(8))
    source = octile.open_data(tmp_path / "s.npz", net.network, batch=3)
    assert source.size == 8 and source.labels() == list(range(8))
    for _ in range(2):
        got = np.concatenate([b["x"] if isinstance(b, dict) else b for b in source])
        np.testing.assert_array_equal(got, samples)
    assert dict(octile.calibrate(net.network, source)) == dict(table)
    cache = tmp_path / "s.cache"
    octile.calibrate(net.network, source, cache=cache)
    octile.save_npz(tmp_path / "s.npz", {"x": samples[:4]})
    other = octile.open_data(tmp_path / "s.npz", net.network)
    with pytest.raises(octile.InvalidArgument):
        octile.calibrate(net.network, other, cache=cache)
    assert octile.compare(net.network, net.build(table, int8=True), source).samples == 8
    with pytest.raises(octile.IoError, match="nowhere"):
        octile.open_data(tmp_path / "nowhere")


def test_ten_lines_from_a_model_to_an_int8_prediction():
    model = DATA / "mnist" / "mnist_cntk_opset7.onnx"
    if not model.exists():
        pytest.skip(f"{model} is not there")
    network = octile.import_onnx(model)
    shape = [max(extent, 1) for extent in network.inputs[0].shape]
    draw = np.random.default_rng(0)
    batches = (draw.random(shape, dtype=np.float32) for _ in range(8))
    table = octile.calibrate(network, batches)
    plan = octile.build(network, table, int8=True, int8_layers="all")
    context = octile.Engine(plan).create_context()
    image = draw.random(shape, dtype=np.float32)
    (int8,) = context.run(image).values()
    (exact,) = octile.Engine(octile.build(network)).create_context().run(image).values()
    assert octile.cosine(exact, int8) > 0.98
