"""One build: from an INetworkDefinition and an IBuilderConfig to a plan. Start at `Build.plan`."""

from __future__ import annotations

from typing import Any

import octile

from ._assertions import mark_conditions
from ._corners import shown_shapes, within
from ._facts import KEY, facts_of_network
from ._native_values import ApiError
from ._profile import check_bounds, greatest
from ._progress import Progress
from ._ranges import Ranges
from ._refit_data import KEY as REFIT_KEY
from ._refit_data import refit_data
from ._timing import TimingFile
from ._types import (
    BuilderFlag,
    ErrorCodeTRT,
    LayerType,
    NetworkDefinitionCreationFlag,
    Severity,
    TensorFormat,
    severity_of,
    unsupported,
)

__all__: list = []


class Build(Ranges):
    """Raises ApiError, octile.Error and progress.Cancelled; `Builder` tells them."""

    def __init__(self, builder: Any, network: Any, config: Any):
        self._builder, self._network, self._config = builder, network, config
        self._progress = Progress(config.progress_monitor, builder)

    def plan(self) -> "octile.Plan":
        """The whole build."""
        with self._progress:
            self._check_flags()
            self._check_ends()
            self._check_formats()
            profiles = self._profiles()
            native = self._native()
            profiles = [within(self._network, p, i) for i, p in enumerate(profiles)]
            self._progress.step()
            explicit = self._has_quantize_layers()
            int8 = self._int8(explicit)
            table = self._ranges(native, explicit) if int8 else None
            self._progress.step()
            facts = facts_of_network(self._network, native, self._config)
            shapes = shown_shapes(self._network, self._config._profiles, profiles)
            for io in facts.io:
                io.shape = shapes.get(io.name, io.shape)
            options = {
                "int8": int8,
                "scheme": "static-symmetric",
                "profiles": profiles,
                "tactics": "timed" if self._config.builder_optimization_level else "first",
            }
            metadata = {KEY: facts.to_json()}
            refit = refit_data(self._network, native, table, self._config, options)
            if refit is not None:
                metadata[REFIT_KEY] = refit.to_json()
            with TimingFile(self._config.get_timing_cache()) as timing_cache:
                plan = octile.build(
                    native,
                    table,
                    timing_cache=timing_cache,
                    threads=self._builder._threads,
                    metadata=metadata,
                    **options,
                    **self._callbacks(),
                )
            self._progress.step()
        return plan

    def _callbacks(self) -> dict:
        def log(level: str, message: str) -> None:
            self._builder._log(severity_of(level), message)

        return {"log": log, "progress": self._progress.report}

    # --- checks ---
    def _flag(self, flag: BuilderFlag) -> bool:
        return self._config.get_flag(flag)

    def _strongly_typed(self) -> bool:
        return self._network.get_flag(NetworkDefinitionCreationFlag.STRONGLY_TYPED)

    def _check_flags(self) -> None:
        if self._strongly_typed():
            for name in ("FP16", "BF16", "INT8"):
                if self._flag(getattr(BuilderFlag, name)):
                    raise ApiError(
                        "Parameter check failed, condition: !config.getFlag(BuilderFlag::k"
                        f"{name}). A strongly typed network decides its types itself."
                    )
        low = [n for n in ("FP16", "BF16") if self._flag(getattr(BuilderFlag, n))]
        if low and not self._builder._told_low:
            self._builder._told_low = True
            names = " and ".join(f"BuilderFlag.{name}" for name in low)
            self._builder._log(
                Severity.WARNING, f"{names}: the CPU computes in float32 and INT8; ignored."
            )

    def _check_ends(self) -> None:
        for tensor in self._network._outputs:
            if tensor.is_network_input:
                raise ApiError(
                    f"Tensor {tensor.name} cannot be both input and output: mark the output of an "
                    "identity layer",
                    ErrorCodeTRT.INVALID_CONFIG,
                )

    def _check_formats(self) -> None:
        for tensor in (*self._network._inputs, *self._network._outputs):
            if not tensor._formats & 1 << int(TensorFormat.LINEAR):
                unsupported(
                    f"ITensor.allowed_formats of '{tensor.name}' without TensorFormat.LINEAR",
                    "bindings are row-major",
                )

    def _profiles(self) -> list:
        """What octile.build takes: for every profile the bounds of the dynamic inputs."""
        dynamic = [t for t in self._network._inputs if -1 in t._input_shape]
        if dynamic and not self._config._profiles:
            raise ApiError(
                "Network has dynamic or shape inputs, but no optimization profile has been "
                f"defined. ('{dynamic[0].name}' has shape {tuple(dynamic[0]._input_shape)})",
                ErrorCodeTRT.INVALID_CONFIG,
            )
        self._check_static()
        if not dynamic:
            return []
        return [self._profile(index, dynamic) for index in range(len(self._config._profiles))]

    def _profile(self, index: int, dynamic: list) -> dict:
        profile = self._config._profiles[index]
        bounds = {}
        for tensor in dynamic:
            shapes = profile._shapes.get(tensor.name)
            if shapes is None:
                raise ApiError(
                    f"{tensor.name}: dynamic input is missing dimensions in profile {index}.",
                    ErrorCodeTRT.INVALID_CONFIG,
                )
            check_bounds(tensor, shapes, index)
            bounds[tensor.name] = tuple(tuple(shape) for shape in shapes)
        return bounds

    def _check_static(self) -> None:
        for index, profile in enumerate(self._config._profiles):
            for tensor in self._network._inputs:
                if tensor.name in profile._shapes:
                    check_bounds(tensor, profile._shapes[tensor.name], index)
                if tensor.name in profile._values and not tensor.is_shape_tensor:
                    self._network._warning(
                        f"{tensor.name}: shape values set for non-shape input in profile {index}."
                    )

    # --- the native network ---
    def _native(self) -> "octile.Network":
        self._network._emission.bound(*greatest(self._config._profiles))
        native = self._network._emission.complete()
        constrained = any(
            self._flag(flag)
            for flag in (
                BuilderFlag.OBEY_PRECISION_CONSTRAINTS,
                BuilderFlag.PREFER_PRECISION_CONSTRAINTS,
                BuilderFlag.STRICT_TYPES,
            )
        )
        if not constrained:  # without one of the flags TensorRT ignores ILayer.precision
            for layer in native.layers:
                layer.precision = "auto"
        elif not self._flag(BuilderFlag.INT8):
            for layer in native.layers:
                if layer.precision == "int8":
                    raise ApiError(
                        f"{layer.name}: Int8 precision has been set for a layer or layer output, "
                        "but int8 is not configured in the builder",
                        ErrorCodeTRT.INVALID_CONFIG,
                    )
        mark_conditions(self._network, native)
        for tensor in self._network._debug.values():
            found = native.find_tensor(tensor.name)
            if not found.is_output:
                native.mark_output(found)
        return native

    def _has_quantize_layers(self) -> bool:
        """Whether the user, or the model, quantizes: not counting INT8 inputs and outputs."""
        kinds, names = (LayerType.QUANTIZE, LayerType.DEQUANTIZE), ("Quantize", "Dequantize")
        return any(
            layer._class._layer_type in kinds
            or type(getattr(layer, "_op", None)).__name__ in names  # of a parsed model
            for layer in self._network._layers
        )

    def _int8(self, explicit: bool) -> bool:
        """Quantize layers need no flag: TensorRT 10 asks for none, 8.6 did."""
        return explicit or self._flag(BuilderFlag.INT8)
