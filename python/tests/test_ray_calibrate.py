"""octile.ray.calibrate on a cluster of two nodes: the table of one process, bit for bit."""

import subprocess
import sys

import numpy as np
import pytest
from ray_cluster import Net, held, ray, two_nodes  # noqa: F401
from test_docstrings import undocumented

import octile
import octile.ray

COUNT = 90


@pytest.fixture(scope="module")
def net():
    return Net(16)


@pytest.fixture(scope="module")
def samples():
    return Net.samples(COUNT)


@pytest.mark.parametrize("method", ["entropy", "minmax", "percentile", "mse"])
def test_the_table_is_that_of_one_process(net, samples, method):
    expected = octile.calibrate(net.network, samples, method=method, percentile=99.5)
    found = octile.ray.calibrate(
        net.network, held(samples, 4), method=method, percentile=99.5, rows_per_task=17
    )
    assert found.to_json() == expected.to_json()


@pytest.mark.parametrize("reproducible", [False, True])
def test_workers_blocks_and_order_do_not_show(net, samples, reproducible):
    expected = octile.calibrate(net.network, samples, reproducible=reproducible).to_json()
    shuffled = samples[np.random.default_rng(1).permutation(COUNT)]
    for data, rows, workers, threads in [
        (samples, 1024, 1, 1),
        (samples, 1, 2, 1),
        (shuffled, 13, 2, 1),
        (shuffled, 1024, None, 1),
    ]:
        for blocks in (1, 7):
            table = octile.ray.calibrate(
                net.network,
                held(data, blocks),
                reproducible=reproducible,
                rows_per_task=rows,
                num_workers=workers,
                threads=threads,
            )
            assert table.to_json() == expected


def test_one_collection_serves_all_methods(net, samples):
    data = octile.ray.collect(net.network, held(samples, 3))
    expected = octile.collect(net.network, samples)
    assert data.samples == COUNT and data.histograms == expected.histograms
    for method in ("minmax", "mse"):
        table, alone = data.table(method), expected.table(method)
        assert {name: table[name] for name in table} == {name: alone[name] for name in alone}


def test_parquet_numpy_and_pictures(net, samples, tmp_path):
    expected = octile.calibrate(net.network, samples).to_json()
    held(samples, 3).write_parquet(str(tmp_path / "parquet"))
    parquet = ray.data.read_parquet(str(tmp_path / "parquet"))
    assert octile.ray.calibrate(net.network, parquet).to_json() == expected
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", samples[i * 30 : (i + 1) * 30])
    arrays = ray.data.read_numpy([str(tmp_path / f"{i}.npy") for i in range(3)])
    assert octile.ray.calibrate(net.network, arrays, columns="data").to_json() == expected

    pillow = pytest.importorskip("PIL.Image")
    draw = np.random.default_rng(4)
    pictures = draw.integers(0, 256, (12, 24, 24, 3)).astype(np.uint8)
    (tmp_path / "pictures").mkdir()
    for i, picture in enumerate(pictures):
        pillow.fromarray(picture).save(tmp_path / "pictures" / f"{i}.png")

    def planes(batch):
        return {"x": np.ascontiguousarray(batch["image"].transpose(0, 3, 1, 2))}

    read = ray.data.read_images(str(tmp_path / "pictures")).map_batches(planes)
    alone = octile.calibrate(net.network, pictures.transpose(0, 3, 1, 2))
    assert octile.ray.calibrate(net.network, read).to_json() == alone.to_json()


def test_pictures_of_many_sizes_and_two_inputs():
    network = octile.Network("two")
    a = network.add_input("a", "float32", (-1, 2, -1, -1))
    b = network.add_input("b", "float32", (-1, 2, 1, 1))
    network.mark_output(network.elementwise(a, b, "add", name="add"), "y")
    draw = np.random.default_rng(5)
    first = [draw.standard_normal((2, 3 + i % 4, 5), np.float32) for i in range(20)]
    second = [draw.standard_normal((2, 1, 1), np.float32) for _ in range(20)]
    expected = octile.calibrate(
        network, [{"a": x[None], "b": y[None]} for x, y in zip(first, second)]
    )
    data = held(first, 3, column="a", second=second)
    table = octile.ray.calibrate(network, data, columns={"a": "a", "b": "second"}, rows_per_task=4)
    assert table.to_json() == expected.to_json()


def test_a_model_may_be_a_file_bytes_or_a_function(net, samples, tmp_path):
    path = tmp_path / "model.onnx"
    octile.export_onnx(net.network, path)
    expected = octile.calibrate(octile.import_onnx(path), samples).to_json()
    data = held(samples, 2)
    for model in (str(path), path, path.read_bytes(), lambda: octile.import_onnx(path)):
        assert octile.ray.calibrate(model, data).to_json() == expected
    with pytest.raises(TypeError, match="model: a Network, an ONNX file"):
        octile.ray.calibrate(3, data)


def test_progress_counts_samples(net, samples):
    seen = []
    octile.ray.calibrate(
        net.network, held(samples, 3), rows_per_task=10, progress=lambda *told: seen.append(told)
    )
    for phase in ("ranges", "histograms"):
        done = [told[1] for told in seen if told[0] == phase]
        assert done == sorted(done) and done[-1] == COUNT and len(done) >= 9


@pytest.mark.parametrize(
    "data, options, words",
    [
        (lambda: ray.data.from_items([]), {}, "no samples"),
        (lambda: held(np.zeros((4, 3, 24, 24), "f4"), 1, column="image", n=[1] * 4), {}, "'image'"),
        (lambda: held(np.zeros((4, 3, 24, 24), "f4"), 1), {"columns": "y"}, "not 'y'"),
        (lambda: held(np.zeros((4, 3, 24, 24), "f4"), 1), {"columns": {"z": "x"}}, "no input"),
        (lambda: held(np.zeros((4, 3, 20, 24), "f4"), 1), {}, r"block 0.*needs shape \(-1, 3, 24"),
        (lambda: held(["a", "b"], 1), {}, "block 0.*decode them"),
        (lambda: held(np.zeros((4, 3, 24, 24), "f4"), 1), {"method": "guess"}, "unknown calib"),
        (lambda: held(np.zeros((4, 3, 24, 24), "f4"), 1), {"num_workers": 0}, "num_workers"),
        (lambda: held(np.zeros((4, 3, 24, 24), "f4"), 1), {"rows_per_task": 0}, "rows_per_task"),
    ],
)
def test_what_does_not_fit_is_told_once_and_clearly(net, data, options, words):
    with pytest.raises(octile.InvalidArgument, match=words):
        octile.ray.calibrate(net.network, data(), **options)


def test_a_fixed_batch_is_refused():
    network = octile.Network("fixed")
    x = network.add_input("x", "float32", (4, 3))
    network.mark_output(network.activation(x, "relu"), "y")
    with pytest.raises(octile.InvalidArgument, match="fixed batch of 4"):
        octile.ray.calibrate(network, held(np.zeros((4, 3), "f4"), 1))


def test_data_that_does_not_repeat_itself_is_refused(net, samples):
    def noise(batch):
        return {"x": batch["x"] + np.random.default_rng().standard_normal((1,), np.float32)}

    with pytest.raises(octile.InvalidArgument, match="repeat itself"):
        octile.ray.calibrate(net.network, held(samples, 2).map_batches(noise))


def test_without_ray_the_extra_is_named():
    code = "import sys; sys.modules['ray'] = None; import octile.ray"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 and "pip install '.[ray]'" in done.stderr


def test_every_public_name_has_a_docstring():
    assert list(undocumented(octile.ray)) == []
