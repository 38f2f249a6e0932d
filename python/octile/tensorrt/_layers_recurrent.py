"""The recurrent layer of TensorRT 8, as native Recurrent ops: one for each of its layers."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._layer_tools import add, integer, member
from ._maker import Maker
from ._native_values import ApiError, weights_array
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import (
    LayerType,
    RNNDirection,
    RNNGateType,
    RNNInputMode,
    RNNOperation,
)

_GATES = {  # in the order of the native op
    RNNOperation.RELU: [RNNGateType.INPUT],
    RNNOperation.TANH: [RNNGateType.INPUT],
    RNNOperation.GRU: [RNNGateType.UPDATE, RNNGateType.RESET, RNNGateType.HIDDEN],
    RNNOperation.LSTM: [
        RNNGateType.INPUT,
        RNNGateType.OUTPUT,
        RNNGateType.FORGET,
        RNNGateType.CELL,
    ],
}
_KINDS = {
    RNNOperation.RELU: ("rnn", ["relu"]),
    RNNOperation.TANH: ("rnn", ["tanh"]),
    RNNOperation.GRU: ("gru", ["sigmoid", "tanh"]),
    RNNOperation.LSTM: ("lstm", ["sigmoid", "tanh", "tanh"]),
}


@layer_type("RNN", LayerType.RNN_V2, outputs=2)
class IRNNv2Layer(ILayer):
    """A stack of recurrent layers over input 0 (N…, S, E).

    Outputs: the last layer's hidden states (N…, S, H) (twice H with two directions), the last
    hidden states of all layers (N…, L, H), and an LSTM's last cell states (N…, L, H). L counts
    layers, and directions inside of them.
    """

    num_layers = attribute(integer(1), 1)
    hidden_size = attribute(integer(1), 1)
    max_seq_length = attribute(integer(1), 1)
    direction = attribute(member(RNNDirection), RNNDirection.UNIDIRECTION)
    input_mode = attribute(member(RNNInputMode), RNNInputMode.LINEAR)
    hidden_state = attribute(None, None, "First hidden states (N…, L, H); None: zeros.")
    cell_state = attribute(None, None, "First cell states (N…, L, H); None: zeros.")
    seq_lengths = attribute(None, None, "Lengths (N…), INT32; None: all are S.")

    @property
    def op(self) -> RNNOperation:
        """The kind of cell."""
        return self.__dict__.get("_op", RNNOperation.RELU)

    @op.setter
    def op(self, value: RNNOperation) -> None:
        self._op = member(RNNOperation)(value)
        self._set_output_count(3 if value == RNNOperation.LSTM else 2)
        self._changed()

    @property
    def data_length(self) -> int:
        """E"""
        return self._inputs[0].shape[-1]

    def set_weights_for_gate(
        self, layer_index: int, gate: RNNGateType, is_w: bool, weights: Any
    ) -> bool:
        """(H, E) of the inputs (is_w) or (H, H) of the hidden states."""
        return self._set("weights", layer_index, gate, is_w, weights)

    def get_weights_for_gate(self, layer_index: int, gate: RNNGateType, is_w: bool) -> np.ndarray:
        """The weights of a gate, as they were set."""
        return self._get("weights", layer_index, gate, is_w)

    def set_bias_for_gate(self, layer_index: int, gate: RNNGateType, is_w: bool, bias: Any) -> bool:
        """(H), added to the product of the inputs (is_w) or of the hidden states."""
        return self._set("bias", layer_index, gate, is_w, bias)

    def get_bias_for_gate(self, layer_index: int, gate: RNNGateType, is_w: bool) -> np.ndarray:
        """The bias of a gate, as it was set."""
        return self._get("bias", layer_index, gate, is_w)

    def _set(self, what: str, index: int, gate: Any, is_w: bool, values: Any) -> bool:
        member(RNNGateType)(gate)
        store = self.__dict__.setdefault("_weights", {})
        store[what, int(index), gate, bool(is_w)] = weights_array(values)
        self._changed()
        return True

    def _get(self, what: str, index: int, gate: Any, is_w: bool) -> np.ndarray:
        found = self.__dict__.get("_weights", {}).get((what, int(index), gate, bool(is_w)))
        return np.zeros(0, np.float32) if found is None else found.copy()

    def _needs(self) -> list:
        return [self._inputs[0], self.hidden_state, self.cell_state, self.seq_lengths]

    def _directions(self) -> int:
        return 2 if self.direction == RNNDirection.BIDIRECTION else 1

    # --- writing ---
    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (x, hidden, cell, lengths) = Maker(net, name), inputs
        if len(x.shape) < 3 or min(x.shape[-2:]) < 0 or x.shape[:-2].count(-1) > 1:
            raise ApiError(f"its input must be (N…, S, E) with S and E known, not {x.shape}")
        leading, directions = list(x.shape[:-2]), self._directions()
        x = maker.reshape(x, [-1, *x.shape[-2:]]) if len(leading) > 1 else x
        x = maker.transpose(x, [1, 0, 2], "steps")
        if lengths is not None:
            lengths = maker.reshape(maker.cast(lengths, np.int32), [-1], "lengths")
        hidden, cell = (self._state(maker, t) for t in (hidden, cell))
        lasts: list = [[], []]
        for layer in range(self.num_layers):
            made = self._layer(maker, layer, x, lengths, hidden, cell)
            y = maker.transpose(made[0], [0, 2, 1, 3], "rows")
            x = maker.reshape(y, [0, 0, directions * self.hidden_size])
            for kept, state in zip(lasts, made[1:]):
                kept.append(state)
        rows = maker.transpose(x, [1, 0, 2], "y")
        outputs = [maker.reshape(rows, [*leading, rows.shape[1], rows.shape[2]], "states")]
        for kept in lasts[: len(self._outputs) - 1]:
            state = maker.transpose(maker.join(kept, "last"), [1, 0, 2], "last")
            outputs.append(maker.reshape(state, [*leading, *state.shape[1:]], "last"))
        return outputs

    def _state(self, maker: Maker, state: Any) -> Any:
        """(N…, L, H) as (L, N, H)."""
        if state is None:
            return None
        count = self.num_layers * self._directions()
        state = maker.reshape(state, [-1, count, self.hidden_size], "state")
        return maker.transpose(state, [1, 0, 2], "state")

    def _layer(
        self, maker: Maker, layer: int, x: Any, lengths: Any, hidden: Any, cell: Any
    ) -> list:
        """y (S, D, N, H), the last hidden and cell states (D, N, H)."""
        directions, (kind, activations) = self._directions(), _KINDS[self.op]
        first = layer * directions
        op = ops.Recurrent(
            kind=kind,
            direction="bidirectional" if directions == 2 else "forward",
            activations=[ops.Activation(kind=a) for a in activations * directions],
            linear_before_reset=True,
            has_bias=True,
            has_lengths=lengths is not None,
            has_initial_h=hidden is not None,
            has_initial_c=cell is not None and self.op == RNNOperation.LSTM,
        )
        places = range(first, first + directions)
        inputs = [
            x,
            maker.constant(self._matrices(places, True, x.shape[2]), np.float32, "weights"),
            maker.constant(
                self._matrices(places, False, self.hidden_size), np.float32, "recurrence"
            ),
            maker.constant(np.stack([self._bias(p) for p in places]), np.float32, "bias"),
        ]
        inputs += [] if lengths is None else [lengths]
        part = ops.Slice(axes=[0], start=[first], size=[directions], stride=[1])
        inputs += [] if hidden is None else [maker.add(part, hidden, what="first")]
        inputs += [maker.add(part, cell, what="first")] if op.has_initial_c else []
        made = maker.net.add(op, inputs, name=maker.part("layer"))
        return [made.output(i) for i in range(3 if self.op == RNNOperation.LSTM else 2)]

    def _matrices(self, places: Any, is_w: bool, columns: int) -> np.ndarray:
        return np.stack([self._matrix(place, is_w, columns) for place in places])

    def _matrix(self, place: int, is_w: bool, columns: int) -> np.ndarray:
        """The gates' weights, one below the other: (G · H, columns)."""
        skip = self.input_mode == RNNInputMode.SKIP and is_w and place < self._directions()
        if skip and columns != self.hidden_size:
            raise ApiError(f"RNNInputMode.SKIP needs inputs of {self.hidden_size}, not {columns}")
        if skip:
            return np.concatenate([np.eye(columns, dtype=np.float32)] * len(_GATES[self.op]))
        shape = (self.hidden_size, columns)
        return np.concatenate([self._part("weights", place, g, is_w, shape) for g in self._gates()])

    def _bias(self, place: int) -> np.ndarray:
        """The gates' biases of the inputs, then those of the hidden states: (2 · G · H)."""
        shape = (self.hidden_size,)
        parts = [
            self._part("bias", place, gate, is_w, shape)
            for is_w in (True, False)
            for gate in self._gates()
        ]
        return np.concatenate(parts)

    def _gates(self) -> list:
        return _GATES[self.op]

    def _part(self, what: str, place: int, gate: Any, is_w: bool, shape: tuple) -> np.ndarray:
        found = self._get(what, place, gate, is_w)
        if found.size != np.prod(shape):
            raise ApiError(
                f"layer {place}, {gate}: the {what} of the {'inputs' if is_w else 'hidden states'} "
                f"{'have' if what == 'weights' else 'has'} {found.size} elements, not {shape}"
            )
        return found.astype(np.float32).reshape(shape)


class AddRecurrent:
    """INetworkDefinition's add_* methods of these layers."""

    def add_rnn_v2(
        self,
        input: ITensor,
        layer_count: int,
        hidden_size: int,
        max_seq_length: int,
        op: RNNOperation,
    ) -> Optional[IRNNv2Layer]:
        """`layer_count` recurrent layers over `input` (N…, S, E)."""
        member(RNNOperation)(op)
        given = {"num_layers": layer_count, "hidden_size": hidden_size}
        layer = add(self, IRNNv2Layer, "addRNNv2", [input], max_seq_length=max_seq_length, **given)
        if layer is not None:
            layer.op = op
        return layer


__all__ = ["IRNNv2Layer"]
