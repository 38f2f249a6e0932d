"""octile.ray.calibrate where workers and nodes die, differ, and are cancelled: the table is that of
one process, bit for bit, which also shows that each sample is in once (its digest is of them all).
"""

import threading

import pytest
from ray_cluster import Net, Nodes, computed, held, kill_node, kill_worker

import octile
import octile.ray

COUNT = 360
SLOW = {"reproducible": True, "rows_per_task": 30}  # 12 tasks a round, a quarter second each


@pytest.fixture(scope="module")
def net():
    return Net()


@pytest.fixture(scope="module")
def expected(net):
    """By `reproducible`."""
    samples = Net.samples(COUNT)
    return {how: octile.calibrate(net.network, samples, reproducible=how) for how in (False, True)}


@pytest.fixture(scope="module")
def nodes(request):
    made = Nodes(*getattr(request, "param", ({}, {})))
    yield made
    made.close()


class Once:
    """A progress function that acts once, when `phase` has begun to come in."""

    def __init__(self, phase, act):
        self.phase, self.act, self.did = phase, act, None

    def __call__(self, phase, done, total):
        if phase == self.phase and self.did is None:
            self.did = self.act()


@pytest.mark.parametrize("phase", ["ranges", "histograms"])
def test_a_killed_worker_does_not_show(nodes, net, expected, phase):
    kill = Once(phase, lambda: kill_worker(nodes))
    table = octile.ray.calibrate(net.network, computed(COUNT, 6), progress=kill, **SLOW)
    assert kill.did
    assert table.to_json() == expected[True].to_json()
    assert table.samples == COUNT


@pytest.mark.parametrize("phase", ["ranges", "histograms"])
def test_a_killed_node_does_not_show(nodes, net, expected, phase):
    kill = Once(phase, lambda: kill_node(nodes))
    table = octile.ray.calibrate(net.network, computed(COUNT, 6), progress=kill, **SLOW)
    assert kill.did
    assert table.to_json() == expected[True].to_json()
    nodes.workers[:] = [node for node in nodes.workers if node is not kill.did] + [nodes.add({})]


def test_a_worker_that_always_dies_is_told(nodes, net):
    def die(batch):
        import os

        os.kill(os.getpid(), 9)

    data = held(Net.samples(4), 1)
    broken = data.map_batches(die, max_retries=1)
    with pytest.raises(Exception, match="died|crashed"):
        octile.ray.calibrate(net.network, broken, columns="x")


def test_a_cancelled_run_goes_on_from_its_checkpoint(nodes, net, expected, tmp_path):
    cancel, seen = threading.Event(), []

    def stop(phase, done, total):
        seen.append(done)
        if phase == "histograms" and done >= COUNT // 2:
            cancel.set()

    data = computed(COUNT, 6)
    with pytest.raises(octile.ray.Cancelled, match="histograms: [0-9]+ samples were in"):
        octile.ray.calibrate(
            net.network, data, checkpoint=tmp_path, progress=stop, cancel=cancel, **SLOW
        )
    kept = list(tmp_path.glob("*/*.part"))
    assert len(kept) >= 18 and not list(tmp_path.glob("*/*.tmp"))  # 12 of ranges, 6 of counts

    said = []
    table = octile.ray.calibrate(
        net.network,
        data,
        checkpoint=tmp_path,
        log=lambda level, text: said.append(text),
        **SLOW,
    )
    assert table.to_json() == expected[True].to_json()
    assert any(text.startswith(f"ranges: {COUNT} of {COUNT} samples came from") for text in said)
    assert any(text.startswith("histograms: ") for text in said)
    assert not list(tmp_path.iterdir())  # nothing is left once it is complete


def test_a_damaged_part_is_made_again(nodes, net, expected, tmp_path):
    cancel = threading.Event()
    with pytest.raises(octile.ray.Cancelled):
        octile.ray.calibrate(
            net.network,
            computed(COUNT, 6),
            checkpoint=tmp_path,
            progress=lambda phase, done, total: done > COUNT // 2 and cancel.set(),
            cancel=cancel,
            **SLOW,
        )
    for path in tmp_path.glob("*/*.part"):
        path.write_bytes(path.read_bytes()[:-9])
    table = octile.ray.calibrate(net.network, computed(COUNT, 6), checkpoint=tmp_path, **SLOW)
    assert table.to_json() == expected[True].to_json()


LEVELS = ({"OCTILE_FORCE_ISA": "avx2"}, {"OCTILE_FORCE_ISA": "portable"})


def needs_avx2():
    if "avx2" not in octile.devices()[0].usable:
        pytest.skip("this CPU has no AVX2: there are no two levels of x86 to mix")


@pytest.mark.parametrize("nodes", [LEVELS], indirect=True, scope="module")
def test_workers_of_two_levels(nodes, net, expected):
    needs_avx2()
    spread = {"task_options": {"scheduling_strategy": "SPREAD"}, "rows_per_task": 20}
    data = held(Net.samples(COUNT), 8)
    with pytest.raises(octile.InvalidArgument) as refused:
        octile.ray.calibrate(net.network, data, **spread)
    for word in ("avx2", "portable", "oneDNN", "reproducible=True", "allow_mixed=True"):
        assert word in str(refused.value)

    table = octile.ray.calibrate(net.network, data, reproducible=True, **spread)
    assert table.to_json() == expected[True].to_json()

    said = []
    mixed = octile.ray.calibrate(
        net.network, data, allow_mixed=True, log=lambda level, text: said.append(text), **spread
    )
    assert any("avx2" in text and "portable" in text for text in said)
    assert mixed.data_digest == expected[False].data_digest and mixed.samples == COUNT
    for name, entry in mixed.items():
        assert entry.range == pytest.approx(expected[False][name].range, rel=1e-4)
