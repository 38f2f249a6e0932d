"""Calibrator: the base class of objects that calibrate() drives by callbacks."""

from __future__ import annotations

from typing import Any, Optional


class Calibrator:
    """What TensorRT's users know. calibrate() calls read_cache(); if that gives None, next_batch()
    until it gives None, then write_cache(). What a method raises comes out of calibrate().

    Any object with these methods will do; this class has the defaults.
    """

    def method(self) -> Optional[str]:
        """'entropy', 'minmax', 'percentile' or 'mse'; None: what calibrate() was told."""
        return None

    def batch_size(self) -> int:
        """Samples of a batch that is given as an address, where axis 0 of the input is dynamic."""
        return 1

    def next_batch(self) -> Any:
        """A dict of input name -> array or (address, bytes), the batch on axis 0; or an array or a
        sequence of arrays; None at the end. Memory is copied before the next call."""
        raise NotImplementedError("a Calibrator must define next_batch()")

    def read_cache(self) -> Optional[bytes]:
        """The bytes of a cache, Octile's or TensorRT's, or None."""
        return None

    def write_cache(self, data: bytes) -> None:
        """Is given the cache (Octile's JSON) after calibration."""
