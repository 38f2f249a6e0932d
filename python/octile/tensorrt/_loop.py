"""Loops: ILoop and the layers at its boundary. `_loop_run.py` unrolls them."""

from __future__ import annotations

from typing import Any, Optional

from octile import ops

from ._functions import Sealed
from ._known import constant_list
from ._layer_tools import boolean, initialize, integer, member, tensor
from ._loop_run import LoopRun, most_of
from ._maker import Maker, axis_of
from ._native_values import ApiError
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import LayerType, LoopOutput, TripLimit


class ILoopBoundaryLayer(ILayer):
    """A layer at the boundary of a loop."""

    def __init__(self, loop: "ILoop", inputs: Any):
        super().__init__(loop._network, inputs)
        self._loop = loop

    @property
    def loop(self) -> "ILoop":
        """The ILoop to which the layer belongs."""
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

    def _slice(self, maker: Maker, x: Any, iteration: int, beyond: bool = False) -> Any:
        """The slice of an iteration; with `beyond` there may be none, and any other will do."""
        rank = len(x.shape)
        axis = axis_of(self.axis, rank)
        if beyond and x.shape[axis] < 0:
            last = maker.binary("sub", maker.element(maker.extents(x), axis), 1)
            if self.reverse:
                at = maker.binary("max", maker.binary("sub", last, iteration), 0)
            else:
                at = maker.binary("min", last, iteration)
            return maker.add(ops.Gather(axis=axis), x, maker.reshape(at, [], "index"))
        if beyond:
            iteration = min(iteration, x.shape[axis] - 1)
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
        if len(inputs) < 2 or inputs[1] is None:
            raise ApiError("its input 1, the length, was not set")
        axis, length = axis_of(self.axis, len(x.shape)), constant_list(inputs[1])
        wanted = most_of(self._network._emission, inputs[1])
        if wanted is not None and wanted > x.shape[axis]:
            after = [wanted - x.shape[axis] if a == axis else 0 for a in range(len(x.shape))]
            x = maker.add(ops.Padding(before=[0] * len(after), after=after), x, what="zeros")
        cut = ops.SliceBetween(axes=[axis], stride=[1])
        end = maker.int64_list(inputs[1]) if length is None else maker.constant(length)
        x = maker.add(cut, x, maker.constant([0]), end, what="cut")
        if self.kind == LoopOutput.CONCATENATE:
            return [maker.finished(x)]
        flip = ops.SliceBetween(axes=[axis], stride=[-1])
        return [maker.add(flip, x, maker.constant([-1]), maker.constant([-(2**31)]))]


class ILoop(Sealed):
    """A loop: made by INetworkDefinition.add_loop(), filled by its add_* methods."""

    name = ""

    def __init__(self, network: Any):
        self._network = network
        self._iterators: list = []
        self._recurrences: list = []
        self._outputs: list = []
        self._limit: Optional[ITripLimitLayer] = None
        self._run = LoopRun(self)

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
