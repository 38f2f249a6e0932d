"""What octile.ray finds again in a checkpoint, where it keeps it, what it asks Ray for, and
what no sum takes."""

import functools
import importlib
import os
import re
import sys

import numpy as np
import pytest
from ray_cluster import Net, held, two_nodes  # noqa: F401

import octile
import octile.ray
from octile.ray import _calibrate
from octile.ray._checkpoint import code_of, content_of

COUNT = 12


@pytest.fixture(scope="module")
def net():
    return Net(16)


@pytest.fixture(scope="module")
def data():
    return held(Net.samples(COUNT), 3)


def written(file, text, monkeypatch):
    """The module, imported anew."""
    file.write_text(
        f"def inner():\n    return {text}\n\ndef own(outputs, label):\n    return inner()\n\n"
        "class Own:\n    def __call__(self, outputs, label):\n        return inner()\n"
    )
    monkeypatch.delitem(sys.modules, file.stem, raising=False)
    importlib.invalidate_caches()
    return importlib.import_module(file.stem)


def test_a_metric_whose_module_changed_is_evaluated_anew(net, data, tmp_path, monkeypatch):
    """As two runs of a program would: each has workers of its own, by a runtime_env of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "own_metric.py"

    def run(text, number):
        module = written(file, text, monkeypatch)
        paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        environment = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "RUN": number}
        return octile.ray.evaluate(
            {"float": net.network},
            data,
            module.own,
            columns="x",
            checkpoint=tmp_path / "kept",
            keep_checkpoint=True,
            task_options={"runtime_env": {"env_vars": environment}},
        )[0]

    kept = tmp_path / "kept"
    assert run("1.0", "1")["value"] == 1.0
    assert len(list(kept.iterdir())) == 1
    assert run("1.0", "2")["value"] == 1.0
    assert len(list(kept.iterdir())) == 1  # the same code is found again
    assert run("25.0", "3")["value"] == 25.0


@pytest.mark.parametrize(
    "form",
    [
        lambda module: module.own,
        lambda module: functools.partial(module.own, label=3),
        lambda module: module.Own(),
        lambda module: lambda outputs, label: module.own(outputs, label) + 1,
    ],
)
def test_code_is_what_it_says_however_it_is_held(form, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "held_metric.py"
    first = code_of(form(written(file, "1.0", monkeypatch)))
    assert code_of(form(written(file, "1.0", monkeypatch))) == first
    assert code_of(form(written(file, "25.0", monkeypatch))) != first
    module = written(file, "1.0", monkeypatch)
    file.unlink()  # what cannot be read is never taken for the same
    assert code_of(form(module)) != code_of(form(module))


def objects(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return [{"x": array}]


def test_content_is_that_of_the_objects():
    pictures = [np.arange(6.0).reshape(2, 3), np.zeros((1, 2))]
    same = [array.copy() for array in pictures]
    assert content_of(objects(*pictures)) == content_of(objects(*same))
    for other in (
        [pictures[0] + 1, pictures[1]],
        [pictures[0].reshape(3, 2), pictures[1]],
        [pictures[0].astype("f4"), pictures[1]],
        pictures[::-1],
    ):
        assert content_of(objects(*pictures)) != content_of(objects(*other))
    assert content_of(objects("a", "bc")) == content_of(objects("a", "bc"))
    assert content_of(objects("a", "bc")) != content_of(objects("ab", "c"))
    assert content_of(objects(1, 23)) != content_of(objects(12, 3))
    long = np.zeros(5000)  # whose repr leaves out its middle
    changed = np.where(np.arange(5000) == 2500, 1.0, long)
    assert content_of(objects({"a": long}, 1)) != content_of(objects({"a": changed}, 1))


def test_texts_and_pictures_of_many_sizes_have_checkpoints(tmp_path):
    network = octile.Network("ragged")
    x = network.add_input("x", "float32", (-1, 2, -1, -1))
    network.mark_output(network.activation(x, "relu"), "y")
    profile = {"x": ((1, 2, 1, 1), (1, 2, 4, 4), (1, 2, 9, 9))}
    plans = {"float": octile.build(network, profiles=profile, tactics="first")}
    draw = np.random.default_rng(5)
    pictures = [draw.standard_normal((2, 3 + i % 4, 5), np.float32) for i in range(COUNT)]
    data = held(pictures, 3, label=["cat", "horse"] * (COUNT // 2))

    def metric(outputs, label):
        return float(outputs["y"].sum()) * len(label)

    options = {"label": "label", "columns": "x", "rows_per_task": 3}
    expected = octile.ray.evaluate(plans, data, metric, **options)
    assert expected[0]["error"] is None
    options.update(checkpoint=tmp_path, keep_checkpoint=True)
    assert octile.ray.evaluate(plans, data, metric, **options) == expected
    kept = list(tmp_path.glob("evaluation-*/*.json"))
    kept[0].write_text(kept[0].read_text().replace("[", "[1000", 1))
    assert octile.ray.evaluate(plans, data, metric, **options)[0]["samples"] > 1000


def test_a_relative_checkpoint_is_the_drivers(net, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the workers began elsewhere
    options = {"columns": "x", "checkpoint": "kept", "keep_checkpoint": True}
    octile.ray.calibrate(net.network, data, **options)
    assert list(tmp_path.glob("kept/calibration-*/*.part"))
    octile.ray.evaluate({"float": net.network}, data, lambda outputs, label: 1.0, **options)
    assert list(tmp_path.glob("kept/evaluation-*/*.json"))
    options["keep_checkpoint"] = False
    octile.ray.calibrate(net.network, data, **options)
    octile.ray.evaluate({"float": net.network}, data, lambda outputs, label: 1.0, **options)
    assert not list(tmp_path.glob("kept/calibration-*"))


def test_a_sweep_keeps_its_plans_at_the_driver_s_too(net, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    def look(phase, done, total):
        seen.extend(tmp_path.glob("kept/sweep-*/*.plan"))

    octile.ray.sweep(
        net.network,
        {"dynamic": {"scheme": "dynamic-symmetric", "tactics": "first", "int8_layers": "all"}},
        data,
        lambda outputs, label: 1.0,
        columns="x",
        checkpoint="kept",
        timed=False,
        progress=look,
    )
    assert seen and not list(tmp_path.glob("kept/*"))


def test_merges_take_the_task_options(net, data, monkeypatch):
    asked = []

    class Merge:
        def options(self, **options):
            asked.append(options)
            return real.options(**options)

    real = _calibrate.merge
    monkeypatch.setattr(_calibrate, "merge", Merge())
    own = {"runtime_env": {"env_vars": {"OCTILE_TEST": "1"}}, "num_cpus": 0.5}
    octile.ray.calibrate(net.network, data, retries=5, task_options=own)
    assert len(asked) == 2  # of the ranges and of the counts
    for options in asked:
        assert options["runtime_env"] == own["runtime_env"] and options["max_retries"] == 5
        assert options["num_cpus"] == options["num_gpus"] == 0


def test_a_sweep_builds_for_its_device(net, data):
    with pytest.raises(octile.Error, match="cuda:99"):  # which no machine has
        octile.ray.sweep(
            net.network,
            {},
            data,
            lambda outputs, label: 1.0,
            columns="x",
            device="cuda:99",
            task_options={"num_gpus": 0},
        )


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_metric_that_is_no_number_is_told_with_its_row(net, value):
    def odd(outputs, label):
        return float(value) if label == 7 else 1.0

    data = held(Net.samples(COUNT), 2, number=list(range(COUNT)))  # two blocks of six
    options = {"label": "number", "columns": "x", "rows_per_task": 2}
    row = octile.ray.evaluate({"float": net.network}, data, odd, **options)[0]
    found = re.match(
        r"InvalidArgument: block (\d), rows (\d) to (\d): "
        rf"metric 'odd' gives {value} on row (\d)",
        row["error"],
    )
    block, first, last, told = map(int, found.groups())
    assert first <= told <= last and block * 6 + told == 7 and row["value"] is None
