"""`ITimingCache`: measured times of kernels, which a later build takes instead of measuring.

Its bytes are Octile's timing cache file: a header, then `step, machine, kernel<TAB>nanoseconds`
lines. They decide which of several equal kernels runs, never results.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import Any, Dict

from ._functions import Sealed
from ._types import IHostMemory

__all__ = ["ITimingCache", "TimingCacheKey", "TimingCacheValue"]


class TimingCacheKey:
    """Names one measurement: 16 bytes, written as 0x and 32 hexadecimal digits."""

    __module__ = "octile.tensorrt"

    def __init__(self, data: bytes = bytes(16)):
        self._data = bytes(data)

    @staticmethod
    def parse(text: str) -> "TimingCacheKey":
        """The key that `str(key)` wrote. Raises ValueError for other texts."""
        if len(text) != 34:
            raise ValueError("The text should have exactly 34 characters.")
        if text[:2] not in ("0x", "0X"):
            raise ValueError("The text should start with prefix `0x` or `0X`.")
        try:
            return TimingCacheKey(bytes.fromhex(text[2:]))
        except ValueError:
            raise ValueError("The text has invalid content.") from None

    def __str__(self) -> str:
        return "0x" + self._data.hex()

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, TimingCacheKey) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)


class TimingCacheValue:
    """A measurement: a number for the kernel, and its time in milliseconds."""

    __module__ = "octile.tensorrt"

    def __init__(self, tactic_hash: int, timing_msec: float):
        self.tacticHash, self.timingMSec = int(tactic_hash), float(timing_msec)


class ITimingCache(Sealed):
    """Made by `IBuilderConfig.create_timing_cache`; filled by the builds it is set for."""

    __module__ = "octile.tensorrt"

    def __init__(self, data: bytes = b""):
        self._data = data

    def serialize(self) -> IHostMemory:
        """The bytes to write to a file and to hand to create_timing_cache() again."""
        return IHostMemory(self._data)

    def combine(self, input_cache: "ITimingCache", ignore_mismatch: bool) -> bool:
        """Adds another cache's measurements; those of both keep this one's time.

        Every measurement says on which machine it was made, so that there is no mismatch to ignore.
        """
        if not isinstance(input_cache, ITimingCache):
            raise TypeError("combine(): input_cache must be an ITimingCache")
        times, others = parse(self._data), parse(input_cache._data)
        if times is None or others is None:
            return False
        self._data = written({**others, **times})
        return True

    def reset(self) -> bool:
        """Forgets all measurements."""
        self._data = b""
        return True

    # --- reading and editing ---
    def queryKeys(self) -> list:
        """The keys of all measurements. Raises RuntimeError for bytes that are no cache."""
        times = parse(self._data)
        if times is None:
            raise RuntimeError("Failed to get the number of keys in the timing cache")
        return [_key_of(line) for line in times]

    query_keys = queryKeys

    def query(self, key: TimingCacheKey) -> TimingCacheValue:
        """The measurement named by `key`; kernel 0 in 0 ms when there is none."""
        for line, nanoseconds in (parse(self._data) or {}).items():
            if _key_of(line) == key:
                return TimingCacheValue(_kernel_of(line), nanoseconds / 1e6)
        return TimingCacheValue(0, 0.0)

    def update(self, key: TimingCacheKey, value: TimingCacheValue) -> bool:
        """Sets a measurement's time. False for another kernel than the key's, or no such key."""
        times = parse(self._data) or {}
        for line in times:
            if _key_of(line) == key and _kernel_of(line) == value.tacticHash:
                times[line] = max(value.timingMSec, 0.0) * 1e6
                self._data = written(times)
                return True
        return False


class TimingFile:
    """The bytes of a cache as a file while a build runs; `with TimingFile(cache) as path`."""

    def __init__(self, cache: Any):
        self._cache = cache

    def __enter__(self) -> str:
        if self._cache is None:
            return ""
        self._folder = tempfile.TemporaryDirectory(prefix="octile-timing-")
        self._path = os.path.join(self._folder.name, "cache")
        if self._cache._data:
            with open(self._path, "wb") as file:
                file.write(self._cache._data)
        return self._path

    def __exit__(self, *exception: Any) -> None:
        if self._cache is None:
            return
        if os.path.exists(self._path):
            with open(self._path, "rb") as file:
                self._cache._data = file.read()
        self._folder.cleanup()


_HEADER = "octile timing cache 1"


def parse(data: bytes) -> Any:
    """Line → nanoseconds; None for bytes that are no timing cache."""
    lines = data.decode("utf-8", "replace").splitlines()
    if not lines:
        return {}
    if lines[0] != _HEADER:
        return None
    times: Dict[str, float] = {}
    for line in lines[1:]:
        name, tab, number = line.rpartition("\t")
        try:
            times[name] = float(number) if tab else -1.0
        except ValueError:
            return None
        if not 0.0 <= times[name] < float("inf"):
            return None
    return times


def written(times: Dict[str, float]) -> bytes:
    """The bytes of a cache."""
    lines = [f"{line}\t{times[line]:.1f}\n" for line in sorted(times)]
    return f"{_HEADER}\n{''.join(lines)}".encode()


def _key_of(line: str) -> TimingCacheKey:
    return TimingCacheKey(hashlib.blake2b(line.encode(), digest_size=16).digest())


def _kernel_of(line: str) -> int:
    name = line.rpartition(" ")[2]
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
