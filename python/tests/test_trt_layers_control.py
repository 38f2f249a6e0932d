"""octile.tensorrt: assertions, If conditionals, loops, attention; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from trt_network import Net

import octile
import octile.tensorrt as trt

X = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
INT32 = np.int32
SUM, PROD = trt.ElementWiseOperation.SUM, trt.ElementWiseOperation.PROD
COUNT, WHILE = trt.TripLimit.COUNT, trt.TripLimit.WHILE
LAST, CONCATENATE, REVERSE = trt.LoopOutput.__members__.values()


def add(net, a, b, operation=SUM):
    return net.network.add_elementwise(a, b, operation).get_output(0)


def refused(net, tensor, message):
    """Whether the tensor has no shape and the log says why."""
    return str(tensor.shape) == "(-1)" and message in net.logger.errors[-1]


# --- assertions ---


def extent_is(net, wanted, shape=None):
    network = net.network
    x = net.input(X, shape=shape)
    extent = network.add_slice(network.add_shape(x).get_output(0), [3], [1], [1]).get_output(0)
    equal = net.constant(np.int64([wanted]))
    equal = network.add_elementwise(extent, equal, trt.ElementWiseOperation.EQUAL)
    layer = network.add_assertion(equal.get_output(0), "the extent")
    layer.message += " is 4"
    assert layer.num_outputs == 0 and layer.type == trt.LayerType.ASSERTION
    return network.add_identity(x).get_output(0)


def test_assertion_at_build_time():
    net = Net()
    np.testing.assert_array_equal(net.run(extent_is(net, 4)), X)
    net = Net()
    y = extent_is(net, 5)
    with pytest.raises(Exception, match=r"condition\[0\] is false. the extent is 4"):
        net.complete(y)


# --- conditionals ---


def test_if_conditional():
    net = Net()
    network = net.network
    x, condition = net.input(X), net.input(np.array(True))
    conditional = network.add_if_conditional()
    conditional.name = "a choice"
    inside = conditional.add_input(x)
    conditional.set_condition(condition)
    double = add(net, inside.get_output(0), inside.get_output(0))
    same = network.add_identity(inside.get_output(0)).get_output(0)
    output = conditional.add_output(double, same)
    assert output.get_output(0).name == "(Unnamed Layer* 4) [Output]_output"
    assert output.conditional is conditional
    for value, expected in ((True, 2 * X), (False, X)):
        net.arrays["in1"] = np.array(value)
        np.testing.assert_array_equal(net.run(output.get_output(0)), expected)


def test_if_of_a_constant_picks_its_branch():
    for value in (True, False):
        net = Net()
        x = net.input(X)
        conditional = net.network.add_if_conditional()
        output = conditional.add_output(net.network.add_shape(x).get_output(0), x).get_output(0)
        assert refused(net, output, "no condition")
        conditional.set_condition(net.constant(np.array(value)))
        assert tuple(output.shape) == ((4,) if value else X.shape)
        np.testing.assert_array_equal(net.run(output), X.shape if value else X)


def test_if_refuses_branches_that_differ():
    net = Net()
    x = net.input(X)
    conditional = net.network.add_if_conditional()
    conditional.set_condition(net.input(np.array(True)))
    cut = net.network.add_slice(x, (0,) * 4, (1, 2, 3, 1), (1,) * 4).get_output(0)
    assert refused(net, conditional.add_output(x, cut).get_output(0), "the branches give")


# --- loops ---


def doubling(net, count, kind=COUNT):
    """(loop, recurrence, body): x = x + x, `count` times."""
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(np.asarray(count)), kind)
    recurrence = loop.add_recurrence(net.input(X + 1))
    body = add(net, recurrence.get_output(0), recurrence.get_output(0))
    recurrence.set_input(1, body)
    return loop, recurrence, body


def test_loop_counts():
    net = Net()
    loop, recurrence, body = doubling(net, INT32([5]))
    assert tuple(body.shape) == X.shape
    last = loop.add_loop_output(recurrence.get_output(0), LAST, 0)
    assert last.get_output(0).name == "(Unnamed Layer* 4) [LoopOutput]_output"
    every = loop.add_loop_output(body, CONCATENATE, 0)
    every.set_input(1, net.constant(INT32(6)))
    before = loop.add_loop_output(recurrence.get_output(0), CONCATENATE, 4)
    before.set_input(1, net.constant(INT32([3])))
    assert tuple(every.get_output(0).shape) == (6, *X.shape)
    assert tuple(before.get_output(0).shape) == (*X.shape, 3)
    a, b, c = net.run(*(layer.get_output(0) for layer in (last, every, before)))
    np.testing.assert_array_equal(a, 32 * (X + 1))
    steps = np.array([2, 4, 8, 16, 32, 0], np.float32).reshape(6, 1, 1, 1, 1)
    np.testing.assert_array_equal(b, steps * (X + 1))
    np.testing.assert_array_equal(c, (X + 1)[..., None] * np.float32([1, 2, 4]))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_loop_iterates(axis, reverse):
    net = Net()
    loop = net.network.add_loop()
    count = X.shape[axis]
    iterator = loop.add_iterator(net.input(X), axis, reverse)
    assert (iterator.axis, iterator.reverse, iterator.loop) == (axis, reverse, loop)
    length = net.constant(INT32([count]))
    loop.add_trip_limit(length, COUNT)
    piece = X.take(0, axis)
    recurrence = loop.add_recurrence(net.constant(np.ones_like(piece)))
    body = add(net, recurrence.get_output(0), iterator.get_output(0))
    recurrence.set_input(1, body)
    last = loop.add_loop_output(recurrence.get_output(0), LAST)
    stacked = loop.add_loop_output(body, CONCATENATE, 1)
    turned = loop.add_loop_output(body, REVERSE, 0)
    stacked.set_input(1, length)
    turned.set_input(1, length)
    a, b, c = net.run(*(layer.get_output(0) for layer in (last, stacked, turned)))
    pieces = [X.take(i, axis) for i in range(count)]
    sums = 1 + np.cumsum(pieces[::-1] if reverse else pieces, axis=0)
    np.testing.assert_array_equal(a, sums[-1])
    np.testing.assert_array_equal(b, np.stack(sums, 1))
    np.testing.assert_array_equal(c, sums[::-1])


def test_loop_of_known_extents_and_edits_after_asking():
    net = Net()
    network = net.network
    x = net.input(X)
    extent = network.add_slice(network.add_shape(x).get_output(0), [2], [1], [1])
    number = network.add_shuffle(extent.get_output(0))
    number.reshape_dims = ()
    loop = network.add_loop()
    loop.add_trip_limit(network.add_cast(number.get_output(0), trt.int32).get_output(0), COUNT)
    recurrence = loop.add_recurrence(x)
    body = network.add_elementwise(
        recurrence.get_output(0), net.constant(np.float32([[[[1]]]])), SUM
    )
    recurrence.set_input(1, body.get_output(0))
    y = loop.add_loop_output(recurrence.get_output(0), LAST).get_output(0)
    assert tuple(y.shape) == X.shape
    body.op = PROD
    recurrence.set_input(1, add(net, body.get_output(0), net.constant(np.float32([[[[3]]]]))))
    np.testing.assert_array_equal(net.run(y), X + 9)


@pytest.mark.parametrize("count", [0, 1, 3, 5])
@pytest.mark.parametrize("kind", [CONCATENATE, REVERSE])
def test_loop_counts_to_a_number_of_run_time(count, kind):
    net = Net()
    loop = net.network.add_loop()
    number = net.input(INT32([count]))
    scalar = net.network.add_shuffle(number)
    scalar.reshape_dims = ()
    loop.add_trip_limit(scalar.get_output(0), COUNT)
    recurrence = loop.add_recurrence(net.input(X + 1))
    body = add(net, recurrence.get_output(0), recurrence.get_output(0))
    recurrence.set_input(1, body)
    last = loop.add_loop_output(recurrence.get_output(0), LAST).get_output(0)
    every = loop.add_loop_output(body, kind, 0)
    every.set_input(1, net.input(np.array(4, INT32), "length"))
    assert tuple(last.shape) == X.shape
    assert tuple(every.get_output(0).shape) == (-1, *X.shape)
    net.network._emission.bound({}, {"in0": [5], "length": [7]})
    assert tuple(every.get_output(0).shape) == (-1, *X.shape)
    a, b = net.run(last, every.get_output(0))
    np.testing.assert_array_equal(a, 2**count * (X + 1))
    steps = np.float32([2.0 ** (i + 1) if i < count else 0 for i in range(4)])
    steps = steps[::-1] if kind == REVERSE else steps
    np.testing.assert_array_equal(b, steps.reshape(4, 1, 1, 1, 1) * (X + 1))
    net.arrays["in0"] = INT32([6])
    with pytest.raises(octile.Error):
        net.run(last)


@pytest.mark.parametrize("reverse", [False, True])
def test_loop_over_an_extent_of_run_time(reverse):
    net = Net()
    network = net.network
    x = net.input(X[0], shape=(2, -1, -1))
    extent = network.add_slice(network.add_shape(x).get_output(0), [1], [1], [1])
    number = network.add_shuffle(extent.get_output(0))
    number.reshape_dims = ()
    loop = network.add_loop()
    loop.add_trip_limit(network.add_cast(number.get_output(0), trt.int32).get_output(0), COUNT)
    row = loop.add_iterator(x, 1, reverse).get_output(0)
    zeros = net.input(np.zeros((2, 4), np.float32), shape=(2, -1))
    total = loop.add_recurrence(zeros)
    more = add(net, add(net, total.get_output(0), total.get_output(0)), row)
    total.set_input(1, more)
    last = loop.add_loop_output(total.get_output(0), LAST).get_output(0)
    every = loop.add_loop_output(more, CONCATENATE, 1)
    every.set_input(1, number.get_output(0))
    every = every.get_output(0)
    assert (tuple(last.shape), tuple(every.shape)) == ((2, -1), (2, -1, -1))
    most = {"in0": (2, 5, 4), "in1": (2, 4)}
    network._emission.bound(most, {})
    least = {"in0": (2, 1, 4), "in1": (2, 4)}
    shapes = {name: (least[name], most[name], most[name]) for name in most}
    for rows in (1, 3):
        net.arrays["in0"] = X[0][:, :rows]
        a, b = net.run(last, every, profiles=[shapes])
        expected, sums = np.zeros((2, 4), np.float32), []
        for k in range(rows):
            expected = 2 * expected + X[0][:, rows - 1 - k if reverse else k]
            sums.append(expected)
        np.testing.assert_array_equal(a, expected)
        np.testing.assert_array_equal(b, np.stack(sums, 1))


@pytest.mark.parametrize("limit", [0, 6, 100, 2000])
def test_loop_while(limit):
    net = Net()
    network = net.network
    loop = network.add_loop()
    recurrence = loop.add_recurrence(net.input(X + 1))
    most = network.add_reduce(recurrence.get_output(0), trt.ReduceOperation.MAX, 0b1111, False)
    bound = net.input(np.array(limit, np.float32))
    less = network.add_elementwise(most.get_output(0), bound, trt.ElementWiseOperation.LESS)
    loop.add_trip_limit(less.get_output(0), WHILE)
    body = add(net, recurrence.get_output(0), recurrence.get_output(0))
    recurrence.set_input(1, body)
    last = loop.add_loop_output(recurrence.get_output(0), LAST).get_output(0)
    before = loop.add_loop_output(recurrence.get_output(0), CONCATENATE, 0)
    before.set_input(1, net.constant(INT32(6)))
    assert tuple(last.shape) == X.shape
    expected, steps = X + 1, np.zeros((6, *X.shape), np.float32)
    for step in range(6):
        if expected.max() < limit:
            steps[step] = expected
            expected = 2 * expected
    if expected.max() < limit:  # six iterations are not enough for the last value
        np.testing.assert_array_equal(net.run(before.get_output(0)), steps)
        with pytest.raises(octile.Error):
            net.run(last)
        return
    a, b = net.run(last, before.get_output(0))
    np.testing.assert_array_equal(a, expected)
    np.testing.assert_array_equal(b, steps)


def test_loop_in_a_loop():
    net = Net()
    outer = net.network.add_loop()
    outer.add_trip_limit(net.constant(INT32(2)), COUNT)
    rows = outer.add_iterator(net.input(X[0]), 0).get_output(0)
    total = outer.add_recurrence(net.constant(np.zeros(4, np.float32)))
    inner = net.network.add_loop()
    inner.add_trip_limit(net.constant(INT32(3)), COUNT)
    row = inner.add_iterator(rows, 0).get_output(0)
    partial = inner.add_recurrence(total.get_output(0))
    more = add(net, add(net, partial.get_output(0), partial.get_output(0)), row)
    partial.set_input(1, more)
    end = inner.add_loop_output(partial.get_output(0), LAST).get_output(0)
    total.set_input(1, end)
    y = outer.add_loop_output(total.get_output(0), LAST).get_output(0)
    expected = np.zeros(4, np.float32)
    for row_ in X[0].reshape(6, 4):
        expected = 2 * expected + row_
    np.testing.assert_array_equal(net.run(y), expected)


def test_lstm_by_a_loop():
    rng = np.random.default_rng(5)
    batch, steps, width, hidden = 3, 4, 7, 5
    x = rng.normal(size=(batch, steps, width)).astype(np.float32)
    weights = rng.normal(size=(4, width, hidden)).astype(np.float32)
    recurrent = rng.normal(size=(4, hidden, hidden)).astype(np.float32)
    net = Net()
    network, none = net.network, trt.MatrixOperation.NONE
    loop = network.add_loop()
    loop.add_trip_limit(net.constant(INT32(steps)), COUNT)
    step = loop.add_iterator(net.input(x, shape=(-1, steps, width)), 1).get_output(0)
    zeros = np.zeros((batch, hidden), np.float32)
    h, c = (loop.add_recurrence(net.input(zeros, shape=(-1, hidden))) for _ in range(2))
    gates = []
    for gate in range(4):
        a = network.add_matrix_multiply(step, none, net.constant(weights[gate]), none)
        b = network.add_matrix_multiply(h.get_output(0), none, net.constant(recurrent[gate]), none)
        kind = trt.ActivationType.TANH if gate == 2 else trt.ActivationType.SIGMOID
        total = add(net, a.get_output(0), b.get_output(0))
        gates.append(network.add_activation(total, kind).get_output(0))
    cell = add(
        net,
        add(net, gates[1], c.get_output(0), PROD),
        add(net, gates[0], gates[2], PROD),
    )
    squashed = network.add_activation(cell, trt.ActivationType.TANH).get_output(0)
    out = add(net, gates[3], squashed, PROD)
    h.set_input(1, out)
    c.set_input(1, cell)
    every = loop.add_loop_output(out, CONCATENATE, 1)
    every.set_input(1, net.constant(INT32(steps)))
    last = loop.add_loop_output(c.get_output(0), LAST)
    assert tuple(every.get_output(0).shape) == (-1, steps, hidden)
    found, cells = net.run(every.get_output(0), last.get_output(0))
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    hs, cs, expected = zeros, zeros, []
    for t in range(steps):
        i, f, g, o = (x[:, t] @ weights[k] + hs @ recurrent[k] for k in range(4))
        cs = sigmoid(f) * cs + sigmoid(i) * np.tanh(g)
        hs = sigmoid(o) * np.tanh(cs)
        expected.append(hs)
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cells, cs, rtol=1e-4, atol=1e-5)


def test_loops_that_cannot_be_unrolled():
    net = Net()
    loop, recurrence, body = doubling(net, True, WHILE)
    assert refused(net, loop.add_loop_output(recurrence.get_output(0), LAST).get_output(0), "WHILE")
    net = Net()
    loop = net.network.add_loop()
    recurrence = loop.add_recurrence(net.input(X))
    output = loop.add_loop_output(recurrence.get_output(0), LAST)
    assert refused(net, output.get_output(0), "no trip limit")
    loop.add_trip_limit(net.input(np.array(3, INT32)), COUNT)
    assert refused(net, output.get_output(0), "no input 1")
    recurrence.set_input(1, add(net, recurrence.get_output(0), recurrence.get_output(0)))
    assert tuple(output.get_output(0).shape) == X.shape
    with pytest.raises(Exception, match="no profile bounds its number of iterations"):
        net.complete(output.get_output(0))
    net.network._emission.bound({}, {"other": [3]})
    assert refused(net, output.get_output(0), "known when the engine is built")
    assert loop.add_trip_limit(net.constant(INT32(3)), COUNT) is None
    net = Net()
    loop, recurrence, body = doubling(net, INT32(2))
    assert refused(net, loop.add_loop_output(body, LAST).get_output(0), "no recurrence")
    net = Net()
    loop, recurrence, body = doubling(net, INT32(2))
    assert refused(net, loop.add_loop_output(body, CONCATENATE).get_output(0), "length")


# --- recurrent layers of 8.x ---


def step_of(op, gates, h, c):
    """One step: `gates` (G lists of two: of the input and of the hidden state)."""
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    sums = {gate: a + b for gate, (a, b) in gates.items()}
    kinds = trt.RNNGateType
    if op == trt.RNNOperation.LSTM:
        c = sigmoid(sums[kinds.FORGET]) * c + sigmoid(sums[kinds.INPUT]) * np.tanh(sums[kinds.CELL])
        return sigmoid(sums[kinds.OUTPUT]) * np.tanh(c), c
    if op == trt.RNNOperation.GRU:
        z, r = sigmoid(sums[kinds.UPDATE]), sigmoid(sums[kinds.RESET])
        a, b = gates[kinds.HIDDEN]
        return (1 - z) * np.tanh(a + r * b) + z * h, c
    total = sums[kinds.INPUT]
    return (np.maximum(total, 0) if op == trt.RNNOperation.RELU else np.tanh(total)), c


GATES = {
    trt.RNNOperation.RELU: ["INPUT"],
    trt.RNNOperation.TANH: ["INPUT"],
    trt.RNNOperation.GRU: ["RESET", "UPDATE", "HIDDEN"],
    trt.RNNOperation.LSTM: ["INPUT", "CELL", "FORGET", "OUTPUT"],
}


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("both, layers", [(False, 1), (True, 2)])
@pytest.mark.parametrize("states", [False, True])
def test_rnn_v2(op, both, layers, states):
    rng = np.random.default_rng(9)
    images, steps, width, hidden = (1, 3), 4, 7, 5
    directions = 2 if both else 1
    x = rng.normal(size=(*images, steps, width)).astype(np.float32)
    first = rng.normal(size=(2, *images, layers * directions, hidden)).astype(np.float32) / 2
    lengths = INT32([[4, 2, 3]])
    net = Net()
    layer = net.network.add_rnn_v2(net.input(x), layers, hidden, steps, op)
    assert (layer.num_layers, layer.hidden_size, layer.max_seq_length) == (layers, hidden, steps)
    assert layer.data_length == width and layer.direction == trt.RNNDirection.UNIDIRECTION
    if both:
        layer.direction = trt.RNNDirection.BIDIRECTION
    if states:
        layer.hidden_state, layer.seq_lengths = net.input(first[0]), net.input(lengths)
        if op == trt.RNNOperation.LSTM:
            layer.cell_state = net.input(first[1])
    else:
        first, lengths = first * 0, lengths * 0 + steps
    weights = {}
    for place in range(layers * directions):
        inputs = width if place < directions else directions * hidden
        for gate in (getattr(trt.RNNGateType, g) for g in GATES[op]):
            for is_w, columns in ((True, inputs), (False, hidden)):
                w = rng.normal(size=(hidden, columns)).astype(np.float32) / 4
                b = rng.normal(size=hidden).astype(np.float32) / 4
                assert layer.set_weights_for_gate(place, gate, is_w, trt.Weights(w))
                assert layer.set_bias_for_gate(place, gate, is_w, b)
                weights[place, gate, is_w] = w, b
    y, h, c = x[0], np.zeros((3, layers * directions, hidden)), None
    c = h.copy()
    for depth in range(layers):
        rows = np.zeros((3, steps, directions * hidden))
        for n, side in np.ndindex(3, directions):
            place = depth * directions + side
            hs, cs = first[0][0, n, place], first[1][0, n, place]
            order = range(lengths[0, n])
            for t in reversed(order) if side else order:
                gates = {}
                for gate in (getattr(trt.RNNGateType, g) for g in GATES[op]):
                    (w, wb), (u, ub) = weights[place, gate, True], weights[place, gate, False]
                    gates[gate] = (w @ y[n, t] + wb, u @ hs + ub)
                hs, cs = step_of(op, gates, hs, cs)
                rows[n, t, side * hidden : (side + 1) * hidden] = hs
            h[n, place], c[n, place] = hs, cs
        y = rows
    expected = [y[None], h[None], c[None]][: layer.num_outputs]
    assert layer.num_outputs == (3 if op == trt.RNNOperation.LSTM else 2)
    outputs = [layer.get_output(i) for i in range(layer.num_outputs)]
    assert [tuple(t.shape) for t in outputs] == [e.shape for e in expected]
    for found, value in zip(net.run(*outputs), expected):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)


def test_rnn_v2_skips_its_input_and_misses_weights():
    net = Net()
    x = np.random.default_rng(10).normal(size=(2, 3, 4)).astype(np.float32)
    layer = net.network.add_rnn_v2(net.input(x), 1, 4, 3, trt.RNNOperation.TANH)
    layer.input_mode = trt.RNNInputMode.SKIP
    gate = trt.RNNGateType.INPUT
    layer.set_weights_for_gate(0, gate, False, np.zeros((4, 4), np.float32))
    assert refused(net, layer.get_output(0), "the bias of the inputs has 0 elements")
    for is_w in (True, False):
        layer.set_bias_for_gate(0, gate, is_w, np.zeros(4, np.float32))
    np.testing.assert_allclose(net.run(layer.get_output(0)), np.tanh(x), rtol=1e-5)


# --- attention ---


def attend(q, k, v, mask=None):
    scores = q @ k.transpose(0, 1, 3, 2)
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def test_attention():
    rng = np.random.default_rng(6)
    q, k, v = (rng.normal(size=(2, 4, 3, 8)).astype(np.float32) for _ in range(3))
    mask = rng.uniform(size=(2, 1, 3, 3)) < 0.5
    mask[..., 0] = True
    net = Net()
    inputs = [net.input(a, shape=(2, 4, -1, 8)) for a in (q, k, v)]
    attention = net.network.add_attention(*inputs, trt.AttentionNormalizationOp.SOFTMAX, False)
    for layer in net.network:
        layer.__class__ = trt.IAttentionBoundaryLayer
        assert layer.attention is attention
    y = attention.get_output(0)
    assert y.name == "(Unnamed Layer* 2) [AttentionOutput]_output"
    assert (attention.num_inputs, attention.num_outputs, attention.mask) == (3, 1, None)
    np.testing.assert_allclose(net.run(y), attend(q, k, v), rtol=1e-4, atol=1e-5)
    attention.causal = True
    causal = np.tril(np.ones((3, 3), bool))
    np.testing.assert_allclose(net.run(y), attend(q, k, v, causal), rtol=1e-4, atol=1e-5)
    attention.mask = net.constant(mask)
    assert attention.num_inputs == 4
    np.testing.assert_allclose(net.run(y), attend(q, k, v, causal & mask), rtol=1e-4, atol=1e-5)
    attention.norm_op = trt.AttentionNormalizationOp.NONE
    with pytest.raises(trt.UnsupportedError, match="normalization_quantize_to_type"):
        attention.normalization_quantize_to_type = trt.fp8


def test_attention_quantizes_its_weights():
    rng = np.random.default_rng(12)
    q, k, v = (rng.normal(size=(1, 2, 3, 8)).astype(np.float32) for _ in range(3))
    net, scale = Net(), np.float32(1 / 100)
    inputs = [net.input(a) for a in (q, k, v)]
    attention = net.network.add_attention(*inputs, trt.AttentionNormalizationOp.SOFTMAX, False)
    assert attention.normalization_quantize_scale is None
    assert attention.normalization_quantize_to_type == trt.float32
    tensor = net.constant(np.array([scale]))
    attention.normalization_quantize_scale = tensor
    assert attention.normalization_quantize_scale is tensor and attention.num_inputs == 5
    assert refused(net, attention.get_output(0), "normalization_quantize_to_type")
    attention.normalization_quantize_to_type = trt.int8
    assert attention.normalization_quantize_to_type == trt.int8
    weights = attend(q, k, np.eye(3, dtype=np.float32)[None, None].repeat(2, axis=1))
    expected = np.clip(np.rint(weights / scale), -128, 127) * scale @ v
    found = net.execute(attention.get_output(0))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(found - attend(q, k, v)).max() > 1e-4  # the steps show


def test_attention_of_grouped_heads():
    rng = np.random.default_rng(7)
    q = rng.normal(size=(1, 6, 3, 4)).astype(np.float32)
    k, v = (rng.normal(size=(1, 2, 5, 4)).astype(np.float32) for _ in range(2))
    net = Net()
    attention = net.network.add_attention(
        *(net.input(a) for a in (q, k, v)), trt.AttentionNormalizationOp.SOFTMAX, True
    )
    mask = np.tril(np.ones((3, 5), bool))
    expected = attend(q, k.repeat(3, 1), v.repeat(3, 1), mask)
    np.testing.assert_allclose(net.run(attention.get_output(0)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("turned", [0, 4])
@pytest.mark.parametrize("positions", [False, True])
def test_rotary_embedding(interleaved, turned, positions):
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2, 3, 5, 8)).astype(np.float32)
    half = (turned or 8) // 2
    angle = rng.uniform(0, 3, (16, half) if positions else (2, 5, half)).astype(np.float32)
    at = rng.integers(0, 16, (2, 5))
    net = Net()
    layer = net.network.add_rotary_embedding(
        net.input(x), net.input(np.cos(angle)), net.input(np.sin(angle)), interleaved, turned
    )
    if positions:
        layer.set_input(3, net.input(at))
    angle = (angle[at] if positions else angle)[:, None].astype(np.float64)
    expected = x.copy()
    for i in range(half):
        p, q = (2 * i, 2 * i + 1) if interleaved else (i, half + i)
        cos, sin = np.cos(angle[..., i]), np.sin(angle[..., i])
        expected[..., p] = x[..., p] * cos - x[..., q] * sin
        expected[..., q] = x[..., p] * sin + x[..., q] * cos
    np.testing.assert_allclose(net.run(layer.get_output(0)), expected, rtol=1e-5, atol=1e-5)


def test_kv_cache_update():
    cache = np.zeros((2, 2, 6, 3), np.float32)
    update = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3) + 1
    net = Net()
    layer = net.network.add_kv_cache_update(
        net.input(cache), net.input(update), net.input(INT32([1, 4])), trt.KVCacheMode.LINEAR
    )
    y = net.run(layer.get_output(0))
    cache[0, :, 1:3], cache[1, :, 4:6] = update
    np.testing.assert_array_equal(y, cache)


# --- what is refused ---


@pytest.mark.parametrize("name", ["add_plugin_v2", "add_plugin_v3", "add_dist_collective"])
def test_no_counterpart(name):
    with pytest.raises(trt.UnsupportedError, match=name):
        getattr(Net().network, name)()


def test_moe_as_where_it_is_not_supported():
    net = Net()
    x = net.input(X)
    assert net.network.add_moe(x, x, x) is None and len(net.logger.errors) == 1
