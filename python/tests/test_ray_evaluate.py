"""octile.ray.evaluate and sweep on a cluster of two nodes, against the same done by hand."""

import threading
from html.parser import HTMLParser

import numpy as np
import pytest
from ray_cluster import Net, held, two_nodes  # noqa: F401

import octile
import octile.ray

COUNT = 60
PROFILE = {"x": ((1, 3, 24, 24), (1, 3, 24, 24), (1, 3, 24, 24))}
FIRST = {"profiles": PROFILE, "tactics": "first"}


@pytest.fixture(scope="module")
def net():
    return Net()


@pytest.fixture(scope="module")
def samples():
    return Net.samples(COUNT)


@pytest.fixture(scope="module")
def plans(net, samples):
    table = octile.calibrate(net.network, samples)
    return {
        "float": octile.build(net.network, **FIRST),
        "int8": octile.build(net.network, table, int8=True, int8_layers="all", **FIRST),
    }


def one_by_one(plan, samples):
    context = octile.Engine(plan, threads=1).create_context()
    return np.concatenate([context.run(row[None])["y"] for row in samples])


@pytest.fixture(scope="module")
def labels(plans, samples):
    """The float network's own classes, some of them wrong."""
    found = one_by_one(plans["float"], samples).argmax(axis=1)
    found[::7] = (found[::7] + 1) % 6
    return found


@pytest.fixture(scope="module")
def data(samples, labels):
    return held(samples, 5, label=[int(label) for label in labels])


def by(rows, key="model"):
    return {row[key]: row for row in rows}


def test_shares_are_counted_as_numpy_does(plans, data, samples, labels):
    for rows_per_task in (1024, 7):
        rows = by(
            octile.ray.evaluate(
                plans, data, label="label", columns="x", rows_per_task=rows_per_task
            )
        )
        for name, plan in plans.items():
            right = (one_by_one(plan, samples).argmax(axis=1) == labels).mean()
            assert rows[name]["value"] == right and rows[name]["samples"] == COUNT
            assert rows[name]["error"] is None
    assert 0.5 < rows["float"]["value"] < 0.9
    assert rows["int8"]["int8_steps"] > 2 > rows["float"]["int8_steps"] == 0


def test_sqnr_is_that_of_all_samples_and_has_the_same_bits_for_any_blocks(plans, data, samples):
    values = {
        octile.ray.evaluate(plans, data, "sqnr_db", columns="x", rows_per_task=rows)[1]["value"]
        for rows in (3, 11, 1024)
    }
    assert len(values) == 1
    right, found = (one_by_one(plan, samples) for plan in plans.values())
    assert values.pop() == pytest.approx(octile.sqnr_db(right, found), abs=1e-4)


def test_agreement_and_a_metric_of_ones_own(plans, data, samples):
    right, found = (one_by_one(plan, samples) for plan in plans.values())
    rows = by(octile.ray.evaluate(plans, data, "agreement", columns="x"))
    assert rows["int8"]["value"] == (right.argmax(axis=1) == found.argmax(axis=1)).mean()

    def of_label(outputs, label):
        return outputs["y"][0, label]

    rows = by(octile.ray.evaluate(plans, data, of_label, label="label", columns="x"))
    mean = np.mean([row[label] for row, label in zip(found, by_label(data))], dtype=np.float64)
    assert rows["int8"]["value"] == pytest.approx(mean, rel=1e-6)
    assert rows["int8"]["metric"] == "of_label"


def by_label(data):
    return [row["label"] for row in data.take_all()]


def test_a_failed_cell_is_told_in_its_row_and_the_others_survive(plans, data, tmp_path):
    broken = tmp_path / "broken.plan"
    broken.write_bytes(b"no plan")
    batch = {"x": ((4, 3, 24, 24),) * 3}
    models = {
        "missing": tmp_path / "missing.plan",
        "broken": broken,
        "batch": octile.build(Net().network, tactics="first", profiles=batch),
        **{error.__name__: raising(error) for error in (ValueError, KeyError, RuntimeError)},
        **plans,
    }
    rows = by(octile.ray.evaluate(models, data, label="label", columns="x"))
    assert "missing.plan" in rows["missing"]["error"] and rows["missing"]["value"] is None
    assert "broken.plan" in rows["broken"]["error"]
    assert "batches of at least 4" in rows["batch"]["error"]
    for name in ("ValueError", "KeyError", "RuntimeError"):
        assert rows[name]["error"].startswith(f"{name}: ") and "no model" in rows[name]["error"]
    assert rows["int8"]["error"] is None and rows["int8"]["value"] > 0.5


def raising(error):
    def model():
        raise error("no model")

    return model


def test_a_model_that_kills_its_worker_is_told_in_its_row(plans, data):
    def kill(outputs, label):
        if outputs["y"][0].min() < -1e9:
            return 0.0
        import os

        os.kill(os.getpid(), 9)

    rows = octile.ray.evaluate({"float": plans["float"]}, data, kill, columns="x", retries=0)
    assert "worker died" in rows[0]["error"]


def test_an_evaluation_goes_on_from_its_checkpoint(plans, data, tmp_path):
    cancel = threading.Event()
    options = {"label": "label", "columns": "x", "rows_per_task": 4, "checkpoint": tmp_path}
    expected = octile.ray.evaluate(plans, data, **{**options, "checkpoint": ""})

    def stop(phase, done, total):
        if done >= COUNT // 2:
            cancel.set()

    with pytest.raises(octile.ray.Cancelled):
        octile.ray.evaluate(plans, data, progress=stop, cancel=cancel, **options)
    kept = list(tmp_path.glob("evaluation-*/*.json"))
    assert len(kept) >= 7
    # What is kept is used: a changed count comes out.
    kept[0].write_text(kept[0].read_text().replace("[", "[1000", 1))
    found = octile.ray.evaluate(plans, data, **{**options, "keep_checkpoint": True})
    assert sum(row["samples"] for row in found) > 1000 > sum(row["samples"] for row in expected)
    kept[0].unlink()
    assert octile.ray.evaluate(plans, data, **options) == expected
    assert not list(tmp_path.iterdir())


RECIPES = {
    "entropy": {"int8_layers": "all", "tactics": "first"},
    "minmax affine": {
        "method": "minmax",
        "scheme": "static-affine",
        "int8_layers": "all",
        "tactics": "first",
    },
    "dynamic": {"scheme": "dynamic-symmetric", "int8_layers": "all", "tactics": "first"},
    "no scheme": {"scheme": None, "int8_layers": "all", "tactics": "first"},
    "no method": {"method": "guess"},
    "a number": {"method": 5},
    "a text": {"percentile": "99"},
    "a path": {"table": "calibration.json"},
    "a scheme": {"scheme": 5},
    "no pickle": {"samples": threading.Lock()},
    "no keyword": {"int8_layer": "all"},
    "no samples": {"recipes": ["bias-correction"], "int8_layers": "all"},
}


def test_a_sweep_is_one_table_and_a_page(net, data, samples, labels, tmp_path):
    found = octile.ray.sweep(
        net.network, RECIPES, data, label="label", columns="x", checkpoint=tmp_path
    )
    rows = by(found.rows, "recipe")
    assert list(rows) == ["float", *RECIPES]
    assert "guess" in rows["no method"]["error"]
    assert "int8_layer" in rows["no keyword"]["error"]
    assert "samples" in rows["no samples"]["error"]
    assert "method=5" in rows["a number"]["error"]
    assert "percentile='99'" in rows["a text"]["error"]
    assert "CalibrationTable.load()" in rows["a path"]["error"]
    assert "scheme must be a string" in rows["a scheme"]["error"]
    assert "pickle" in rows["no pickle"]["error"]
    assert list(found.plans) == ["float", "entropy", "minmax affine", "dynamic", "no scheme"]
    for name in ("entropy", "minmax affine", "no scheme"):
        options = dict(RECIPES[name])
        table = octile.calibrate(net.network, samples, method=options.pop("method", "entropy"))
        plan = octile.build(net.network, table, int8=True, profiles=PROFILE, **options)
        assert found.plans[name].serialize() == plan.serialize()
        right = (one_by_one(plan, samples).argmax(axis=1) == labels).mean()
        assert rows[name]["value"] == right
        assert rows[name]["loss"] == rows["float"]["value"] - right
    assert all(rows[name]["ms"] > 0 for name in found.plans)
    good = [rows[name] for name in found.plans]
    for row in good:
        beaten = any(
            o["ms"] <= row["ms"] and o["value"] >= row["value"] and o is not row for o in good
        )
        assert row["pareto"] == (not beaten)
    assert not list(tmp_path.iterdir())

    assert list(found.to_pandas()["recipe"]) == list(rows)

    found.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text.count("<circle") == len(found.plans) and "https://" not in text
    tags = Tags()
    tags.feed(text)
    assert tags.rows == 1 + len(rows) and tags.open == []


class Tags(HTMLParser):
    """That what is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.rows = [], 0

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr"
        if tag not in ("meta", "line", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("line", "path"):
            return
        assert self.open.pop() == tag


def test_a_sweep_goes_on_from_its_checkpoint(net, data, tmp_path):
    cancel, options = threading.Event(), {"label": "label", "columns": "x", "rows_per_task": 8}
    recipes = {name: RECIPES[name] for name in ("entropy", "minmax affine")}

    def stop(phase, done, total):
        if phase == "samples" and done >= COUNT // 2:
            cancel.set()

    with pytest.raises(octile.ray.Cancelled):
        octile.ray.sweep(
            net.network, recipes, data, checkpoint=tmp_path, progress=stop, cancel=cancel, **options
        )
    assert len(list(tmp_path.glob("sweep-*/*.plan"))) == 3
    assert list(tmp_path.glob("sweep-*/calibration-*/*.part"))
    assert list(tmp_path.glob("sweep-*/evaluation-*/*.json"))
    said = []
    found = octile.ray.sweep(
        net.network,
        recipes,
        data,
        checkpoint=tmp_path,
        timed=False,
        log=lambda level, text: said.append(text),
        **options,
    )
    assert f"ranges: {COUNT} of {COUNT} samples came from" in "".join(said)
    fresh = octile.ray.sweep(net.network, recipes, data, timed=False, **options)
    assert found.rows == fresh.rows and fresh.rows[0]["samples"] == COUNT
    assert not list(tmp_path.iterdir())


def test_wrong_words_are_refused(plans, data, net):
    with pytest.raises(octile.InvalidArgument, match="top1, top5"):
        octile.ray.sweep(net.network, RECIPES, data, "top2", label="label")
    for options, words in [
        ({"metric": "top2", "label": "label"}, "top1, top5, agreement, sqnr_db"),
        ({"metric": "top1"}, "label="),
        ({"label": "klass"}, "'klass'"),
        ({"label": "label", "metric": "agreement", "reference": "other"}, "reference='other'"),
    ]:
        with pytest.raises(octile.InvalidArgument, match=words):
            octile.ray.evaluate(plans, data, columns="x", **options)
    wrong = octile.ray.evaluate(plans, data, label="label", columns="picture")
    assert all("'picture'" in row["error"] and "'x', 'label'" in row["error"] for row in wrong)
    with pytest.raises(TypeError, match="ray.data.Dataset"):
        octile.ray.evaluate(plans, [1, 2], label="label")
