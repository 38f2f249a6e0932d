"""Where an INT8 build takes ranges from: Quantize layers, set_dynamic_range or a calibrator."""

from __future__ import annotations

from typing import Any, Optional

import octile

from ._calibration import Calibration, no_scales
from ._native_values import LOW, ApiError
from ._profile import check_bounds
from ._types import DataType, ErrorCodeTRT, LayerType, Severity

__all__: list = []

_FLOAT = (DataType.FLOAT, *LOW)


class Ranges:
    """The part of a build that is about ranges."""

    def _ranges(self, native: "octile.Network", explicit: bool) -> Any:
        """The table to build with; None where the network itself tells all ranges."""
        calibrator = self._config.int8_calibrator
        if explicit:
            if calibrator is not None:
                self._builder._log(
                    Severity.WARNING,
                    "Calibrator won't be used in explicit precision mode. Use quantization aware "
                    "training to generate network with Quantize/Dequantize nodes.",
                )
            return None
        tensors = self._float_tensors()
        missing = [t.name for t in tensors if t._range is None]
        if not missing:
            return None
        if calibrator is None:
            self._builder._log(
                Severity.WARNING,
                "Calibrator is not being used. Users must provide dynamic range for all tensors "
                "that are not Int32 or Bool.",
            )
            if not any(t._range is not None for t in self._network._emission._tensors):
                raise no_scales()
            self._tell_missing(missing)
            return None
        calibration = Calibration(
            calibrator, self._calibration_inputs(), self._builder, _cache_version()
        )
        table = calibration.table(native, threads=self._builder._threads, **self._callbacks())
        known = set(table)
        self._tell_missing([name for name in missing if name not in known])
        return table

    def _tell_missing(self, names: list) -> None:
        for name in names:
            self._builder._log(
                Severity.WARNING,
                f"Missing scale and zero-point for tensor {name}, expect fall back to non-int8 "
                "implementation for any layer consuming or producing given tensor",
            )

    def _float_tensors(self) -> list:
        """The tensors that INT8 needs ranges of: all of a float type but constants."""
        tensors = list(self._network._inputs)
        for layer in self._network._layers:
            if layer._class._layer_type != LayerType.CONSTANT:
                tensors.extend(layer._outputs)
        return [tensor for tensor in tensors if tensor.dtype in _FLOAT]

    def _calibration_inputs(self) -> dict:
        """name → (dtype, shape): −1 for the calibrator's batch, other extents from opt."""
        profile = self._calibration_profile()
        inputs = {}
        for tensor in self._network._inputs:
            shape = list(tensor._input_shape)
            opt = profile._shapes[tensor.name][1] if profile is not None and -1 in shape else shape
            batch = shape[:1] == [-1]
            shape = [known if known >= 0 else opt[axis] for axis, known in enumerate(shape)]
            inputs[tensor.name] = (tensor.dtype, ([-1] + shape[1:]) if batch else shape)
        return inputs

    def _calibration_profile(self) -> Optional[Any]:
        profile = self._config.get_calibration_profile()
        if profile is None:
            if not self._config._profiles:
                return None
            if any(-1 in tensor._input_shape for tensor in self._network._inputs):
                self._builder._log(
                    Severity.WARNING,
                    "Calibration Profile is not defined. Calibrating with Profile 0",
                )
            return self._config._profiles[0]
        for tensor in self._network._inputs:
            if -1 not in tensor._input_shape:
                continue
            if tensor.name not in profile._shapes:
                raise ApiError(
                    f"{tensor.name}: dynamic input is missing dimensions in the calibration "
                    "profile.",
                    ErrorCodeTRT.INVALID_CONFIG,
                )
            check_bounds(tensor, profile._shapes[tensor.name], "calibration")
        return profile


def _cache_version() -> str:
    """The token of calibration caches: 101600 for TensorRT 10.16.0."""
    from . import __version__

    major, minor, patch = (int(part) for part in __version__.split(".")[:3])
    return str(major * 10000 + minor * 100 + patch)
