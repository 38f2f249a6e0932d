"""Loops with a known number of iterations: ILoop and its layers, unrolled when they are written.

The layers between the iterators and recurrences and the loop's outputs are its body. They are
written like all others: that is iteration 0. `_LoopRun`, a layer that no one sees, writes them again
for every further iteration, on the tensors of the one before, and joins what the outputs collect.
Start reading at `_LoopRun._emit`.
"""

from __future__ import annotations

from typing import Any, Optional

from octile import ops

from ._known import constant_list
from ._layer_tools import boolean, initialize, integer, member, tensor
from ._maker import Maker, axis_of
from ._native_values import ApiError
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import DataType, LayerType, LoopOutput, TripLimit


class ILoopBoundaryLayer(ILayer):
    """A layer at the boundary of a loop."""

    def __init__(self, loop: "ILoop", inputs: Any):
        super().__init__(loop._network, inputs)
        self._loop = loop

    @property
    def loop(self) -> "ILoop":
        return self._loop

    def _changed(self) -> None:
        super()._changed()
        if "_loop" in self.__dict__:
            self._loop._run._changed()


@layer_type("TripLimit", LayerType.TRIP_LIMIT, outputs=0, shape_inputs=(0,))
class ITripLimitLayer(ILoopBoundaryLayer):
    """What ends the loop: input 0, a number of iterations (COUNT)."""

    kind = attribute(member(TripLimit), TripLimit.COUNT)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return []


@layer_type("Recurrence", LayerType.RECURRENCE)
class IRecurrenceLayer(ILoopBoundaryLayer):
    """Input 0 in the first iteration, then what input 1 was in the one before."""

    def _most_inputs(self) -> int:
        return 2

    def _needs(self) -> list:
        return self._inputs[:1]

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return inputs

    def _next(self) -> ITensor:
        if len(self._inputs) < 2 or self._inputs[1] is None:
            raise ApiError(f"recurrence '{self._name}' has no input 1, the next iteration's value")
        return self._inputs[1]


@layer_type("Iterator", LayerType.ITERATOR)
class IIteratorLayer(ILoopBoundaryLayer):
    """The slices of input 0 along `axis`, one an iteration; from the end on with `reverse`."""

    axis = attribute(integer(-8), 0)
    reverse = attribute(boolean, False)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return [self._slice(Maker(net, name), inputs[0], 0)]

    def _slice(self, maker: Maker, x: Any, iteration: int) -> Any:
        rank = len(x.shape)
        axis = axis_of(self.axis, rank)
        start = -1 - iteration if self.reverse else iteration
        piece = ops.Slice(axes=[axis], start=[start], size=[1], stride=[1])
        kept = [a for a in range(rank) if a != axis]
        drop = ops.Shuffle(first=kept + [axis], has_reshape=True, dims=[0] * len(kept))
        return maker.add(drop, maker.add(piece, x, what="slice"))


@layer_type("LoopOutput", LayerType.LOOP_OUTPUT, shape_inputs=(1,))
class ILoopOutputLayer(ILoopBoundaryLayer):
    """What the loop hands out: a recurrence's last value, or input 0 of all iterations.

    CONCATENATE and REVERSE stack along a new `axis`; input 1 is its extent, filled with zeros
    beyond the last iteration.
    """

    axis = attribute(integer(-8), 0)
    kind = attribute(member(LoopOutput), LoopOutput.LAST_VALUE)

    def _most_inputs(self) -> int:
        return 2

    def _needs(self) -> list:
        return [self._loop._run.output_for(self), *self._inputs[1:]]

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, x = Maker(net, name), inputs[0]
        if self.kind == LoopOutput.LAST_VALUE:
            return [maker.add(ops.Identity(), x)]
        length = constant_list(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else None
        if length is None or len(length) != 1 or length[0] < 1:
            raise ApiError("its input 1, the length, must be known when the engine is built")
        axis = axis_of(self.axis, len(x.shape))
        count, wanted = x.shape[axis], int(length[0])
        if wanted < count:
            x = maker.add(
                ops.Slice(axes=[axis], start=[0], size=[wanted], stride=[1]), x, what="cut"
            )
        elif wanted > count:
            after = [wanted - count if a == axis else 0 for a in range(len(x.shape))]
            x = maker.add(ops.Padding(before=[0] * len(after), after=after), x, what="zeros")
        if self.kind == LoopOutput.REVERSE:
            flip = ops.Slice(axes=[axis], start=[wanted - 1], size=[wanted], stride=[-1])
            return [maker.add(flip, x)]
        return [maker.add(ops.Identity(), x)]


class _LoopRun(ILayer):
    """All iterations of a loop. One output for each of the loop's, before it is cut to length."""

    _layer_type = LayerType.TRIP_LIMIT

    def __init__(self, loop: "ILoop"):
        network = loop._network
        numbered = network._numbered
        super().__init__(network, [])
        network._numbered = numbered  # TensorRT has no such layer
        network._loops = network.__dict__.get("_loops", 0) + 1
        self._name, self._loop = f"(Loop {network._loops})", loop
        self._set_output_count(0)

    def output_for(self, layer: ILoopOutputLayer) -> ITensor:
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

    def _count(self, limit: Any) -> int:
        if self._loop._limit.kind != TripLimit.COUNT:
            raise ApiError("TripLimit.WHILE has no counterpart in Octile: give a COUNT")
        count = constant_list(limit)
        if count is None or len(count) != 1 or count[0] < 1:
            raise ApiError(
                f"loop '{self._loop.name}': its number of iterations must be positive and known "
                "when the engine is built"
            )
        return int(count[0])

    def _body(self) -> list:
        """The layers to repeat, in the order of writing: those between the loop's boundaries."""
        loop, emission = self._loop, self._network._emission
        wanted = {id(layer): layer for layer in self._ancestors()}
        varying = {t for layer in loop._iterators + loop._recurrences for t in layer._outputs}
        boundaries = {id(layer) for layer in loop._iterators + loop._recurrences}
        body = []
        for layer in emission._stack:
            if id(layer) not in wanted or id(layer) in boundaries:
                continue
            if any(t in varying for t in layer._class._needs(layer)):
                body.append(layer)
                varying.update(layer._emitted_outputs)
        return body

    def _ancestors(self) -> list:
        loop = self._loop
        pending = [t for t in (r._next() for r in loop._recurrences)]
        pending += [layer._inputs[0] for layer in loop._outputs]
        found: dict = {}
        while pending:
            layer = pending.pop()._producer
            if layer is not None and id(layer) not in found:
                found[id(layer)] = layer
                pending.extend(t for t in layer._class._needs(layer) if t is not None)
        return list(found.values())

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        loop, emission = self._loop, self._network._emission
        count, body = self._count(inputs[0]), self._body()
        before = dict(emission._tensors)
        collected: list = [[] for _ in loop._outputs]
        try:
            for iteration in range(count):
                if iteration > 0:
                    self._enter(net, f"{name}.{iteration}", iteration)
                    for layer in body:
                        outputs, _ = emission.written(layer, f"{name}.{iteration}.{layer._name}")
                        emission._tensors.update(zip(layer._outputs, outputs))
                for place, output in enumerate(loop._outputs):
                    collected[place].append(emission._tensors[output._inputs[0]])
            last = {r: emission._tensors[r._next()] for r in loop._recurrences}
        finally:
            emission._tensors = before
        return [
            self._result(Maker(net, f"{name}.output{place}"), output, collected[place], last)
            for place, output in enumerate(loop._outputs)
        ]

    def _enter(self, net: Any, name: str, iteration: int) -> None:
        """The recurrences and iterators of an iteration."""
        emission, loop = self._network._emission, self._loop
        nexts = [emission._tensors[r._next()] for r in loop._recurrences]
        for layer, value in zip(loop._recurrences, nexts):
            first = emission._tensors[layer._inputs[0]]
            if value.shape != first.shape:
                raise ApiError(
                    f"recurrence '{layer._name}' begins as {first.shape} and goes on as {value.shape}"
                )
            emission._tensors[layer._outputs[0]] = value
        for layer in loop._iterators:
            maker = Maker(net, f"{name}.{layer._name}")
            source = emission._tensors[layer._inputs[0]]
            emission._tensors[layer._outputs[0]] = layer._slice(maker, source, iteration)

    def _result(self, maker: Maker, output: ILoopOutputLayer, values: list, last: dict) -> Any:
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


class ILoop:
    """A loop: made by INetworkDefinition.add_loop(), filled by its add_* methods."""

    def __init__(self, network: Any):
        self._network = network
        self.name = ""
        self._iterators: list = []
        self._recurrences: list = []
        self._outputs: list = []
        self._limit: Optional[ITripLimitLayer] = None
        self._run = _LoopRun(self)

    def _add(self, kept: Optional[list], where: str, cls: type, inputs: Any, **given: Any) -> Any:
        inputs = [tensor(value) for value in inputs]
        layer = self._network._add(cls, where, lambda: initialize(cls, self, inputs, given))
        if layer is not None and kept is not None:
            kept.append(layer)
        self._run._changed()
        return layer

    def add_trip_limit(self, tensor: ITensor, limit: TripLimit) -> Optional[ITripLimitLayer]:
        """Ends the loop after `tensor` (a constant number) iterations."""
        if self._limit is not None:
            error = ApiError(f"loop '{self.name}' has a trip limit already")
            return self._network._error("ILoop::addTripLimit", error)
        self._limit = self._add(None, "addTripLimit", ITripLimitLayer, [tensor], kind=limit)
        return self._limit

    def add_recurrence(self, initial_value: ITensor) -> Optional[IRecurrenceLayer]:
        """A value that an iteration hands to the next; set_input(1, …) says which."""
        return self._add(self._recurrences, "addRecurrence", IRecurrenceLayer, [initial_value])

    def add_iterator(
        self, tensor: ITensor, axis: int = 0, reverse: bool = False
    ) -> Optional[IIteratorLayer]:
        """The slices of `tensor` along `axis`, one an iteration."""
        given = {"axis": axis, "reverse": reverse}
        return self._add(self._iterators, "addIterator", IIteratorLayer, [tensor], **given)

    def add_loop_output(
        self, tensor: ITensor, kind: LoopOutput, axis: int = 0
    ) -> Optional[ILoopOutputLayer]:
        """An output of the loop: the last value of a recurrence, or `tensor` of all iterations."""
        given = {"kind": kind, "axis": axis}
        return self._add(self._outputs, "addLoopOutput", ILoopOutputLayer, [tensor], **given)


__all__ = [
    "ILoop",
    "ILoopBoundaryLayer",
    "ILoopOutputLayer",
    "IIteratorLayer",
    "IRecurrenceLayer",
    "ITripLimitLayer",
]
