"""Layers that rearrange whole tensors: Shuffle, Concatenation, Squeeze, Unsqueeze, Shape, Select.

Where extents come as tensors, what is known of them (`_known.py`) makes a plain reshape; only the
rest is left to run time.
"""

from __future__ import annotations

from typing import Any, Optional

from octile import ops

from ._known import constant_list, extents_of, is_number, known_list
from ._layer_tools import add, boolean, computed, integer
from ._maker import Maker, axis_of, sequence
from ._native_values import ApiError
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import Dims, LayerType, Permutation, as_permutation


def pinned(maker: Maker, x: Any, extents: Any) -> Any:
    """x, whose shape only the run tells, with those of its extents that are known before."""
    dims = [e if is_number(e) and e > 0 else 0 for e in extents]
    if len(dims) == len(x.shape) and any(d != 0 and d != e for d, e in zip(dims, x.shape)):
        return maker.reshape(x, dims, "known")
    return x


def plain_dims(values: list, source: list, zero_is_placeholder: bool) -> Optional[list]:
    """`values` of a reshape (numbers, Extents, None) as dims of a plain one, or None.

    What is not known must be an extent of the `source` that a 0 copies, or one −1 infers it.
    """
    if all(is_number(v) for v in values):
        return values
    dims = []
    for axis, value in enumerate(values):
        if is_number(value):
            dims.append(value)
        else:
            dims.append(0 if value is not None and value in source[axis : axis + 1] else -1)
    literal_zero = 0 in values and not zero_is_placeholder
    return None if literal_zero or dims.count(-1) > 1 else dims


@layer_type("Shuffle", LayerType.SHUFFLE, shape_inputs=(1,))
class IShuffleLayer(ILayer):
    """Transposes, reshapes, transposes. Input 1, if set, holds the dimensions to reshape to."""

    zero_is_placeholder = attribute(boolean, True, "Whether a 0 in reshape_dims copies an extent.")

    @property
    def first_transpose(self) -> Permutation:
        """The permutation before reshaping."""
        return self._permutations().get("first", Permutation(range(8)))

    @first_transpose.setter
    def first_transpose(self, value: Any) -> None:
        self._permutations()["first"] = as_permutation(value)
        self._changed()

    @property
    def second_transpose(self) -> Permutation:
        """The permutation after reshaping."""
        return self._permutations().get("second", Permutation(range(8)))

    @second_transpose.setter
    def second_transpose(self, value: Any) -> None:
        self._permutations()["second"] = as_permutation(value)
        self._changed()

    @property
    def reshape_dims(self) -> Dims:
        """The extents between the transposes; 0 keeps one, −1 infers one."""
        found = self.__dict__.get("_reshape_dims")
        return Dims.invalid() if found is None else found

    @reshape_dims.setter
    def reshape_dims(self, value: Any) -> None:
        self._reshape_dims = sequence(value)
        del self._inputs[1:]  # the later of the two ways to give them holds
        self._changed()

    def _permutations(self) -> dict:
        return self.__dict__.setdefault("_order", {})

    def _most_inputs(self) -> int:
        return 2

    def _permutation(self, which: str, rank: int) -> list:
        """Its first `rank` numbers; empty for none."""
        if which not in self._permutations():
            return []
        order = list(self._permutations()[which])[:rank]
        if sorted(order) != list(range(rank)):
            raise ApiError(f"the {which} transpose {order} is no permutation of {rank} axes")
        return order

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        x, maker = inputs[0], Maker(net, name)
        first = self._permutation("first", len(x.shape))
        dims = self.__dict__.get("_reshape_dims")
        if len(inputs) > 1 and inputs[1] is not None:
            return [self._reshaped_to(maker, x, inputs[1], first)]
        op = ops.Shuffle(first=first, zero_is_placeholder=self.zero_is_placeholder)
        if dims is not None:
            op.has_reshape, op.dims = True, list(dims)
        op.second = self._permutation("second", len(x.shape) if dims is None else len(dims))
        return [maker.add(op, x)]

    def _reshaped_to(self, maker: Maker, x: Any, target: Any, first: list) -> Any:
        if len(target.shape) != 1 or target.shape[0] < 0:
            raise ApiError(f"its reshape dimensions are a tensor of shape {target.shape}, no list")
        second = self._permutation("second", target.shape[0])
        source = extents_of(x)
        source = [source[axis] for axis in first] if first else source
        values, zeros = known_list(target), self.zero_is_placeholder
        dims = plain_dims(values, source, zeros)
        if dims is not None:
            op = ops.Shuffle(first=first, has_reshape=True, dims=dims, second=second)
            op.zero_is_placeholder = zeros or dims != values
            return maker.add(op, x)
        if first:
            x = maker.transpose(x, first, "first")
        op = ops.ReshapeTo(zero_is_placeholder=zeros)
        y = maker.add(op, x, maker.int64_list(target), what="reshape")
        y = y if 0 in values else pinned(maker, y, values)
        return maker.transpose(y, second, None) if second else maker.finished(y)


@layer_type("Concatenation", LayerType.CONCATENATION)
class IConcatenationLayer(ILayer):
    """Joins tensors along `axis`; without one set, along the third axis from the end (or 0)."""

    axis = computed(
        integer(-8),
        lambda layer: max(0, len(layer._inputs[0].shape) - 3),
        "The axis to join along.",
    )

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, axis = Maker(net, name), axis_of(self.axis, len(inputs[0].shape))
        return [maker.add(ops.Concatenation(axis=axis), *maker.same_types(inputs))]


def _axes(layer: ILayer, tensor: Any, rank: int) -> list:
    """The axes that input 1 lists, which must be constant."""
    values = constant_list(tensor)
    if values is None:
        raise ApiError(f"its axes '{tensor.name}' must be known when the engine is built")
    axes = [axis_of(v, rank) for v in values]
    if len(set(axes)) != len(axes):
        raise ApiError(f"its axes {values} name one axis twice")
    return axes


@layer_type("Squeeze", LayerType.SQUEEZE, shape_inputs=(1,))
class ISqueezeLayer(ILayer):
    """Takes the axes that input 1 lists out of input 0; their extents are 1."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        x, maker = inputs[0], Maker(net, name)
        rank = len(x.shape)
        axes = _axes(self, inputs[1], rank)
        for axis in axes:
            if x.shape[axis] not in (1, -1):
                raise ApiError(f"axis {axis} of {x.shape} is not 1 and cannot be squeezed")
        kept = [axis for axis in range(rank) if axis not in axes]
        # Those of extent 1 go to the end: the 0s then copy what is left, known or not.
        op = ops.Shuffle(has_reshape=True, dims=[0] * len(kept))
        op.first = [] if not axes else kept + sorted(axes)
        return [maker.add(op, x)]


@layer_type("Unsqueeze", LayerType.UNSQUEEZE, shape_inputs=(1,))
class IUnsqueezeLayer(ILayer):
    """Puts axes of extent 1 into input 0 where input 1 lists them, counted in the result."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        x, maker = inputs[0], Maker(net, name)
        count = inputs[1].shape[0] if len(inputs[1].shape) == 1 else 1
        rank = len(x.shape) + max(count, 0)
        axes = sorted(_axes(self, inputs[1], rank))
        op = ops.Shuffle(has_reshape=True, dims=[0] * len(x.shape) + [1] * len(axes))
        if axes:
            old = iter(range(len(x.shape)))
            new = iter(range(len(x.shape), rank))
            op.second = [next(new) if axis in axes else next(old) for axis in range(rank)]
        return [maker.add(op, x)]


@layer_type("Shape", LayerType.SHAPE)
class IShapeLayer(ILayer):
    """The extents of its input, a list of INT64."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return [Maker(net, name).add(ops.ShapeOf(), inputs[0])]


@layer_type("Select", LayerType.SELECT)
class ISelectLayer(ILayer):
    """Input 1 where input 0 (BOOL) is true, else input 2; extents of 1 are broadcast."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        if len({len(t.shape) for t in inputs}) != 1:
            shapes = ", ".join(str(t.shape) for t in inputs)
            raise ApiError(f"condition, then and else must have one rank, not {shapes}")
        maker = Maker(net, name)
        return [maker.add(ops.Select(), inputs[0], *maker.same_types(inputs[1:]))]


class AddShape:
    """INetworkDefinition's add_* methods of these layers."""

    def add_shuffle(self, input: ITensor) -> Optional[IShuffleLayer]:
        """A transpose, a reshape and a transpose of `input`, each optional."""
        return add(self, IShuffleLayer, "addShuffle", [input])

    def add_concatenation(self, inputs: Any) -> Optional[IConcatenationLayer]:
        """The `inputs` joined along `axis` of the layer."""
        inputs = list(inputs)
        if not inputs:
            error = ApiError("there are no tensors to concatenate")
            return self._error("INetworkDefinition::addConcatenation", error)
        return add(self, IConcatenationLayer, "addConcatenation", inputs)

    def add_squeeze(self, input: ITensor, axes: ITensor) -> Optional[ISqueezeLayer]:
        """`input` without the `axes` (a constant list of INT32 or INT64)."""
        return add(self, ISqueezeLayer, "addSqueeze", [input, axes])

    def add_unsqueeze(self, input: ITensor, axes: ITensor) -> Optional[IUnsqueezeLayer]:
        """`input` with `axes` of extent 1 (a constant list of INT32 or INT64)."""
        return add(self, IUnsqueezeLayer, "addUnsqueeze", [input, axes])

    def add_shape(self, input: ITensor) -> Optional[IShapeLayer]:
        """The extents of `input` as a list of INT64."""
        return add(self, IShapeLayer, "addShape", [input])

    def add_select(
        self, condition: ITensor, then_input: ITensor, else_input: ITensor
    ) -> Optional[ISelectLayer]:
        """`then_input` where `condition` is true, else `else_input`."""
        return add(self, ISelectLayer, "addSelect", [condition, then_input, else_input])


__all__ = [
    "IShuffleLayer",
    "IConcatenationLayer",
    "ISqueezeLayer",
    "IUnsqueezeLayer",
    "IShapeLayer",
    "ISelectLayer",
]
