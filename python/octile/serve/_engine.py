"""A plan that is served: engines' contexts by instance and profile, and what may share a batch.

Start reading at ServedEngine. Bits first: requests are joined only where the plan's arithmetic
cannot tell how many rows it was given; why_not_exact() is that rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

import octile

from ._options import Options

Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]

# Float steps whose elements are computed each from its own window or row by one loop. Float
# convolutions and products are not among them: a vendor's kernel blocks its sums by the batch.
_ROWWISE_FLOAT = frozenset(
    "View Reorder Concat Pool Eltwise Activation Lookup Quantize Dequantize Softmax".split()
)
_INT8 = frozenset(("Conv", "Deconv", "MatMul", *_ROWWISE_FLOAT))


def load_plan(path: Path, options: Options) -> octile.Plan:
    """The plan of a file; an ONNX model is built here, Q/DQ pairs as INT8."""
    if path.suffix == ".plan":
        return octile.Plan.load(path)
    network = octile.import_onnx(path)
    profiles = options.profiles or default_profiles(network, options.max_batch)
    return octile.build(
        network,
        profiles=[{k: tuple(map(tuple, v)) for k, v in p.items()} for p in profiles],
        threads=options.placed()[1],
        device=options.device,
    )


def default_profiles(network: octile.Network, most: int) -> list[dict[str, list]]:
    """Batches of 1 to `most` where the batch alone is dynamic; none else."""
    profile = {}
    for tensor in network.inputs:
        shape = tuple(tensor.shape)
        if -1 in shape:
            profile[tensor.name] = [(n, *shape[1:]) for n in (1, max(1, most // 4), most)]
    return [profile] if profile else []


def why_not_exact(plan: octile.Plan) -> str:
    """Why a row's bits might depend on its batch; '' where they do not.

    INT8 steps are exact sums, the same in any order; every step's axis 0 must be the batch's.
    """
    for layer in plan.layers():
        integer = "int8" in layer.precision and "float16" not in layer.precision
        known = _INT8 if integer else _ROWWISE_FLOAT
        if layer.step not in known or not (integer or layer.precision == "float32"):
            return f"'{layer.name}' ({layer.step}, {layer.precision}) may round by batch size"
        if not layer.shape or layer.shape[0] != -1:
            return f"'{layer.name}' does not keep the batch as its axis 0"
    return ""


class ServedEngine:
    """A loaded plan with `instances` sets of contexts. run() belongs to one thread an instance."""

    def __init__(
        self,
        plan: octile.Plan,
        options: Options,
        log: Callable[[str, str], object] | None = None,
    ) -> None:
        self.instances, self.threads = options.placed()
        self._engine = octile.Engine(plan, threads=self.threads, device=options.device, log=log)
        self.inputs = [b for b in self._engine.bindings if b.is_input]
        self.outputs = [b for b in self._engine.bindings if not b.is_input]
        self._profiles = range(self._engine.profile_count)
        self._bounds = [self._bounds_of(profile) for profile in self._profiles]
        self._contexts = [
            [self._engine.create_context(p) for p in self._profiles] for _ in range(self.instances)
        ]
        self.unbatched = self._why_unbatched(plan, options.batching)

    @property
    def batched(self) -> bool:
        return not self.unbatched

    @property
    def most_rows(self) -> int:
        """The largest batch of any profile."""
        return max(map(self._rows, self._profiles))

    @property
    def most_values(self) -> int:
        """Values that the largest request has, all inputs together."""
        return max(sum(math.prod(high) for _, high in bounds.values()) for bounds in self._bounds)

    def profile_of(self, shapes: Shapes) -> int:
        """The profile that runs such shapes. ValueError says what none of them takes."""
        fitting = self._fitting(shapes)
        if not self.batched:
            return fitting[0]
        return min(fitting, key=self._rows)

    def capacity(self, shapes: Shapes) -> int:
        """The rows that a batch with such a request in it may have. ValueError as above."""
        return max(map(self._rows, self._fitting(shapes)))

    def run(self, instance: int, inputs: Arrays) -> Arrays:
        profile = self.profile_of({name: array.shape for name, array in inputs.items()})
        return self._contexts[instance][profile].run(inputs)

    def _bounds_of(self, profile: int) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
        engine = self._engine
        return {
            b.name: (engine.min_shape(b.name, profile), engine.max_shape(b.name, profile))
            for b in self.inputs
        }

    def _rows(self, profile: int) -> int:
        return min(high[0] for _, high in self._bounds[profile].values())

    def _fitting(self, shapes: Shapes) -> list[int]:
        fitting = [p for p in self._profiles if not self._refusal(p, shapes)]
        if not fitting:
            raise ValueError(self._refusal(self._profiles[-1], shapes))
        return fitting

    def _refusal(self, profile: int, shapes: Shapes) -> str:
        for name, (low, high) in self._bounds[profile].items():
            if not _within(shapes[name], low, high):
                bounds = f"{list(low)} to {list(high)}" if low != high else f"{list(low)}"
                return f"input '{name}' has shape {list(shapes[name])}; the model takes {bounds}"
        return ""

    def _why_unbatched(self, plan: octile.Plan, batching: str) -> str:
        if batching == "off":
            return "switched off"
        for binding in (*self.inputs, *self.outputs):
            if not binding.shape or binding.shape[0] != -1 or binding.from_values:
                return f"'{binding.name}' has no batch of dynamic size as its axis 0"
        if self.most_rows <= 1:
            return "the profiles take batches of one"
        if batching == "exact" and (reason := why_not_exact(plan)):
            return reason
        return self._why_rows_differ(exact=batching == "exact")

    def _why_rows_differ(self, exact: bool) -> str:
        """Random rows, alone and in a batch: a batch must be its rows, else it is none."""
        profile = max(self._profiles, key=self._rows)
        bounds = self._bounds[profile]
        least = max(low[0] for low, _ in bounds.values())
        rows = min(self._rows(profile), 2 * least + 1)
        if rows <= least:
            return "its profile takes batches of one size"
        random = np.random.default_rng(1)
        inputs = {
            b.name: _random(random, (rows, *bounds[b.name][0][1:]), b.dtype) for b in self.inputs
        }
        context = self._contexts[0][profile]
        try:
            whole = context.run(inputs)
            parts = {k: v[-least:] for k, v in inputs.items()}
            alone = context.run({k: np.ascontiguousarray(v) for k, v in parts.items()})
        except octile.Error as error:  # values that the model refuses: it is not known
            return f"a trial of batches failed ({error})"
        for name, array in alone.items():
            if len(whole[name]) != rows or not _same(whole[name][-least:], array, exact):
                return f"rows of '{name}' depend on their batch"
        return ""


def _within(shape: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]) -> bool:
    return len(shape) == len(low) and all(a <= n <= b for n, a, b in zip(shape, low, high))


def _random(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return random.uniform(-2, 2, shape).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def _same(a: np.ndarray, b: np.ndarray, exact: bool) -> bool:
    if exact or a.dtype.kind != "f":
        return a.tobytes() == b.tobytes()
    return np.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)
