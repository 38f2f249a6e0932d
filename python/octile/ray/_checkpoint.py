"""What tasks have finished, in a directory that all workers see: an interrupted run goes on there.

A part of a calibration is found by what it was made of: model, options, float path, round, and the
very bytes of its samples. So it does not matter which worker meets a block, in what order, or what
the block is called; each block of a run still gives one part, read or made, and is counted once.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import pickletools
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from ray import cloudpickle


def digest_of(*parts: object) -> str:
    """Of texts and numbers."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def content_of(batches: list[dict[str, np.ndarray]]) -> str:
    """Of the samples of a piece."""
    hasher = hashlib.blake2b(digest_size=16)
    for batch in batches:
        for name, array in sorted(batch.items()):
            _add(hasher, name, array)
    return hasher.hexdigest()


def _add(hasher: Any, name: str, array: np.ndarray) -> None:
    hasher.update(repr((name, array.dtype.str, array.shape)).encode())
    if not array.dtype.hasobject:
        hasher.update(np.ascontiguousarray(array).view(np.uint8).data)
        return
    for element in array.ravel():  # its own bytes are addresses
        if isinstance(element, np.ndarray):
            _add(hasher, "", element)
        else:
            data = pickle.dumps(element, protocol=4)
            hasher.update(b"%d:" % len(data) + data)


def code_of(value: Any) -> str:
    """Of what may hold functions. A pickle only names what is in a module that can be imported, so
    the files of all modules that it names are in, too; what those import is not looked at."""
    data = cloudpickle.dumps(value)
    found = {}
    for _, text, _ in pickletools.genops(data):
        if isinstance(text, str) and text in sys.modules and text != "__main__":
            found[text] = _source_of(sys.modules[text])
    return digest_of(data, sorted(found.items()))


def _source_of(module: Any) -> str:
    path = getattr(module, "__file__", None)
    if path is None:  # built in, or a namespace, which has no code
        return sys.version
    try:
        return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return secrets.token_hex(16)  # nothing is reused of code that cannot be read


def directory_of(checkpoint: Union[str, os.PathLike]) -> str:
    """The driver's, since workers run elsewhere; empty as it is."""
    return os.path.abspath(checkpoint) if os.fspath(checkpoint) else ""


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
