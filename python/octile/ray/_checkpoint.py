"""Finished parts in a directory that all workers see, so that an interrupted run goes on.

A part is found by what it was made of: model, options, float path, round, and the very bytes of its
samples. So it does not matter which worker meets a block, in what order, or what the block is
called; each block of a run still gives one part, read or made, and is counted once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Optional

import numpy as np

import octile


def digest_of(*parts: object) -> str:
    """Of texts and numbers."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def content_of(batches: list[dict[str, np.ndarray]]) -> str:
    """Of the samples of a piece."""
    hasher = hashlib.blake2b(digest_size=16)
    for batch in batches:
        for name, array in batch.items():
            hasher.update(repr((name, array.dtype.str, array.shape)).encode())
            hasher.update(np.ascontiguousarray(array).view(np.uint8).data)
    return hasher.hexdigest()


class Parts:
    """Parts of one collection. With an empty `directory` it keeps nothing."""

    def __init__(self, directory: str, job: str) -> None:
        self._folder = Path(directory) / f"calibration-{job}" if directory else None

    @property
    def used(self) -> bool:
        """False: nothing is kept."""
        return self._folder is not None

    def load(self, key: str) -> Optional[octile.CalibrationPart]:
        """None where there is none, or a damaged one."""
        path = self._folder / f"{key}.part"
        try:
            return octile.CalibrationPart.from_bytes(path.read_bytes(), str(path))
        except (FileNotFoundError, octile.InvalidFile):
            return None

    def save(self, key: str, part: octile.CalibrationPart) -> None:
        """Written to a name of its own, then renamed: a reader sees all of it or nothing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f"{key}.{os.uname().nodename}.{os.getpid()}.tmp"
        with open(unfinished, "wb") as file:
            file.write(part.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self._folder / f"{key}.part")

    def remove(self) -> None:
        """The collection is complete."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
