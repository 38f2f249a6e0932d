"""How a loop is unrolled.

The layers between the iterators and recurrences and the loop's outputs are its body. They are
written like all others: that is iteration 0. `LoopRun`, a layer that no one sees, writes them again
for every further iteration, on the tensors of the one before, and joins what the outputs collect.
Where only the run tells the number of iterations, the optimization profiles bound it: all are
written, and those beyond the number change nothing. Start reading at `LoopRun._emit`.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._known import Element, Extent, known
from ._maker import Maker, axis_of
from ._native_values import ApiError
from ._tensor import ILayer, ITensor
from ._types import DataType, LayerType, LoopOutput, TripLimit

MOST_LAYERS = 50_000  # of an unrolled loop


def most_of(emission: Any, number: Any) -> Optional[int]:
    """The greatest value of a number: its value if it is known, else by the profiles; or None."""
    values = known(number)
    if values is None or values.size != 1 or values.reshape(-1)[0] is None:
        return None
    value = values.reshape(-1)[0]
    if not isinstance(value, Extent):
        return int(value)
    bounds = emission.bounds or ({}, {})
    found = bounds[1 if isinstance(value, Element) else 0].get(value.tensor)
    return None if found is None else value.factor * int(found[value.axis])


class LoopRun(ILayer):
    """All iterations of a loop. One output for each of the loop's, before it is cut to length."""

    _layer_type = LayerType.TRIP_LIMIT

    def __init__(self, loop: Any):
        network = loop._network
        numbered = network._numbered
        super().__init__(network, [])
        network._numbered = numbered  # TensorRT has no such layer
        network._loops = network.__dict__.get("_loops", 0) + 1
        self._name, self._loop = f"(Loop {network._loops})", loop
        self._set_output_count(0)

    def output_for(self, layer: Any) -> ITensor:
        self._set_output_count(len(self._loop._outputs))
        return self._outputs[self._loop._outputs.index(layer)]

    def _needs(self) -> list:
        loop = self._loop
        if loop._limit is None:
            raise ApiError(f"loop '{loop.name}' has no trip limit")
        limits = [loop._limit._inputs[0]]
        iterated = [layer._inputs[0] for layer in loop._iterators]
        carried = [layer._outputs[0] for layer in loop._recurrences]
        nexts = [layer._next() for layer in loop._recurrences]
        return limits + iterated + carried + nexts + [o._inputs[0] for o in loop._outputs]

    def _output_dtype(self, index: int, native: DataType, inputs: Any) -> DataType:
        return self._network._emission._dtypes[self._loop._outputs[index]._inputs[0]]

    # --- the body ---
    def _body(self) -> list:
        """The layers to repeat, in the order of writing: those between the loop's boundaries."""
        loop, emission = self._loop, self._network._emission
        wanted = self._ancestors()
        boundaries = loop._iterators + loop._recurrences
        varying = {t for layer in boundaries for t in layer._outputs}
        body = []
        for layer in emission._stack:
            if id(layer) not in wanted or layer in boundaries:
                continue
            if any(t in varying for t in layer._class._needs(layer)):
                body.append(layer)
                varying.update(layer._emitted_outputs)
        return body

    def _ancestors(self) -> set:
        """ids of all layers that the recurrences' next values and the outputs come from."""
        pending = [layer._next() for layer in self._loop._recurrences]
        pending += [layer._inputs[0] for layer in self._loop._outputs]
        found: set = set()
        while pending:
            layer = pending.pop()._producer
            if layer is not None and id(layer) not in found:
                found.add(id(layer))
                pending.extend(t for t in layer._class._needs(layer) if t is not None)
        return found

    # --- the number of iterations ---
    def _count(self, maker: Maker, limit: Any) -> tuple:
        """How many iterations to write, and, where that is only a bound, the number (int64)."""
        if self._loop._limit.kind != TripLimit.COUNT:
            raise ApiError("TripLimit.WHILE has no counterpart in Octile: give a COUNT")
        emission, values = self._network._emission, known(limit)
        emission.provisional.discard(self._name)
        most = most_of(emission, limit)
        if (
            values is not None
            and most is not None
            and not isinstance(values.reshape(-1)[0], Extent)
        ):
            if most < 1:
                raise ApiError(f"loop '{self._loop.name}' has {most} iterations")
            return most, None
        if most is None and emission.bounds is not None:
            raise ApiError(
                f"loop '{self._loop.name}': its number of iterations must be known when the engine "
                "is built, or an extent or element of an input that a profile bounds"
            )
        number = maker.reshape(maker.cast(limit, np.int64), [], "count")
        if most is None:  # shapes are asked for before the build: one iteration has them
            emission.provisional.add(self._name)
            return 1, number
        guard = maker.constant(np.zeros(most + 1))  # the run fails beyond the bound
        return most, maker.binary("add", number, maker.add(ops.Gather(), guard, number, what="ok"))

    # --- writing ---
    def _emit(self, net: Any, inputs: list, name: str) -> list:
        loop, emission = self._loop, self._network._emission
        maker = Maker(net, name)
        count, number = self._count(maker, inputs[0])
        body = self._body()
        if count * len(body) > MOST_LAYERS:
            raise ApiError(f"{count} iterations of {len(body)} layers are too many to unroll")
        collected: list = [[] for _ in loop._outputs]
        active: Any = None
        before = dict(emission._tensors)
        try:
            for iteration in range(count):
                if iteration > 0:
                    self._enter(net, f"{name}.{iteration}", iteration, active)
                    for layer in body:
                        outputs, _ = emission.written(layer, f"{name}.{iteration}.{layer._name}")
                        emission._tensors.update(zip(layer._outputs, outputs))
                active = None if number is None else maker.binary("greater", number, iteration)
                for place, output in enumerate(loop._outputs):
                    value = emission._tensors[output._inputs[0]]
                    collected[place].append(_kept(maker, active, value))
            last = self._nexts(maker, active)
        finally:
            emission._tensors = before
        return [
            self._result(Maker(net, f"{name}.output{place}"), output, collected[place], last)
            for place, output in enumerate(loop._outputs)
        ]

    def _nexts(self, maker: Maker, active: Any) -> dict:
        """What the recurrences are after an iteration; as before where it is not active."""
        tensors, result = self._network._emission._tensors, {}
        for layer in self._loop._recurrences:
            value, now = tensors[layer._next()], tensors[layer._outputs[0]]
            if value.shape != now.shape:
                raise ApiError(
                    f"recurrence '{layer._name}' begins as {now.shape} and goes on as {value.shape}"
                )
            if active is not None:
                value = maker.add(ops.Select(), active, value, now, what="next")
            result[layer] = value
        return result

    def _enter(self, net: Any, name: str, iteration: int, active: Any) -> None:
        """The recurrences and iterators of an iteration; `active`: of the one before."""
        tensors = self._network._emission._tensors
        nexts = self._nexts(Maker(net, name), active)
        tensors.update((layer._outputs[0], value) for layer, value in nexts.items())
        for layer in self._loop._iterators:
            maker = Maker(net, f"{name}.{layer._name}")
            source = tensors[layer._inputs[0]]
            piece = layer._slice(maker, source, iteration, active is not None)
            tensors[layer._outputs[0]] = piece

    @staticmethod
    def _result(maker: Maker, output: Any, values: list, last: dict) -> Any:
        if output.kind == LoopOutput.LAST_VALUE:
            producer = output._inputs[0]._producer
            if producer not in last:
                raise ApiError(f"LAST_VALUE of '{output._inputs[0].name}', which is no recurrence")
            return maker.add(ops.Identity(), last[producer])
        rank = len(values[0].shape)
        axis = axis_of(output.axis, rank + 1)
        order = [a if a < axis else rank if a == axis else a - 1 for a in range(rank + 1)]
        stack = ops.Shuffle(has_reshape=True, dims=[0] * rank + [1], second=order)
        pieces = [maker.add(stack, value, what="piece") for value in values]
        return maker.add(ops.Concatenation(axis=axis), *pieces)


def _kept(maker: Maker, active: Any, value: Any) -> Any:
    """value, or zeros where the iteration is not active."""
    if active is None:
        return value
    return maker.add(ops.Select(), active, value, maker.constant(0, value.dtype), what="kept")
