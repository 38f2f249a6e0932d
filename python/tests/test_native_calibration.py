"""octile.calibrate over Python's iterables; calibrators, tables and histograms."""

import pathlib
import pickle

import numpy as np
import pytest
from native_networks import ConvNet, failing

import octile


@pytest.fixture(scope="module")
def net():
    return ConvNet()


@pytest.fixture(scope="module")
def table(net):
    return octile.calibrate(net.network, net.samples())


class OneByOne(octile.Calibrator):
    """Hands out addresses, and remembers what it was asked."""

    def __init__(self, samples, method="entropy", cache=None):
        self.samples, self.how, self.cache = samples, method, cache
        self.calls, self.at, self.memory = [], 0, np.empty_like(samples[0])

    def method(self):
        return self.how

    def batch_size(self):
        return len(self.samples[0])

    def read_cache(self):
        self.calls.append("read_cache")
        return self.cache

    def next_batch(self):
        self.calls.append("next_batch")
        if self.at == len(self.samples):
            return None
        self.memory[:] = self.samples[self.at]
        self.at += 1
        return {"x": (self.memory.ctypes.data, self.memory.nbytes)}

    def write_cache(self, data):
        self.calls.append("write_cache")
        self.cache = data


def test_every_way_to_give_batches_gives_the_same_table(net, table):
    samples = net.samples()
    ways = [
        samples,
        tuple(samples),
        (s for s in samples),
        [{"x": s} for s in samples],
        [[s] for s in samples],
        np.concatenate(samples),
        {"x": np.concatenate(samples)},
        OneByOne(samples),
        [s.astype(np.float64) for s in samples],
    ]
    for way in ways:
        assert octile.calibrate(net.network, way) == table
    assert table.samples == 8 and table.method == "entropy"


def test_minmax_is_numpys(net):
    samples = net.samples()
    table = octile.calibrate(net.network, iter(samples), method="minmax")
    everything = np.concatenate(samples)
    assert table["x"].range == table["x"].seen == (everything.min(), everything.max())
    assert table["x"].threshold == np.abs(everything).max()
    top = net.expected(everything).max()
    assert table["y"].range[1] == pytest.approx(top, rel=1e-5)


def test_life_cycle_of_a_calibrator(net, table):
    calibrator = OneByOne(net.samples())
    assert octile.calibrate(net.network, calibrator) == table
    assert calibrator.calls == ["read_cache"] + ["next_batch"] * 5 + ["write_cache"]
    again = OneByOne(net.samples(), cache=calibrator.cache)
    assert dict(octile.calibrate(net.network, again)) == dict(table)
    assert again.calls == ["read_cache"]
    small = OneByOne(net.samples())
    small.next_batch = lambda: {"x": (small.memory.ctypes.data, 8)}
    with pytest.raises(octile.InvalidArgument, match="needs 1536 bytes.*has 8"):
        octile.calibrate(net.network, small)


def test_cache_file(net, table, tmp_path):
    cache = tmp_path / "net.cache"
    assert octile.calibrate(net.network, net.samples(), cache=cache) == table

    def never():
        raise AssertionError("the cache should have been read")
        yield

    assert dict(octile.calibrate(net.network, never(), cache=cache)) == dict(table)
    with pytest.raises(octile.InvalidArgument, match="minmax"):
        octile.calibrate(net.network, never(), cache=cache, method="minmax")


def test_exceptions_come_out_as_they_are(net):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(LookupError, match="^'?no more'?$") as caught:
        octile.calibrate(net.network, failing(net.samples()))
    assert caught.type is LookupError
    with pytest.raises(KeyboardInterrupt):
        octile.calibrate(net.network, net.samples(), progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        octile.build(net.network, profiles=net.profile, progress=interrupt)
    calibrator = OneByOne(net.samples())
    calibrator.write_cache = interrupt
    with pytest.raises(KeyboardInterrupt):
        octile.calibrate(net.network, calibrator)
    with pytest.raises(LookupError):
        octile.collect(net.network, failing(net.samples()))


def test_wrong_batches(net):
    x = net.samples(1)[0]
    with pytest.raises(octile.InvalidArgument, match="input 'x' needs shape"):
        octile.calibrate(net.network, [x[0]])
    with pytest.raises(octile.InvalidArgument, match="batch 1 has 2 arrays"):
        octile.calibrate(net.network, [x, [x, x]])
    for bad in (5, "samples", pathlib.Path("samples"), ["text"]):
        with pytest.raises(TypeError):
            octile.calibrate(net.network, bad)
    with pytest.raises(TypeError, match="unexpected keyword argument 'methods'"):
        octile.calibrate(net.network, [x], methods="mse")
    with pytest.raises(TypeError, match="percentile must be a float"):
        octile.calibrate(net.network, [x], percentile="much")
    with pytest.raises(octile.InvalidArgument, match="median"):
        octile.calibrate(net.network, [x], method="median")


def test_progress_and_log(net, capsys):
    seen = []
    octile.calibrate(net.network, net.samples(), progress=lambda *a: seen.append(a))
    assert {phase for phase, _, _ in seen} >= {"ranges", "histograms"}
    octile.calibrate(net.network, net.samples(), progress=True)
    lines = capsys.readouterr().err
    assert "histograms: 100%|####################| 8/8" in lines and lines.endswith("\n")
    messages = []
    octile.calibrate(net.network, [np.zeros((1, 3, 8, 8))], log=lambda *m: messages.append(m))
    assert any(level == "warning" and "x" in text for level, text in messages)


def test_a_table_is_a_mapping(table, tmp_path):
    copy = table.copy()
    assert set(table) == set(table.keys()) == {"x", "conv_output", "relu_output", "y"}
    assert "x" in table and "q" not in table and 5 not in table and table.get("q") is None
    with pytest.raises(KeyError):
        table["q"]
    assert dict(table.items()) == {name: table[name] for name in table}
    copy["x"] = (-1.0, 3.0)
    assert copy["x"] == octile.Entry((-1, 3), 3.0) and copy != table
    del copy["x"]
    assert len(copy) == len(table) - 1 and copy.pop("y") == table["y"]
    table.save(tmp_path / "t.json")
    assert octile.CalibrationTable.load(tmp_path / "t.json") == table
    assert octile.CalibrationTable.parse(table.to_json().encode()) == table
    text = table.to_tensorrt()
    assert text.startswith("TRT-8601-")
    back = octile.CalibrationTable.from_tensorrt(text)
    for name in table:
        assert back[name].threshold == pytest.approx(table[name].threshold, rel=1e-6)
    with pytest.raises(octile.InvalidFile, match="here"):
        octile.CalibrationTable.parse(b"nonsense", "here")


def test_histograms_and_thresholds(net, table):
    samples = net.samples()
    data = octile.collect(net.network, samples)
    for method in ("entropy", "minmax", "mse", "percentile"):
        expected = octile.calibrate(net.network, samples, method=method)
        assert dict(data.table(method)) == dict(expected)
    everything = np.concatenate(samples)
    histogram = octile.Histogram(everything)
    assert histogram == data.histograms["x"]
    bins = np.minimum((np.abs(everything) * (2048 / histogram.abs_max)).astype(int), 2047)
    positive = np.bincount(bins[everything >= 0], minlength=2048)
    assert np.abs(histogram.positive - positive).sum() <= 4  # at the edges of bins
    entry = octile.threshold(everything)
    assert entry == octile.threshold(histogram)
    assert entry.range == table["x"].range and entry.threshold == table["x"].threshold


def test_what_no_callback_takes_goes_to_the_logger_of_the_standard_library(net, caplog):
    samples = net.samples()
    samples[0][:] = np.nan
    told = []
    octile.calibrate(net.network, samples, log=lambda level, message: told.append(level))
    assert "warning" in told and caplog.records == []
    octile.calibrate(net.network, samples)
    assert any(r.name == "octile" and "hold NaN" in r.getMessage() for r in caplog.records)


def test_names_of_other_types_are_not_in_a_table():
    table = octile.CalibrationTable()
    assert None not in table and 3 not in table and b"x" not in table


def test_parts_merge_to_the_collection_of_one_process(net, table):
    samples = net.samples()
    collectors = [octile.PartCollector(net.network, threads=1) for _ in range(2)]
    shares = [samples[:1], samples[1:]]
    parts = [c.ranges(share) for c, share in zip(collectors, shares)]
    assert [part.samples for part in parts] == [2, 6] and not parts[0].counted
    ranges = pickle.loads(pickle.dumps(parts[1]))
    assert ranges == parts[1]
    ranges.merge(parts[0])
    counts = octile.CalibrationPart.from_bytes(collectors[0].counts(shares[0], ranges).to_bytes())
    counts.merge(collectors[1].counts(shares[1], ranges))
    assert counts.paths == {collectors[0].path}
    assert octile.whole_collection(ranges, counts).table() == table
    with pytest.raises(octile.InvalidArgument, match="others than the first"):
        octile.whole_collection(ranges, collectors[0].counts(shares[0], ranges))
    with pytest.raises(octile.InvalidFile, match="here"):
        octile.CalibrationPart.from_bytes(counts.to_bytes()[:-1], "here")


def test_tables_and_networks_are_pickled_as_they_are(net, table):
    back = pickle.loads(pickle.dumps(table))
    assert back.to_json() == table.to_json() and back.warnings == table.warnings

    network = net.network.copy()
    network.layers[-1].precision = "int8"
    network.find_tensor("relu_output").dynamic_range = (-1.0, 0.1)
    same = pickle.loads(pickle.dumps(network))
    assert same.digest() == network.digest() and str(same) == str(network)
    assert [t.name for layer in same.layers for t in layer.outputs] == [
        t.name for layer in network.layers for t in layer.outputs
    ]
    assert [layer.precision for layer in same.layers] == [
        layer.precision for layer in network.layers
    ]
    assert same.find_tensor("relu_output").dynamic_range == pytest.approx((-1.0, 0.1))
    assert octile.calibrate(same, net.samples()) == octile.calibrate(network, net.samples())
