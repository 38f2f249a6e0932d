"""Layers that decide: If conditionals, loops, assertions; and what has no counterpart here.

Both branches of a conditional are computed and the condition selects; a constant one picks its
branch. Loops are unrolled (`_loop.py`).
"""

from __future__ import annotations

from typing import Any, Optional

from octile import ops

from ._functions import Sealed
from ._known import is_number, known
from ._layer_tools import add, tensor, text
from ._layers_attention import AddAttention
from ._layers_recurrent import AddRecurrent
from ._loop import ILoop
from ._maker import Maker
from ._native_values import ApiError
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import ErrorCodeTRT, LayerType, unsupported


@layer_type("Assertion", LayerType.ASSERTION, outputs=0, shape_inputs=(0,))
class IAssertionLayer(ILayer):
    """Its input, BOOL, must be true: checked at build time, or by contexts (`_assertions.py`)."""

    message = attribute(text, "", "What the error says.")

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        condition = inputs[0]
        if len(condition.shape) > 1 or str(condition.dtype) != "bool":
            raise ApiError(f"its condition must be BOOL of rank 0 or 1, not {condition.shape}")
        values = known(condition)
        for index, value in enumerate([] if values is None else values.reshape(-1)):
            if is_number(value) and not value:
                text = f"condition[{index}] is false. {self.message}"
                raise ApiError(text, ErrorCodeTRT.INVALID_CONFIG)
        self._condition_name = ""
        if values is None or not all(is_number(v) for v in values.reshape(-1)):
            kept = Maker(net, name).add(ops.Identity(), condition, what="condition")
            self._condition_name = kept.name  # contexts check it
        return []


class IIfConditionalBoundaryLayer(ILayer):
    """A layer at the boundary of a conditional."""

    def __init__(self, conditional: "IIfConditional", inputs: Any):
        super().__init__(conditional._network, inputs)
        self._conditional = conditional

    @property
    def conditional(self) -> "IIfConditional":
        """The IIfConditional to which the layer belongs."""
        return self._conditional


@layer_type("Condition", LayerType.CONDITION, outputs=0)
class IConditionLayer(IIfConditionalBoundaryLayer):
    """The condition, a BOOL of rank 0."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return []

    def _changed(self) -> None:
        super()._changed()
        if "_conditional" in self.__dict__:
            self._conditional._changed()


@layer_type("Input", LayerType.CONDITIONAL_INPUT)
class IIfConditionalInputLayer(IIfConditionalBoundaryLayer):
    """A tensor that the branches read."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return [Maker(net, name).add(ops.Identity(), inputs[0])]


@layer_type("Output", LayerType.CONDITIONAL_OUTPUT)
class IIfConditionalOutputLayer(IIfConditionalBoundaryLayer):
    """Input 0 when the condition is true, else input 1."""

    def _needs(self) -> list:
        if self._conditional._condition is None:
            raise ApiError(f"conditional '{self._conditional.name}' has no condition")
        return [*self._inputs, self._conditional._condition._inputs[0]]

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (yes, no, condition) = Maker(net, name), inputs
        if len(condition.shape) != 0 or str(condition.dtype) != "bool":
            raise ApiError(f"the condition must be BOOL of rank 0, not {condition.shape}")
        value = known(condition)
        if value is not None and is_number(value.reshape(-1)[0]):
            return [maker.add(ops.Identity(), yes if value.reshape(-1)[0] else no)]
        if yes.dtype != no.dtype:
            raise ApiError(f"the branches give {yes.dtype} and {no.dtype}")
        if yes.shape != no.shape:
            raise ApiError(
                f"the branches give {yes.shape} and {no.shape}; "
                "Octile selects between results of one shape"
            )
        return [maker.add(ops.Select(), condition, yes, no)]


class IIfConditional(Sealed):
    """An If conditional: made by INetworkDefinition.add_if_conditional()."""

    name = ""

    def __init__(self, network: Any):
        self._network = network
        self._condition: Optional[IConditionLayer] = None
        self._outputs: list = []

    def _changed(self) -> None:
        for layer in self._outputs:
            layer._changed()

    def set_condition(self, condition: ITensor) -> Optional[IConditionLayer]:
        """The BOOL of rank 0 that decides."""
        tensor(condition)
        layer = self._network._add(
            IConditionLayer, "setCondition", lambda: IConditionLayer(self, [condition])
        )
        self._condition = layer
        self._changed()
        return layer

    def add_input(self, input: ITensor) -> Optional[IIfConditionalInputLayer]:
        """A tensor for the branches."""
        tensor(input)
        return self._network._add(
            IIfConditionalInputLayer, "addInput", lambda: IIfConditionalInputLayer(self, [input])
        )

    def add_output(
        self, true_subgraph_output: ITensor, false_subgraph_output: ITensor
    ) -> Optional[IIfConditionalOutputLayer]:
        """The one or the other tensor."""
        branches = [tensor(true_subgraph_output), tensor(false_subgraph_output)]
        layer = self._network._add(
            IIfConditionalOutputLayer,
            "addOutput",
            lambda: IIfConditionalOutputLayer(self, branches),
        )
        self._outputs.append(layer)
        return layer


_PLUGIN = "write what the plugin computes with layers of the network"


class AddControl(AddAttention, AddRecurrent):
    """INetworkDefinition's add_* methods of these layers."""

    def add_assertion(self, condition: ITensor, message: str) -> Optional[IAssertionLayer]:
        """An error with `message`, when building or when running, unless `condition` is true."""
        return add(self, IAssertionLayer, "addAssertion", [condition], message=message)

    def add_if_conditional(self) -> IIfConditional:
        """An If conditional without condition, inputs and outputs."""
        return IIfConditional(self)

    def add_loop(self) -> ILoop:
        """A loop without trip limit, recurrences, iterators and outputs."""
        return ILoop(self)

    def add_plugin(self, *arguments: Any, **named: Any) -> None:
        """Raises UnsupportedError: Octile has no plugins."""
        unsupported("INetworkDefinition.add_plugin", _PLUGIN)

    def add_plugin_ext(self, *arguments: Any, **named: Any) -> None:
        """Raises UnsupportedError: Octile has no plugins."""
        unsupported("INetworkDefinition.add_plugin_ext", _PLUGIN)

    def add_plugin_v2(self, *arguments: Any, **named: Any) -> None:
        """Raises UnsupportedError: Octile has no plugins."""
        unsupported("INetworkDefinition.add_plugin_v2", _PLUGIN)

    def add_plugin_v3(self, *arguments: Any, **named: Any) -> None:
        """Raises UnsupportedError: Octile has no plugins."""
        unsupported("INetworkDefinition.add_plugin_v3", _PLUGIN)

    def add_dist_collective(self, *arguments: Any, **named: Any) -> None:
        """Raises UnsupportedError: Octile runs on one device."""
        unsupported("INetworkDefinition.add_dist_collective", "an engine runs on one device")

    def add_moe(self, *arguments: Any, **named: Any) -> None:
        """TensorRT has it on one kind of device; elsewhere it logs and returns None, as here."""
        error = ApiError("Parameter check failed: MoE is supported on Thor only")
        return self._error("INetworkDefinition::addMoE", error)


__all__ = [
    "IAssertionLayer",
    "IConditionLayer",
    "IIfConditional",
    "IIfConditionalBoundaryLayer",
    "IIfConditionalInputLayer",
    "IIfConditionalOutputLayer",
]
