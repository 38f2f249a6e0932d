"""How a build gets ranges from a calibrator: TensorRT's order of calls around octile.calibrate().

get_algorithm, read_calibration_cache; if there is none: get_batch_size, get_batch until it gives
nothing, write_calibration_cache. What a calibrator raises is told in the log and ends the batches.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional, Sequence

import octile

from ._native_values import ApiError
from ._types import CalibrationAlgoType, ErrorCodeTRT, Severity
from ._values import array_at, bytes_of

__all__: list = []

# TensorRT's algorithm → the word in its caches, Octile's method.
_ALGORITHMS = {
    CalibrationAlgoType.LEGACY_CALIBRATION: ("LegacyCalibration", "percentile"),
    CalibrationAlgoType.ENTROPY_CALIBRATION: ("EntropyCalibration", "entropy"),
    CalibrationAlgoType.ENTROPY_CALIBRATION_2: ("EntropyCalibration2", "entropy"),
    CalibrationAlgoType.MINMAX_CALIBRATION: ("MinMaxCalibration", "minmax"),
}
_NO_SCALES = (
    "Calibration failure occurred with no scaling factors detected. This could be due to no int8 "
    "calibrator or insufficient custom scales for network layers. Please see int8 sample to setup "
    "calibration correctly."
)


def no_scales(detail: str = "") -> ApiError:
    """What TensorRT says where INT8 is asked for and nothing tells the ranges."""
    text = f"{_NO_SCALES} ({detail})" if detail else _NO_SCALES
    return ApiError(text, ErrorCodeTRT.INTERNAL_ERROR)


class Calibration:
    """One calibration: `calibrator` for inputs (name → (dtype, shape)), whose −1 is the batch."""

    def __init__(self, calibrator: Any, inputs: dict, told: Any, version: str):
        self._calibrator, self._inputs, self._told = calibrator, inputs, told
        self._version = version
        self._algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION_2
        self._batches = 0
        self._problem: Optional[Exception] = None  # an address that cannot be read ends the build

    def table(self, native: "octile.Network", **options: Any) -> "octile.CalibrationTable":
        """Ranges from the calibrator's cache or batches. Raises ApiError or octile.Error."""
        algorithm = self._call("get_algorithm")
        if algorithm not in _ALGORITHMS:
            raise no_scales(f"get_algorithm() of {type(self._calibrator).__name__} failed")
        self._algorithm = algorithm
        cache = self._read_cache()
        return cache if cache is not None else self._calibrate(native, options)

    def _calibrate(self, native: "octile.Network", options: dict) -> "octile.CalibrationTable":
        word, method = _ALGORITHMS[self._algorithm]
        self._told._log(Severity.INFO, f"Starting Calibration with {word}.")
        size = self._batch_size()
        try:
            table = octile.calibrate(
                native, self._batch_arrays(size), method=method, **options, **self._quantile()
            )
        except octile.Error as error:
            if self._batches == 0 and self._problem is None:
                raise no_scales(f"{type(self._calibrator).__name__} gave no batch") from error
            raise self._problem or error from None
        if self._problem is not None:
            raise self._problem
        text = table.to_tensorrt(version=self._version)
        cache = f"TRT-{self._version}-{word}\n{text.partition(chr(10))[2]}".encode()
        self._told._log(Severity.INFO, f"Calibration finished after {self._batches} batches.")
        self._call("write_calibration_cache", memoryview(cache))
        # What the cache holds, so that the next build, which reads it, makes the same engine.
        return octile.CalibrationTable.from_tensorrt(cache, "calibration")

    def _quantile(self) -> dict:
        if self._algorithm != CalibrationAlgoType.LEGACY_CALIBRATION:
            return {}
        quantile = self._call("get_quantile")
        cutoff = self._call("get_regression_cutoff")
        if not isinstance(quantile, (int, float)) or not 0.0 < quantile <= 1.0:
            raise no_scales(f"get_quantile() gave {quantile!r}, not a share between 0 and 1")
        self._told._log(
            Severity.WARNING,
            f"Legacy calibration: ranges hold the share {quantile:g} of all values; the regression "
            f"cutoff {cutoff!r} has no counterpart in Octile and is not used.",
        )
        return {"percentile": 100.0 * float(quantile)}

    # --- the cache ---
    def _read_cache(self) -> Optional["octile.CalibrationTable"]:
        given = self._call("read_calibration_cache")
        if given is None:
            return None
        origin = f"the cache of {type(self._calibrator).__name__}"
        try:
            cache = bytes_of(given)
            if not cache:
                return None
            table = octile.CalibrationTable.parse(cache, origin)
        except (octile.Error, TypeError) as error:
            self._told._fail(
                "IInt8Calibrator::readCalibrationCache",
                f"{error}. Calibrating anew.",
                code=ErrorCodeTRT.INVALID_ARGUMENT,
            )
            return None
        word = cache.split(b"\n", 1)[0].decode("utf-8", "replace").strip().rpartition("-")[2]
        expected = _ALGORITHMS[self._algorithm][0]
        if cache.startswith(b"TRT-") and word != expected:
            self._told._log(
                Severity.WARNING,
                f"Calibration table does not match calibrator algorithm type: it is of {word}, not "
                f"{expected}. Calibrating anew.",
            )
            return None
        self._told._log(Severity.INFO, f"Reading Calibration Cache for calibrator: {expected}")
        return table

    # --- the batches ---
    def _batch_size(self) -> int:
        size = self._call("get_batch_size")
        try:
            size = int(size)
        except (TypeError, ValueError):
            size = -1
        if size < 1:
            raise no_scales(f"get_batch_size() of {type(self._calibrator).__name__} gave no number")
        return size

    def _batch_arrays(self, size: int) -> Iterator[dict]:
        """One dict of arrays for each batch, copied out of the calibrator's memory."""
        names = list(self._inputs)
        while True:
            addresses = self._call("get_batch", list(names))
            if addresses is None:
                return
            try:
                arrays = self._read_batch(names, addresses, size)
            except octile.Error as error:
                self._problem = error
                return
            except (TypeError, ValueError) as error:
                self._told_of("get_batch", error)
                return
            if arrays is None:
                return
            self._batches += 1
            self._told._log(Severity.VERBOSE, f"Calibrated batch {self._batches - 1}.")
            yield arrays

    def _read_batch(self, names: Sequence[str], addresses: Any, size: int) -> Optional[dict]:
        addresses = [int(address) for address in addresses]
        if not addresses:
            return None
        if len(addresses) < len(names):
            raise ValueError(f"{len(addresses)} addresses for the inputs {', '.join(names)}")
        arrays = {}
        for name, address in zip(names, addresses):
            dtype, shape = self._inputs[name]
            extents = tuple(shape)
            # A network for batches of one calibrates on every sample of the calibrator's batch.
            if extents[:1] == (-1,) or (extents[:1] == (1,) and len(extents) > 1):
                extents = (size, *extents[1:])
            what = f"get_batch(): input '{name}' of shape {extents}"
            arrays[name] = array_at(address, dtype, extents, what)
        return arrays

    # --- calling ---
    def _call(self, method: str, *arguments: Any) -> Any:
        """What the calibrator's method gives; None when it raises, which is told."""
        try:
            return getattr(self._calibrator, method)(*arguments)
        except Exception as error:
            self._told_of(method, error)
            return None

    def _told_of(self, method: str, error: Exception) -> None:
        name = type(self._calibrator).__name__
        self._told._log(
            Severity.ERROR,
            f"Exception caught in {method}() of {name}: {type(error).__name__}: {error}",
        )
