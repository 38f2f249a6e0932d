"""What tasks have finished, in a directory that all workers see: an interrupted run goes on there.

A part of a calibration is found by what it was made of: model, options, float path, round, and the
very bytes of its samples. So it does not matter which worker meets a block, in what order, or what
the block is called; each block of a run still gives one part, read or made, and is counted once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Optional

import numpy as np


def digest_of(*parts: object) -> str:
    """Of texts and numbers."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def content_of(batches: list[dict[str, np.ndarray]]) -> str:
    """Of the samples of a piece."""
    hasher = hashlib.blake2b(digest_size=16)
    for batch in batches:
        for name, array in sorted(batch.items()):
            hasher.update(repr((name, array.dtype.str, array.shape)).encode())
            hasher.update(np.ascontiguousarray(array).view(np.uint8).data)
    return hasher.hexdigest()


class Folder:
    """What the tasks of one job have finished. With an empty `directory` it keeps nothing."""

    def __init__(self, directory: str, job: str) -> None:
        self.path = Path(directory) / job if directory else None

    @property
    def used(self) -> bool:
        """False: nothing is kept."""
        return self.path is not None

    def load(self, key: str) -> Optional[bytes]:
        """None where there is none."""
        try:
            return None if self.path is None else (self.path / key).read_bytes()
        except FileNotFoundError:
            return None

    def save(self, key: str, data: bytes) -> None:
        """Written to a name of its own, then renamed: a reader sees all of it or nothing."""
        if self.path is None:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        unfinished = self.path / f"{key}.{os.uname().nodename}.{os.getpid()}.tmp"
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self.path / key)

    def remove(self) -> None:
        """The job is complete."""
        if self.path is not None:
            shutil.rmtree(self.path, ignore_errors=True)
