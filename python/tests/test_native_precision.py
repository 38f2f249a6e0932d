"""octile.build where INT8 pays: what is measured and kept to, evaluate, Plan.precision, the report.

No test hangs on how quick this machine is: a timing cache that the test edits decides what is
chosen, or what is held must hold whatever was chosen.
"""

import json
import threading
import time

import numpy as np
import pytest
from native_networks import ConvNet, failing

import octile


class Measured:
    """A network that is built by measurement, and the timing cache that decides."""

    def __init__(self, folder):
        self.net, self.cache = ConvNet(), folder / "times"
        self.table = octile.calibrate(self.net.network, self.net.samples())

    def build(self, **options):
        for name, value in {"int8": True, "tactics": "timed", "threads": 1}.items():
            options.setdefault(name, value)
        options.setdefault("timing_cache", self.cache)
        return self.net.build(self.table, **options)

    def int8_is(self, quick):
        """From now on builds choose INT8, or float."""
        times = {"float32": 1e7, "int8": 1e5} if quick else {"float32": 1e5, "int8": 1e7}
        for _ in range(2):  # the first choice by these times may bring an engine that is new
            self.build()
            lines = self.cache.read_text().splitlines()
            for i, line in enumerate(lines[1:], 1):
                key, number = line.rsplit("\t", 1)
                kind, last = key.split(" ", 1)[0], key.rsplit(" ", 1)[1]
                if kind == "group":
                    number = times.get(last.replace("int8-to-float", "int8"), number)
                elif kind == "engine" and last == "ns":
                    number = 1e6
                lines[i] = f"{key}\t{number}"
            self.cache.write_text("\n".join(lines) + "\n")
        return self


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """INT8 is quicker everywhere."""
    return Measured(tmp_path_factory.mktemp("quick")).int8_is(True)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """INT8 is slower everywhere."""
    return Measured(tmp_path_factory.mktemp("slow")).int8_is(False)


def in_int8(plan):
    """Whether the convolution is."""
    (conv,) = [layer for layer in plan.layers() if layer.step == "Conv"]
    return conv.precision.startswith("int8")


def kept(plan):
    """The engine of Plan.precision that the plan is."""
    (engine,) = [engine for engine in plan.precision["engines"] if engine["kept"]]
    return engine


# --- what is chosen, and said ---
def test_the_quickest_engine_is_kept_and_says_why(quick, slow):
    for measured, int8 in ((quick, True), (slow, False)):
        plan = measured.build()
        assert in_int8(plan) == int8
        found = octile.Plan.parse(plan.serialize()).precision
        assert found == plan.precision and found["format"] == 1
        assert [engine["name"] for engine in found["engines"]] == ["float", "int8", "chosen"]
        (conv,) = [group for group in found["groups"] if "conv" in group["name"]]
        assert conv["precision"] == ("int8" if int8 else "float32") and conv["reason"]
        assert kept(plan)["int8"] == sum(g["precision"] == "int8" for g in found["groups"])
        assert octile.retime(plan, tactics="first").precision == found


def test_all_and_first_measure_nothing(slow):
    for options in ({"int8_layers": "all"}, {"tactics": "first"}):
        plan = slow.build(**options)
        assert in_int8(plan) and plan.precision is None
    assert slow.build(int8=False).precision is None


def test_requests_stand_whatever_the_times(quick, slow):
    assert not in_int8(quick.build(layer_precision={"conv": "float32"}))
    assert in_int8(slow.build(layer_precision={"conv": "int8"}))


def test_an_earlier_choice_is_taken_over(quick, slow, tmp_path):
    for measured, int8 in ((quick, True), (slow, False)):
        plan = measured.build()
        plan.save(tmp_path / "net.plan")
        for given in (plan, tmp_path / "net.plan", plan.serialize()):
            again = slow.build(precision_from=given, tactics="first")
            assert in_int8(again) == int8 and again.precision is None
        wanted = "float32" if int8 else "int8"
        other = measured.build(precision_from=plan, layer_precision={"conv": wanted})
        assert in_int8(other) != int8
    with pytest.raises(octile.InvalidArgument, match="holds no choice"):
        slow.build(precision_from=slow.build(int8_layers="all"))
    with pytest.raises(octile.InvalidArgument, match="group_precision"):
        slow.build(precision_from=plan, min_sqnr_db=20, samples=slow.net.samples())
    with pytest.raises(octile.InvalidArgument, match="no precision_from"):
        slow.build(precision_from=plan, evaluate=lambda plan: 90)
    with pytest.raises(octile.InvalidArgument, match="int8=True"):
        slow.build(precision_from=plan, int8=False)


def test_a_choice_by_groups(quick):
    plan = quick.build()
    labels = {group["name"]: group["label"] for group in plan.precision["groups"]}

    def layers(plan):
        return [(layer.name, layer.step, layer.precision) for layer in plan.layers()]

    again = quick.build(group_precision=labels, tactics="first")
    assert layers(again) == layers(plan) and again.precision is None
    told = []
    labels["another"] = "int8"
    quick.build(group_precision=labels, log=lambda level, text: told.append((level, text)))
    (text,) = [text for level, text in told if level == "warning"]
    assert "not the network's:\n  another" in text
    with pytest.raises(octile.InvalidArgument, match="none of the groups"):
        quick.build(group_precision={"another": "int8"})
    with pytest.raises(octile.InvalidArgument, match="int4"):
        quick.build(group_precision={"another": "int4"})


@pytest.mark.parametrize("objective", ["latency", "throughput", "size"])
def test_objectives(slow, objective):
    plan = slow.build(objective=objective, timing_cache="")
    assert plan.precision["objective"] == objective
    assert objective != "size" or in_int8(plan)  # a quarter of the bytes, whatever the time


def test_wrong_options_are_named(quick):
    samples = quick.net.samples()
    for options, text in (
        ({"int8_layers": "some"}, "some.*where-it-pays"),
        ({"objective": "speed"}, "speed.*throughput"),
        ({"max_loss": 1, "samples": samples}, "max_loss needs evaluate"),
        ({"max_loss": 1, "evaluate": lambda plan: 90}, "need samples"),
        ({"min_sqnr_db": 20}, "need samples"),
        ({"noise_samples": 2}, "need samples"),
        ({"noise_samples": 0, "samples": samples}, "noise_samples is 0"),
        ({"max_loss": -1, "samples": samples, "evaluate": lambda plan: 90}, "0 or more"),
        ({"min_sqnr_db": float("nan"), "samples": samples}, "no number"),
        ({"evaluate": lambda plan: 90, "int8": False}, "int8=True"),
        ({"evaluate": lambda plan: 90, "tactics": "first"}, "tactics='timed'"),
        ({"min_sqnr_db": 20, "samples": samples, "int8_layers": "all"}, "where-it-pays"),
        ({"objective": "size", "int8_layers": "all"}, "where-it-pays"),
    ):
        with pytest.raises(octile.InvalidArgument, match=text):
            quick.build(**options)
    for options, text in (
        ({"evaluate": 90}, "evaluate must be a callable that takes a Plan, not int"),
        ({"max_loss": "1pt"}, "max_loss must be a float, not str"),
        ({"noise_samples": 1.5}, "noise_samples must be an int"),
    ):
        with pytest.raises(TypeError, match=text):
            quick.build(**options)


# --- evaluate ---
def test_a_loss_is_kept_to_by_one_number(quick):
    asked = []

    def points(plan):
        asked.append(in_int8(plan))
        return 90.0 - 2 * in_int8(plan)

    for most, int8 in ((1.5, False), (2.0, True)):
        asked.clear()
        plan = quick.build(max_loss=most, evaluate=points, samples=quick.net.samples())
        assert in_int8(plan) == int8
        assert plan.precision["asked"]["max_loss"] == most
        assert plan.precision["metric"]["name"] == "points"
        assert kept(plan)["metric"] == 90 - 2 * int8
    # The float plan's number is taken once; a pair brings its own.
    single, pairs = len(asked), []
    quick.build(
        max_loss=2,
        evaluate=lambda plan: pairs.append(plan) or (90.0 - 2 * in_int8(plan), 90.0),
        samples=quick.net.samples(),
    )
    assert single == len(pairs) + 1


def test_what_evaluate_may_give(quick):
    for given, metric, sqnr in (
        (93, 93, None),
        (np.float32(93.5), 93.5, None),
        (np.array(93.5), 93.5, None),
        ((93.5, 94), 93.5, None),
        ([93.5, np.float64(94)], 93.5, None),
        (octile.Accuracy(metric=93.5, reference=94), 93.5, None),
        (octile.Accuracy(sqnr_db=31.5), None, 31.5),
        (octile.Accuracy(93.5, 94, 31.5), 93.5, 31.5),
    ):
        plan = quick.build(evaluate=lambda plan, given=given: given)
        assert plan.precision["metric"]["name"] == "metric"  # a lambda has no name
        for engine in plan.precision["engines"]:
            assert (engine["metric"], engine["sqnr_db"]) == (metric, sqnr)
    for given, text in (
        (None, "NoneType"),
        ("93 %", "str"),
        ((1, 2, 3), "3 values"),
        ((93, None), "NoneType"),
    ):
        with pytest.raises(TypeError, match=f"evaluate.. must return points.*{text}"):
            quick.build(evaluate=lambda plan, given=given: given)
    with pytest.raises(octile.InvalidArgument, match="nan as the float network's"):
        quick.build(evaluate=lambda plan: (90, float("nan")))
    with pytest.raises(octile.InvalidArgument, match="needs a metric"):
        quick.build(
            evaluate=lambda plan: octile.Accuracy(sqnr_db=20),
            max_loss=1,
            samples=quick.net.samples(),
        )


def test_a_share_where_points_are_meant_is_told(quick):
    lines = []
    options = {
        "max_loss": 1,
        "samples": quick.net.samples(),
        "log": lambda *line: lines.append(line),
    }
    quick.build(evaluate=lambda plan: 0.93, **options)
    assert [text for level, text in lines if level == "warning" and "100 · the share" in text]


def test_accuracy_is_a_record():
    accuracy = octile.Accuracy(metric=93.25)
    accuracy.sqnr_db = 30
    assert (accuracy.metric, accuracy.reference, accuracy.sqnr_db) == (93.25, None, 30)
    assert accuracy.not_compared == []
    accuracy.not_compared = ["boxes (1 of 9 samples)"]
    assert accuracy.not_compared == ["boxes (1 of 9 samples)"]
    assert repr(accuracy) == "octile.Accuracy(metric=93.25, reference=None, sqnr_db=30)"


def test_what_cannot_be_compared_does_not_keep_to_the_sqnr(quick):
    def int8_alone(plan):
        unlike = ["boxes (1 of 9 samples)"] if in_int8(plan) else []
        accuracy = octile.Accuracy(sqnr_db=60)
        accuracy.not_compared = unlike
        return accuracy

    samples = quick.net.samples()
    plan = quick.build(min_sqnr_db=20, samples=samples, evaluate=int8_alone)
    assert not in_int8(plan) and kept(plan)["not_compared"] == []
    request = {"layer_precision": {"conv": "int8"}}
    with pytest.raises(octile.InvalidArgument, match="boxes .1 of 9 samples."):
        quick.build(min_sqnr_db=20, samples=samples, evaluate=int8_alone, **request)
    compared = octile.compare(quick.net.network, plan, samples)
    assert compared.skipped_outputs == {} and compared.accuracy().not_compared == []
    assert compared.accuracy().sqnr_db == compared.output_sqnr_db()


def test_sqnr_is_kept_to_on_the_samples(quick):
    samples = quick.net.samples()
    for least, int8 in ((20, True), (90, False)):
        plan = quick.build(min_sqnr_db=least, samples=iter(samples))
        assert in_int8(plan) == int8
        reached = octile.compare(quick.net.network, plan, samples).output_sqnr_db()
        assert reached >= least
        if int8:
            assert kept(plan)["sqnr_db"] == pytest.approx(reached, abs=0.01)
    # Beside a metric of the caller's own.
    options = {"samples": samples, "max_loss": 1, "evaluate": lambda plan: 90}
    assert in_int8(quick.build(min_sqnr_db=20, **options))
    assert not in_int8(quick.build(min_sqnr_db=90, **options))


def test_noise_is_measured_where_it_is_asked_for(quick):
    samples = quick.net.samples()
    assert quick.build(samples=samples).precision["pareto"] == []
    found = quick.build(samples=samples, noise_samples=3).precision
    assert found["pareto"]
    (conv,) = [group for group in found["groups"] if "conv" in group["name"]]
    assert 10 < conv["sqnr_db"] < 80


def test_evaluate_runs_engines_threads_and_the_same_samples(quick, tmp_path):
    octile.save_npz(tmp_path / "s.npz", {"x": np.concatenate(quick.net.samples())})
    source = octile.open_data(tmp_path / "s.npz", quick.net.network, batch=2)
    seen = []

    def points(plan):
        context = octile.Engine(plan).create_context()
        outputs = []
        for batch in source:  # which the build reads too
            array = batch["x"] if isinstance(batch, dict) else batch
            thread = threading.Thread(target=lambda x=array: outputs.append(context.run(x)["y"]))
            thread.start()
            thread.join()
        seen.append(sum(len(output) for output in outputs))
        return 90.0

    plan = quick.build(max_loss=1, min_sqnr_db=20, evaluate=points, samples=source)
    assert in_int8(plan) and len(seen) >= 2 and set(seen) == {8}


def test_other_threads_run_while_it_builds(quick):
    done, turns = threading.Event(), []

    def count():
        while not done.is_set():
            turns.append(1)
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    quick.build(timing_cache="")
    done.set()
    thread.join()
    assert len(turns) > 5


def test_what_evaluate_and_samples_raise_comes_out_unchanged(quick):
    error = LookupError("no labels")

    def broken(plan):
        raise error

    for options in ({}, {"max_loss": 1, "samples": quick.net.samples()}):
        with pytest.raises(LookupError) as caught:
            quick.build(evaluate=broken, **options)
        assert caught.value is error
    with pytest.raises(LookupError, match="no more"):
        quick.build(min_sqnr_db=20, samples=failing(quick.net.samples()))

    def interrupted(plan):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick.build(evaluate=interrupted)


# --- the report ---
def data_of(page):
    mark = '<script type="application/json" id="report">'
    return json.loads(page.split(mark)[1].split("</script>")[0])


def test_the_page(quick, tmp_path):
    plan, samples = quick.build(), quick.net.samples()
    page = octile.precision_report(plan)
    assert page.startswith("<!DOCTYPE html>")
    assert data_of(page)["groups"] == plan.precision["groups"]
    assert octile.precision_report(plan, tmp_path / "r.html", model="nets/conv.onnx") is None
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]
    data = data_of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert data["model"] == "conv.onnx"
    assert not any("thresholds" in tensor for tensor in data["tensors"])
    collected = octile.collect(quick.net.network, samples)
    pages = [
        octile.precision_report(
            plan, model=quick.net.network, histograms=given, method="mse", command="make conv"
        )
        for given in (samples, iter(samples), collected)
    ]
    for page in pages:
        data = data_of(page)
        assert (data["model"], data["command"]) == ("convnet", "make conv")
        rows = [row for t in data["tensors"] for row in t.get("thresholds", [])]
        assert {row["method"] for row in rows if row["used"]} == {"mse"}
        assert data == {**data_of(pages[0]), "date": data["date"]}


def test_reports_that_cannot_be(quick, tmp_path):
    plan = quick.build()
    with pytest.raises(octile.InvalidArgument, match="holds no measurements"):
        octile.precision_report(quick.build(int8_layers="all"), tmp_path / "r.html")
    with pytest.raises(octile.InvalidArgument, match="model=network"):
        octile.precision_report(plan, histograms=quick.net.samples())
    with pytest.raises(octile.InvalidArgument, match="guess"):
        octile.precision_report(plan, method="guess")
    with pytest.raises(octile.IoError, match="nowhere"):
        octile.precision_report(plan, tmp_path / "nowhere" / "r.html")
    with pytest.raises(LookupError):
        octile.precision_report(
            plan, model=quick.net.network, histograms=failing(quick.net.samples())
        )
    assert list(tmp_path.iterdir()) == []
