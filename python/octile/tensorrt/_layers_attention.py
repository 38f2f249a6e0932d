"""Layers of transformers, composed of products, softmax and gathers.

Attention (softmax(query · keyᵀ) · value), RotaryEmbedding, KVCacheUpdate.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from octile import ops

from ._functions import Sealed
from ._layer_tools import add, boolean, constant_of, integer, member, tensor
from ._maker import Maker
from ._native_values import ApiError
from ._tensor import ILayer, ITensor, attribute, layer_type
from ._types import AttentionNormalizationOp, DataType, KVCacheMode, LayerType, unsupported


class IAttentionBoundaryLayer(ILayer):
    """A layer at which an attention begins or ends."""

    __module__ = "octile.tensorrt"
    _attention: Any = None

    @property
    def attention(self) -> Any:
        """The IAttention."""
        return self._attention


@layer_type("AttentionInput", LayerType.ATTENTION_INPUT, outputs=0)
class IAttentionInputLayer(IAttentionBoundaryLayer):
    """Where an attention begins."""

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        return []


@layer_type("AttentionOutput", LayerType.ATTENTION_OUTPUT)
class IAttentionOutputLayer(IAttentionBoundaryLayer):
    """What an attention gives; inputs: query, key, value, the mask or None, and the scale by which
    the softmax's output is quantized or None."""

    quantizes = attribute(boolean, False)
    norm_op = attribute(member(AttentionNormalizationOp), AttentionNormalizationOp.SOFTMAX)
    causal = attribute(boolean, False)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (query, key, value) = Maker(net, name), inputs[:3]
        if any(len(t.shape) != 4 for t in (query, key, value)):
            raise ApiError(f"query {query.shape}, key {key.shape} and value must be of rank 4")
        key, value = (self._shared(maker, query, t) for t in (key, value))
        scores = maker.add(ops.MatrixMultiply(transpose_b=True), query, key, what="scores")
        if self.causal:
            scores = self._masked(maker, scores, self._past(maker, scores))
        if inputs[3] is not None:
            scores = self._masked(maker, scores, inputs[3])
        if self.norm_op == AttentionNormalizationOp.SOFTMAX:
            scores = maker.add(ops.Softmax(axes=[3]), scores, what="weights")
        if inputs[4] is not None:
            scores = self._quantized(maker, scores, constant_of(inputs[4], "the scale"))
        return [maker.add(ops.MatrixMultiply(), scores, value)]

    def _quantized(self, maker: Maker, x: Any, scale: np.ndarray) -> Any:
        if not self.quantizes:
            raise ApiError("with normalization_quantize_scale goes normalization_quantize_to_type")
        if scale.size != 1:
            raise ApiError(f"normalization_quantize_scale must be one number, not {scale.size}")
        scales = [float(scale.reshape(-1)[0])]
        op = ops.Quantize(type="int8", scale=scales, axis=-1, lo=-128, hi=127)
        levels = maker.add(op, x, what="levels")
        return maker.add(ops.Dequantize(scale=scales, axis=-1), levels, what="quantized")

    @staticmethod
    def _shared(maker: Maker, query: Any, x: Any) -> Any:
        """Fewer heads of keys and values than of queries: each serves a group of these."""
        heads, own = query.shape[1], x.shape[1]
        if own in (1, heads):
            return x
        if min(heads, own) < 1 or heads % own:
            raise ApiError(f"{own} heads of keys and values do not divide {heads} of queries")
        index = maker.constant(np.arange(heads) // (heads // own))
        return maker.add(ops.Gather(axis=1), x, index, what="heads")

    @staticmethod
    def _past(maker: Maker, scores: Any) -> Any:
        """(s_q, s_kv): whether a key stands at or before the query."""
        rows, columns = scores.shape[2:]
        if min(rows, columns) >= 0:
            return maker.constant(np.tril(np.ones((1, 1, rows, columns), bool)), np.bool_)
        extents, counts = maker.extents(scores), []
        for axis in (2, 3):
            number = maker.reshape(maker.element(extents, axis), [], "number")
            zero, one = maker.constant(0), maker.constant(1)
            counts.append(maker.add(ops.Counting(), zero, number, one, what="count"))
        after = maker.binary(
            "greater", maker.reshape(counts[1], [1, -1]), maker.reshape(counts[0], [-1, 1])
        )
        return maker.add(ops.Unary(kind="not"), after, what="past")

    @staticmethod
    def _masked(maker: Maker, scores: Any, mask: Any) -> Any:
        """A BOOL mask keeps the scores where it is true; a number is added."""
        if str(mask.dtype) != "bool":
            return maker.binary("add", scores, mask, "masked")
        lowest = maker.constant(np.finfo(np.float32).min, np.float32)
        return maker.add(ops.Select(), mask, scores, lowest, what="masked")


class IAttention(Sealed):
    """An attention: softmax(query · keyᵀ, masked) · value. query (B, H, S, D), the others
    (B, H or fewer, S', D). Scaling is up to the caller."""

    name = metadata = ""
    num_ranks = 1

    def __init__(self, network: Any, tensors: list):
        self._network = network
        for inputs in (tensors[:1], tensors[1:]):
            layer = IAttentionInputLayer(network, inputs)
            layer._attention = self
            network._layers.append(layer)
        self._layer = IAttentionOutputLayer(network, [*tensors, None, None])
        self._layer._attention = self
        network._layers.append(self._layer)
        self._decomposable = False

    @property
    def norm_op(self) -> AttentionNormalizationOp:
        """What makes weights of scores."""
        return self._layer.norm_op

    @norm_op.setter
    def norm_op(self, value: AttentionNormalizationOp) -> None:
        self._layer.norm_op = value

    @property
    def causal(self) -> bool:
        """Whether a query sees only keys at or before its own position."""
        return self._layer.causal

    @causal.setter
    def causal(self, value: bool) -> None:
        self._layer.causal = value

    @property
    def decomposable(self) -> bool:
        """Whether it may be computed in parts: it always is."""
        return self._decomposable

    @decomposable.setter
    def decomposable(self, value: bool) -> None:
        self._decomposable = bool(value)

    @property
    def mask(self) -> Optional[ITensor]:
        """BOOL (true: seen) or numbers to add; broadcast to (B, H, S, S')."""
        return self._layer._inputs[3]

    @mask.setter
    def mask(self, value: ITensor) -> None:
        self._layer.set_input(3, value)

    @property
    def normalization_quantize_scale(self) -> Optional[ITensor]:
        """One constant number, by which the softmax's output is quantized; None: it is not."""
        return self._layer._inputs[4]

    @normalization_quantize_scale.setter
    def normalization_quantize_scale(self, scale: ITensor) -> None:
        self._layer.set_input(4, scale)

    @property
    def normalization_quantize_to_type(self) -> DataType:
        """INT8; FLOAT when it was not set."""
        return DataType.INT8 if self._layer.quantizes else DataType.FLOAT

    @normalization_quantize_to_type.setter
    def normalization_quantize_to_type(self, dtype: DataType) -> None:
        if member(DataType)(dtype) != DataType.INT8:
            unsupported(
                f"IAttention.normalization_quantize_to_type = {dtype}", "Octile quantizes to INT8"
            )
        self._layer.quantizes = True

    @property
    def num_inputs(self) -> int:
        """How many inputs the attention has."""
        given = [index for index, t in enumerate(self._layer._inputs) if t is not None]
        return given[-1] + 1

    @property
    def num_outputs(self) -> int:
        """1."""
        return 1

    def get_input(self, index: int) -> Optional[ITensor]:
        """The tensor of an input; None outside."""
        return self._layer.get_input(index)

    def set_input(self, index: int, input: ITensor) -> bool:
        """Replaces an input."""
        if not 0 <= index < 5:
            error = ApiError(f"an attention has no input {index}")
            return self._network._error("IAttention::setInput", error, False)
        self._layer.set_input(index, input)
        return True

    def get_output(self, index: int) -> Optional[ITensor]:
        """The attention's output."""
        return self._layer.get_output(index)


@layer_type("RotaryEmbedding", LayerType.ROTARY_EMBEDDING)
class IRotaryEmbeddingLayer(ILayer):
    """Input 0 (B, H, S, D) with pairs of its last axis turned by the angles of the caches.

    Inputs 1 and 2: cosines and sines (B, S, D/2), or (positions, D/2) with input 3 (B, S), the
    positions. Pairs are the halves of the axis, or neighbours when `interleaved`. With
    `rotary_embedding_dim` only so many leading elements are turned.
    """

    interleaved = attribute(boolean, False)
    rotary_embedding_dim = attribute(integer(0), 0)

    def _most_inputs(self) -> int:
        return 4

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, x = Maker(net, name), inputs[0]
        if len(x.shape) != 4:
            raise ApiError(f"its input {x.shape} must be of rank 4")
        depth = x.shape[3]
        turned = self.rotary_embedding_dim or depth
        if depth < 0 or turned % 2 or not 0 < turned <= depth:
            raise ApiError(f"{turned} of {depth} elements cannot be turned in pairs")
        cosine, sine = (self._cache(maker, cache, inputs[3:]) for cache in inputs[1:3])
        stride = 2 if self.interleaved else 1
        halves = [0, 1] if self.interleaved else [0, turned // 2]
        first, second = (
            maker.add(
                ops.Slice(axes=[3], start=[at], size=[turned // 2], stride=[stride]), x, what="half"
            )
            for at in halves
        )
        a = maker.binary(
            "sub", maker.binary("mul", first, cosine), maker.binary("mul", second, sine)
        )
        b = maker.binary(
            "add", maker.binary("mul", first, sine), maker.binary("mul", second, cosine)
        )
        parts = [a, b]
        if turned < depth:
            rest = ops.Slice(axes=[3], start=[turned], size=[depth - turned], stride=[1])
            parts.append(maker.add(rest, x, what="rest"))
        y = maker.add(ops.Concatenation(axis=3), *parts, what="joined")
        if not self.interleaved:
            return [maker.add(ops.Identity(), y)]
        pairs = [i // 2 + (turned // 2 if i % 2 else 0) for i in range(turned)]
        order = maker.constant(pairs + list(range(turned, depth)))
        return [maker.add(ops.Gather(axis=3), y, order)]

    @staticmethod
    def _cache(maker: Maker, cache: Any, positions: list) -> Any:
        """(B, 1, S, D/2)"""
        if positions and positions[0] is not None:
            cache = maker.add(ops.Gather(axis=0), cache, positions[0], what="cache")
        if len(cache.shape) != 3:
            raise ApiError(f"its caches {cache.shape} must be (B, S, D/2)")
        op = ops.Shuffle(has_reshape=True, dims=[0, 0, 0, 1], second=[0, 3, 1, 2])
        return maker.add(op, cache, what="angles")


@layer_type("KVCacheUpdate", LayerType.KV_CACHE_UPDATE)
class IKVCacheUpdateLayer(ILayer):
    """The cache (B, H, S, D) with the update (B, H, s, D) written from row input2[b] on."""

    cache_mode = attribute(member(KVCacheMode), KVCacheMode.LINEAR)

    def _emit(self, net: Any, inputs: list, name: str) -> list:
        maker, (cache, update, rows) = Maker(net, name), inputs
        if len(cache.shape) != 4 or len(update.shape) != 4 or len(rows.shape) != 1:
            raise ApiError(
                f"cache {cache.shape}, update {update.shape} and indices {rows.shape} do not fit"
            )
        if update.shape[2] < 0:
            raise ApiError("the number of rows to write must be known when the engine is built")
        start = maker.reshape(maker.cast(rows, np.int64), [-1, 1, 1, 1], "start")
        steps = maker.constant(np.arange(update.shape[2]).reshape(1, 1, -1, 1))
        index = maker.binary("add", start, steps, "rows")
        index = maker.add(ops.Expand(), index, maker.extents(update), what="index")
        return [maker.add(ops.ScatterElements(axis=2), cache, index, update)]


class AddAttention:
    """INetworkDefinition's add_* methods of these layers."""

    def add_attention(
        self,
        query: ITensor,
        key: ITensor,
        value: ITensor,
        norm_op: AttentionNormalizationOp,
        causal: bool,
    ) -> Optional[IAttention]:
        """softmax(query · keyᵀ) · value; nothing is scaled."""
        inputs = [tensor(t) for t in (query, key, value)]
        norm_op, causal = member(AttentionNormalizationOp)(norm_op), boolean(causal)
        attention = IAttention(self, inputs)
        attention.norm_op, attention.causal = norm_op, causal
        return attention

    def add_rotary_embedding(
        self,
        input: ITensor,
        cos_cache: ITensor,
        sin_cache: ITensor,
        interleaved: bool,
        rotary_embedding_dim: int,
    ) -> Optional[IRotaryEmbeddingLayer]:
        """`input` with pairs of its last axis turned by the angles of the caches."""
        inputs = [input, cos_cache, sin_cache]
        given = {"interleaved": interleaved, "rotary_embedding_dim": rotary_embedding_dim}
        return add(self, IRotaryEmbeddingLayer, "addRotaryEmbedding", inputs, **given)

    def add_kv_cache_update(
        self, cache: ITensor, update: ITensor, write_indices: ITensor, cache_mode: KVCacheMode
    ) -> Optional[IKVCacheUpdateLayer]:
        """`cache` with `update` written from row write_indices[b] on."""
        inputs = [cache, update, write_indices]
        return add(self, IKVCacheUpdateLayer, "addKVCacheUpdate", inputs, cache_mode=cache_mode)


__all__ = [
    "IAttention",
    "IAttentionBoundaryLayer",
    "IAttentionInputLayer",
    "IAttentionOutputLayer",
    "IKVCacheUpdateLayer",
    "IRotaryEmbeddingLayer",
]
