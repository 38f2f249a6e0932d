"""The five calibrator base classes. `_calibration.py` calls them while an engine is built.

A program derives from one of them and brings get_batch_size, get_batch, read_calibration_cache and
write_calibration_cache; the base class decides the algorithm (docs/calibration.md).
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

from ._logger import abstract
from ._types import CalibrationAlgoType

__all__ = [
    "IInt8Calibrator",
    "IInt8EntropyCalibrator",
    "IInt8EntropyCalibrator2",
    "IInt8LegacyCalibrator",
    "IInt8MinMaxCalibrator",
]


class IInt8Calibrator:
    """Base of all calibrators; a class that derives from it directly brings get_algorithm too."""

    __module__ = "octile.tensorrt"
    _algorithm: Optional[CalibrationAlgoType] = None

    def __init__(self) -> None:
        pass

    @abstract
    def get_batch_size(self) -> int:
        """The number of samples in one batch."""

    @abstract
    def get_batch(self, names: Sequence[str]) -> Optional[Sequence[int]]:
        """One address for each input in `names`: device memory of octile.cudart or host memory.

        Each holds a batch, row-major, of the input's type. None or an empty list: no more batches.
        """

    @abstract
    def read_calibration_cache(self) -> Any:
        """The bytes of a cache of TensorRT's (or Octile's) form, or None to calibrate."""

    @abstract
    def write_calibration_cache(self, cache: memoryview) -> None:
        """Takes the bytes of the cache that calibration made."""

    def get_algorithm(self) -> CalibrationAlgoType:
        """The method by which ranges are derived."""
        if self._algorithm is None:
            raise NotImplementedError(f"{type(self).__name__} does not bring get_algorithm()")
        return self._algorithm


class IInt8EntropyCalibrator(IInt8Calibrator):
    """Entropy calibration; Octile computes the same for both generations of it."""

    __module__ = "octile.tensorrt"
    _algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION


class IInt8EntropyCalibrator2(IInt8Calibrator):
    """Entropy calibration, TensorRT's default."""

    __module__ = "octile.tensorrt"
    _algorithm = CalibrationAlgoType.ENTROPY_CALIBRATION_2


class IInt8MinMaxCalibrator(IInt8Calibrator):
    """The range is the greatest absolute value of the samples."""

    __module__ = "octile.tensorrt"
    _algorithm = CalibrationAlgoType.MINMAX_CALIBRATION


class IInt8LegacyCalibrator(IInt8Calibrator):
    """Percentile calibration: the range holds the share get_quantile() of all |x|.

    TensorRT's second parameter, the regression cutoff, has no counterpart: a build says so.
    """

    __module__ = "octile.tensorrt"
    _algorithm = CalibrationAlgoType.LEGACY_CALIBRATION

    @abstract
    def get_quantile(self) -> float:
        """The share of values within the range, from 0 to 1."""

    @abstract
    def get_regression_cutoff(self) -> float:
        """TensorRT's regression cutoff, which Octile does not use."""

    def read_histogram_cache(self, length: int = 0) -> Any:
        """Not called: histograms are collected anew."""

    def write_histogram_cache(self, ptr: Any, length: int = 0) -> None:
        """Not called."""
