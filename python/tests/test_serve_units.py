"""The parts of octile.serve by themselves: batches, options, folders, what may share a batch.

Where tritonclient's gRPC is loaded already KServe cannot be: tools/test_extra.sh runs this file in
a process of its own.
"""

import asyncio
import json
import sys
import threading

import numpy as np
import pytest
from serve_server import make_network, make_plan, needs_kserve, rows

import octile

pytestmark = needs_kserve


@pytest.fixture(scope="module")
def parts():
    if "tritonclient.grpc" in sys.modules:
        pytest.skip("KServe and tritonclient clash in one process: `make test-serve`")
    sys.argv[1:] = []  # KServe parses them when it is imported
    from octile.serve import _batcher, _engine, _metrics, _options, _repository

    class Parts:
        batcher, engine, metrics = _batcher, _engine, _metrics
        options, repository = _options, _repository

    return Parts


class Tripler:
    """Stands for an engine: y = 3 x; notes its batches, and holds the first until released."""

    def __init__(self):
        self.batches, self.entered, self.release = [], threading.Event(), threading.Event()

    def __call__(self, instance, inputs):
        x = inputs["x"]
        self.batches.append(x.copy())
        self.entered.set()
        assert self.release.wait(60)
        if (x < 0).any():
            raise octile.InvalidArgument("a negative value")
        return {"y": 3 * x}


def batch_of(parts, arrays, *, queue=99, delay=0.0, capacity=4):
    """Sends a first request that occupies the instance, then the others at once."""

    async def ask():
        run = Tripler()
        batcher = parts.batcher.Batcher(
            run,
            parts.metrics.ModelMetrics("m", "1"),
            instances=1,
            queue=queue,
            max_delay=delay,
            name="m",
        )

        def request(x):
            return batcher.submit(parts.batcher.Request({"x": x}, x.shape[1:], len(x), capacity))

        first = asyncio.ensure_future(request(np.ones((capacity, 1))))
        await asyncio.to_thread(run.entered.wait, 60)
        others = [asyncio.ensure_future(request(x)) for x in arrays]
        await asyncio.sleep(0)
        run.release.set()
        answers = await asyncio.gather(*others, return_exceptions=True)
        await first
        batcher.stop()
        with pytest.raises(parts.batcher.Stopped):
            await request(np.ones((1, 1)))
        batcher.join(60)
        return run.batches[1:], answers

    return asyncio.run(ask())


def test_requests_share_batches_up_to_their_capacity(parts):
    arrays = [np.full((n, 2), float(i)) for i, n in enumerate((1, 2, 1, 3, 2, 4, 1))]
    batches, answers = batch_of(parts, arrays)
    assert [len(b) for b in batches] == [4, 3, 2, 4, 1]
    assert all((y["y"] == 3 * x).all() for x, y in zip(arrays, answers))
    assert all(y["y"].shape == x.shape for x, y in zip(arrays, answers))


def test_only_like_extents_share_a_batch(parts):
    arrays = [np.full((1, 2 + i % 2), float(i)) for i in range(6)]
    batches, answers = batch_of(parts, arrays)
    assert sorted(b.shape for b in batches) == [(3, 2), (3, 3)]
    assert all((y["y"] == 3 * x).all() for x, y in zip(arrays, answers))


def test_a_delay_fills_a_batch_and_stops_with_it(parts):
    batches, answers = batch_of(parts, [np.ones((1, 1))] * 4, delay=1e6)
    assert [len(b) for b in batches] == [4]
    assert len(answers) == 4


def test_a_full_queue_refuses_at_once(parts):
    _, answers = batch_of(parts, [np.ones((1, 1))] * 5, queue=3)
    assert [isinstance(a, parts.batcher.QueueFull) for a in answers] == [False] * 3 + [True] * 2


def test_a_bad_request_fails_none_of_its_batch(parts):
    arrays = [np.ones((1, 1)), -np.ones((1, 1)), np.full((1, 1), 2.0)]
    _, answers = batch_of(parts, arrays)
    assert isinstance(answers[1], octile.InvalidArgument)
    assert (answers[0]["y"], answers[2]["y"]) == (3, 6)


def test_a_client_that_left_is_not_computed_for(parts):
    async def ask():
        run = Tripler()
        batcher = parts.batcher.Batcher(
            run, parts.metrics.ModelMetrics("m", "1"), instances=1, queue=9, max_delay=0, name="m"
        )

        def request(value):
            x = np.full((1, 1), value)
            return asyncio.ensure_future(
                batcher.submit(parts.batcher.Request({"x": x}, (), len(x), 4))
            )

        first = request(0.0)
        await asyncio.to_thread(run.entered.wait, 60)
        left, stayed = request(1.0), request(2.0)
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        run.release.set()
        assert (await stayed)["y"] == 6
        await first
        batcher.stop()
        batcher.join(60)
        return [b.tolist() for b in run.batches]

    assert asyncio.run(ask()) == [[[0.0]], [[2.0]]]


def test_what_may_share_a_batch(parts, tmp_path):
    def served(path, **options):
        return parts.engine.ServedEngine(octile.Plan.load(path), parts.options.Options(**options))

    int8 = served(make_plan(tmp_path / "int8.plan", 1))
    assert int8.batched and int8.most_rows == 8
    assert int8.capacity({"x": (2, 3, 12, 12)}) == 8
    with pytest.raises(ValueError, match=r"\[9, 3, 12, 12\]"):
        int8.capacity({"x": (9, 3, 12, 12)})
    exact = served(make_plan(tmp_path / "float.plan", 1, int8=False))
    assert "(Conv, float32)" in exact.unbatched
    assert served(tmp_path / "float.plan", batching="any").batched
    assert served(tmp_path / "int8.plan", batching="off").unbatched == "switched off"
    assert "batches of one" in served(make_plan(tmp_path / "one.plan", 1, most=1)).unbatched


@pytest.mark.parametrize(
    "scheme", ["static-symmetric", "static-affine", "dynamic-symmetric", "dynamic-affine"]
)
def test_every_scheme_keeps_a_rows_bits_in_every_batch(parts, scheme):
    network = make_network(6)
    table = octile.calibrate(network, [rows(16)]) if scheme.startswith("static") else None
    shapes = [{"x": tuple((n, 3, 12, 12) for n in (1, 4, 8))}]
    plan = octile.build(
        network, table, int8=True, int8_layers="all", scheme=scheme, profiles=shapes
    )
    served = parts.engine.ServedEngine(plan, parts.options.Options(instances=1))
    assert served.batched, served.unbatched
    x = rows(8) * np.logspace(-2, 2, 8, dtype=np.float32).reshape(8, 1, 1, 1)
    alone = np.concatenate([served.run(0, {"x": row[None]})["y"] for row in x])
    for count in range(2, 9):
        together = served.run(0, {"x": x[:count]})["y"]
        assert together.tobytes() == alone[:count].tobytes()


def test_rows_that_see_each_other_share_no_batch(parts, tmp_path):
    network = octile.Network("mix")
    x = network.add_input("x", "float32", (-1, 4))
    network.mark_output(network.softmax(x, 0), "y")
    shapes = [{"x": ((1, 4), (4, 4), (8, 4))}]
    plan = octile.build(network, profiles=shapes, tactics="first")
    for batching in ("exact", "any"):
        served = parts.engine.ServedEngine(plan, parts.options.Options(batching=batching))
        assert "depend on their batch" in served.unbatched


def test_the_least_profile_that_fits_runs_a_batch(parts):
    shapes = [{"x": tuple((n, 3, 12, 12) for n in p)} for p in ((1, 2, 2), (1, 8, 8))]
    network = make_network(1)
    table = octile.calibrate(network, [rows(16)])
    plan = octile.build(
        network, table, int8=True, int8_layers="all", profiles=shapes, tactics="first"
    )
    served = parts.engine.ServedEngine(plan, parts.options.Options(instances=1, threads=1))
    assert served.capacity({"x": (1, 3, 12, 12)}) == 8
    assert [served.profile_of({"x": (n, 3, 12, 12)}) for n in (1, 2, 3, 8)] == [0, 0, 1, 1]
    x = rows(8)
    parted = np.concatenate([served.run(0, {"x": x[i : i + 2]})["y"] for i in (0, 2, 4, 6)])
    assert served.run(0, {"x": x})["y"].tobytes() == parted.tobytes()


@pytest.mark.parametrize(
    ("cores", "given", "placed"),
    [
        (1, {}, (1, 1)),
        (2, {}, (1, 2)),
        (16, {}, (4, 4)),
        (16, {"instances": 2}, (2, 8)),
        (16, {"threads": 1}, (16, 1)),
        (2, {"instances": 5}, (5, 1)),
        (2, {"instances": 3, "threads": 4}, (3, 4)),
    ],
)
def test_instances_and_threads_follow_from_the_cores(parts, monkeypatch, cores, given, placed):
    monkeypatch.setattr(parts.options, "usable_cores", lambda: cores)
    assert parts.options.Options(**given).placed() == placed


def test_a_containers_quota_bounds_the_cores(parts, monkeypatch, tmp_path):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(parts.options, "_CGROUP", quota)
    for text, cores in (("250000 100000", 3), ("max 100000", 8), ("1600000 100000", 8)):
        quota.write_text(text)
        assert parts.options.usable_cores() == cores
    quota.unlink()
    assert parts.options.usable_cores() == 8


def test_a_folders_models(parts, tmp_path):
    find = parts.repository.find_models
    for path in ("a/1/model.plan", "a/10/model.onnx", "a/9/model.plan", "a/x/model.plan", "b.onnx"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = find(tmp_path)
    assert {name: list(versions) for name, versions in found.items()} == {
        "a": ["1", "9", "10"],
        "b": ["1"],
    }
    assert found["a"]["10"] == tmp_path / "a/10/model.onnx"
    assert list(find(tmp_path, "other")) == ["a", "b"]  # not an only model
    assert list(find(tmp_path / "a", "other")) == ["other"]  # the folder is the model
    assert list(find(tmp_path / "a")) == ["a"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"instance": 1}, "unknown key 'instance'"),
        ({"queue": 0}, "queue: 0"),
        ({"threads": "4"}, "threads: '4'"),
        ({"max_delay_ms": -1}, "max_delay_ms: -1"),
        ({"batching": "some"}, "batching: 'some'"),
        ({"profiles": [{"x": [1]}]}, "profiles"),
        ({"profiles": [{"x": [1, 2, 3]}]}, "profiles"),
        ({"profiles": [{"x": [[1], [2.5], [3]]}]}, "profiles"),
        ({"versions": "newest"}, "versions: 'newest'"),
        ([], "no JSON object"),
    ],
)
def test_a_wrong_config_is_told_with_its_file(parts, tmp_path, given, reason):
    (tmp_path / "octile.json").write_text(json.dumps(given))
    with pytest.raises(ValueError, match=f"octile.json: .*{reason}"):
        parts.options.with_config(parts.options.Options(), tmp_path)


def test_a_config_wins_over_the_flags(parts, tmp_path):
    flags = parts.options.Options(queue=7, batching="off")
    assert parts.options.with_config(flags, tmp_path) == flags
    (tmp_path / "octile.json").write_text('{"queue": 9, "versions": [1]}')
    got = parts.options.with_config(flags, tmp_path)
    assert (got.queue, got.batching, got.versions) == (9, "off", [1])
