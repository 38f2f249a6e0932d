"""How a loop is unrolled.

The layers between the iterators and recurrences and the loop's outputs are its body. They are
written like all others: that is iteration 0. `LoopRun`, a layer that no one sees, writes them again
for every further iteration, on the tensors of the one before, and joins what the outputs collect.
Where only the run tells the number of iterations, the optimization profiles bound it (COUNT), or
the length of an output that stacks them does (WHILE): all are written, and those beyond the last
change nothing. The run fails where more would be needed. Start reading at `LoopRun._emit`.
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
        limits = [loop._limit._inputs[0], *(self._lengths() if self._is_while() else [])]
        iterated = [layer._inputs[0] for layer in loop._iterators]
        carried = [layer._outputs[0] for layer in loop._recurrences]
        nexts = [layer._next() for layer in loop._recurrences]
        return limits + iterated + carried + nexts + [o._inputs[0] for o in loop._outputs]

    def _output_dtype(self, index: int, native: DataType, inputs: Any) -> DataType:
        return self._network._emission._dtypes[self._loop._outputs[index]._inputs[0]]

    def _is_while(self) -> bool:
        return self._loop._limit.kind == TripLimit.WHILE

    def _lengths(self) -> list:
        """The length tensors of the outputs that stack iterations."""
        return [o._inputs[1] for o in self._loop._outputs if len(o._inputs) > 1]

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
        pending += [self._loop._limit._inputs[0]] if self._is_while() else []
        found: set = set()
        while pending:
            layer = pending.pop()._producer
            if layer is not None and id(layer) not in found:
                found.add(id(layer))
                pending.extend(t for t in layer._class._needs(layer) if t is not None)
        return found

    # --- the number of iterations ---
    def _most_while(self) -> int:
        """How often a WHILE may run: the greatest length of the outputs that stack iterations."""
        emission = self._network._emission
        lengths = [most_of(emission, emission._tensors[t]) for t in self._lengths()]
        if not lengths or None in lengths:
            raise ApiError(
                f"loop '{self._loop.name}': TripLimit.WHILE has no counterpart in Octile without "
                "an output that stacks iterations (LoopOutput.CONCATENATE) to a known length"
            )
        return max(lengths)

    def _count(self, maker: Maker, limit: Any) -> tuple:
        """How many iterations to write, and, where that is only a bound, the number (int64)."""
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
        maker, number = Maker(net, name), None
        if self._is_while():
            count = self._most_while()
        else:
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
                    self._write(net, f"{name}.{iteration}", iteration, body, active)
                active = self._active(maker, number, iteration, active)
                for place, output in enumerate(loop._outputs):
                    value = emission._tensors[output._inputs[0]]
                    collected[place].append(_kept(maker, active, value))
            last = self._nexts(maker, active)
            if self._is_while():
                last = self._ended(maker, net, f"{name}.{count}", count, body, active, last)
        finally:
            emission._tensors = before
        return [
            self._result(Maker(net, f"{name}.output{place}"), output, collected[place], last)
            for place, output in enumerate(loop._outputs)
        ]

    def _write(self, net: Any, name: str, iteration: int, body: list, active: Any) -> None:
        """The layers of one more iteration; `active`: of the one before."""
        emission = self._network._emission
        self._enter(net, name, iteration, active)
        for layer in body:
            outputs, _ = emission.written(layer, f"{name}.{layer._name}")
            emission._tensors.update(zip(layer._outputs, outputs))

    def _active(self, maker: Maker, number: Any, iteration: int, before: Any) -> Any:
        """Whether an iteration takes place; None: it does."""
        if not self._is_while():
            return None if number is None else maker.binary("greater", number, iteration)
        condition = self._network._emission._tensors[self._loop._limit._inputs[0]]
        if str(condition.dtype) != "bool":
            raise ApiError(f"the condition of loop '{self._loop.name}' must be BOOL")
        condition = maker.reshape(condition, [], "goes_on")
        return condition if before is None else maker.binary("and", before, condition)

    def _ended(
        self, maker: Maker, net: Any, name: str, count: int, body: list, active: Any, last: dict
    ) -> dict:
        """`last`, if the condition is false by now; else the run fails."""
        self._write(net, name, count, body, active)
        goes_on = maker.cast(self._active(maker, None, count, active), np.int64)
        ended = maker.add(ops.Gather(), maker.constant([True], np.bool_), goes_on, what="ended")
        tensors = self._network._emission._tensors
        return {
            layer: maker.add(ops.Select(), ended, value, tensors[layer._next()], what="last")
            for layer, value in last.items()
        }

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
