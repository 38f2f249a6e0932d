"""`Refitter`: other weights for an engine that was built with BuilderFlag.REFIT.

Weights are fused, quantized and packed when an engine is built, so a refit builds the network that
the plan keeps anew (`_refit_data.py`) and puts the result into the engine: its contexts run with it
from then on. INT8 ranges stay what they were unless they are set.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

import numpy as np

import octile

from ._engine import ICudaEngine
from ._enums import DataType, ErrorCodeTRT, TensorLocation, WeightsRole
from ._refit_data import KEY, Kept, RefitData, role_of
from ._told import Told
from ._types import ILogger, Managed, Weights, as_weights, native_values, severity_of
from ._values import as_address

__all__ = ["Refitter"]


class Refitter(Told, Managed):
    """`Refitter(engine, logger)`; failing calls tell the logger and return False.

    TypeError, after a line in the log, for an engine that cannot be refitted.
    """

    __module__ = "octile.tensorrt"

    def __init__(self, engine: ICudaEngine, logger: ILogger):
        if not isinstance(engine, ICudaEngine) or not isinstance(logger, ILogger):
            raise TypeError(
                "Refitter() takes an ICudaEngine and an ILogger, not "
                f"{type(engine).__name__} and {type(logger).__name__}"
            )
        self._engine, self._logger = engine, logger
        self._threads = 0  # all cores
        self._validates = True
        self._set: Dict[int, tuple] = {}  # place among the kept weights → (Weights, location)
        place, text = "IRefitter::IRefitter", dict(engine._native.plan.metadata).get(KEY)
        try:
            if text is None:
                raise ValueError("the engine was not built with BuilderFlag.REFIT")
            self._data = RefitData.from_json(text)
        except ValueError as error:
            self._fail(place, str(error))
            raise TypeError(f"Refitter(): {error}") from None

    # --- what there is ---
    def get_all(self) -> tuple:
        """(names of layers, their WeightsRoles): one entry for each set of weights."""
        kept = self._refittable()
        return [k.layer for k in kept], [WeightsRole.__members__[k.role] for k in kept]

    def get_all_weights(self) -> list:
        """The names of all weights that have one and can be refitted."""
        return [kept.name for kept in self._refittable() if kept.name]

    def get_missing(self) -> tuple:
        """([], []): weights that are not set stay what they are."""
        return [], []

    def get_missing_weights(self) -> list:
        """[]: weights that are not set stay what they are."""
        return []

    def get_weights_prototype(self, weights_name: str) -> Weights:
        """Type and count of the weights, without values; count −1 for a name that is not known."""
        kept = self._named(weights_name, "getWeightsPrototype")
        return _prototype(DataType.FLOAT, -1) if kept is None else _prototype_of(kept)

    def get_weights_location(self, weights_name: str) -> TensorLocation:
        """Where the weights lay that were set; HOST when none were."""
        kept = self._named(weights_name, "getWeightsLocation")
        given = None if kept is None else self._set.get(self._place(kept))
        return TensorLocation.HOST if given is None else given[1]

    def get_named_weights(
        self, weights_name: str, location: TensorLocation = TensorLocation.HOST
    ) -> Weights:
        """The weights that were set, else the engine's own."""
        kept = self._named(weights_name, "getNamedWeights")
        if kept is None:
            return Weights()
        given = self._set.get(self._place(kept))
        if given is not None:
            return given[0]
        value = self._data.value(kept.tensors[0])
        dtype = DataType.__members__[kept.dtype]
        return Weights(value.astype(np.float16) if dtype == DataType.HALF else value)

    # --- setting ---
    def set_weights(self, layer_name: str, role: WeightsRole, weights: Any) -> bool:
        """New weights of a layer; False where the layer, the role, count or type is wrong."""
        place, role_name = "setWeights", role_of(role)
        given = as_weights(weights, "set_weights(): weights")
        for kept in self._data.weights:
            if kept.layer == layer_name and kept.role == role_name:
                return self._take(kept, given, TensorLocation.HOST, place)
        return self._no(
            place,
            f"{layer_name}: network does not have (or does not use) this layer or no such role for "
            "this layer.",
        )

    def set_named_weights(
        self, name: str, weights: Any, location: TensorLocation = TensorLocation.HOST
    ) -> bool:
        """New weights by their name; with DEVICE their address is of device memory."""
        place = "setNamedWeightsWithLocation"
        given = as_weights(weights, "set_named_weights(): weights")
        kept = self._named(name, place)
        return False if kept is None else self._take(kept, given, location, place)

    def unset_named_weights(self, weights_name: str) -> bool:
        """Forgets what was set; False when nothing was."""
        kept = self._named(weights_name, "unsetNamedWeights")
        return kept is not None and self._set.pop(self._place(kept), None) is not None

    def _take(self, kept: Kept, given: Weights, location: TensorLocation, place: str) -> bool:
        name = kept.name or kept.layer
        if kept.fixed:
            return self._no(place, f"{name}: The weights cannot be refitted.")
        if given.size != kept.count or given.dtype.name != kept.dtype:
            return self._no(
                place,
                f"{name}: {given.size} weights of type {given.dtype.name} were given for "
                f"{kept.count} of type {kept.dtype}",
            )
        try:
            data = octile.host_memory.read(given._data.ctypes.data, given.nbytes, name)
        except octile.Error as error:
            return self._fail(f"IRefitter::{place}", error, False)
        # A copy: the memory may be gone when the refit comes.
        copy = Weights(given.dtype)
        copy._data, copy._count = np.frombuffer(data, given._data.dtype), given.size
        self._set[self._place(kept)] = (copy, location)
        return True

    # --- INT8 ranges ---
    def set_dynamic_range(self, tensor_name: str, range: Any) -> bool:
        """(min, max) of a tensor that has a range."""
        low, high = (float(bound) for bound in range)
        if tensor_name not in self._data.ranges():
            return self._no("setDynamicRange", f"{tensor_name}: the tensor has no dynamic range")
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            return self._no("setDynamicRange", f"({low}, {high}) is no range")
        self._data.network["ranges"][tensor_name] = [low, high]
        return True

    def get_dynamic_range(self, tensor_name: str) -> tuple:
        """(min, max); (−1, −1) for a tensor that has none, which is told."""
        found = self._data.ranges().get(tensor_name)
        if found is None:
            self._no("getDynamicRange", f"{tensor_name}: the tensor has no dynamic range")
        return (-1.0, -1.0) if found is None else found

    def get_tensors_with_dynamic_range(self) -> list:
        """Names of the tensors that have a range."""
        return list(self._data.ranges())

    # --- refitting ---
    def refit_cuda_engine(self) -> bool:
        """Builds the engine anew with what was set. Its contexts run with it from then on."""
        place, values = "IRefitter::refitCudaEngine", {}
        for index, (weights, _) in self._set.items():
            kept = self._data.weights[index]
            flat = native_values(weights)
            if self._validates and flat.dtype.kind == "f" and not np.isfinite(flat).all():
                return self._fail(
                    place, f"{kept.name or kept.layer}: not all values are finite", False
                )
            for tensor in kept.tensors:
                old = self._data.value(tensor)
                values[tensor] = flat.astype(old.dtype, copy=False).reshape(old.shape)
        native = self._engine._native
        metadata = {key: text for key, text in native.plan.metadata.items() if key != KEY}
        try:
            plan = self._data.plan(
                native.plan, values, metadata, threads=self._threads, log=self._told_by_build
            )
            threads, told = self._engine._threads, self._told_by_build
            self._engine._native = octile.Engine(plan, threads=threads, log=told)
        except octile.Error as error:
            return self._fail(place, error, False)
        except ValueError as error:
            return self._fail(place, str(error), False)
        return True

    def refit_cuda_engine_async(self, stream_handle: Any) -> bool:
        """As refit_cuda_engine(): the CPU refits at once."""
        as_address(stream_handle, "refit_cuda_engine_async(): stream_handle")
        return self.refit_cuda_engine()

    @property
    def max_threads(self) -> int:
        """Threads that a refit may use; all cores at first."""
        return self._threads or os.cpu_count() or 1

    @max_threads.setter
    def max_threads(self, threads: int) -> None:
        if int(threads) < 1:
            self._no("setMaxThreads", f"{threads} threads cannot refit")
            return
        self._threads = int(threads)

    @property
    def weights_validation(self) -> bool:
        """Whether a refit refuses weights that are not finite."""
        return self._validates

    @weights_validation.setter
    def weights_validation(self, validates: bool) -> None:
        self._validates = bool(validates)

    # --- helpers ---
    def _refittable(self) -> List[Kept]:
        return [kept for kept in self._data.weights if not kept.fixed]

    def _place(self, kept: Kept) -> int:
        return next(i for i, known in enumerate(self._data.weights) if known is kept)

    def _named(self, name: Any, function: str) -> Optional[Kept]:
        """The weights of that name; None, told, where there are none to refit."""
        if not isinstance(name, str):
            raise TypeError(f"names of weights are strings, not {type(name).__name__} {name!r}")
        for kept in self._data.weights:
            if kept.name == name and name and not kept.fixed:
                return kept
        self._no(function, f"{name}: The weights cannot be refitted.")
        return None

    def _no(self, function: str, reason: str) -> bool:
        return self._fail(f"IRefitter::{function}", reason, False, ErrorCodeTRT.INVALID_ARGUMENT)

    def _told_by_build(self, level: str, message: str) -> None:
        self._log(severity_of("debug" if level == "info" else level), message)


def _prototype(dtype: DataType, count: int) -> Weights:
    found = Weights(dtype)
    found._count = count
    return found


def _prototype_of(kept: Kept) -> Weights:
    return _prototype(DataType.__members__[kept.dtype], kept.count)
