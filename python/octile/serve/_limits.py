"""How long requests may be, alone and in sum: what clients send must not exhaust the memory.

Bytes are counted as what they cost. Those of tensors are held a few times; JSON becomes Python
objects, 18 to 33 times its size, and so do gRPC's typed contents. Their bytes count eightfold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ._metrics import BODY_BYTES
from ._model import OctileModel

OBJECTS = 8  # the weight of bytes that become Python objects
_TEXT_BYTES = 25  # of a value in JSON with its comma; as bytes it has 8 at most
_SLACK = 1 << 20  # names, identifiers, parameters
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def longest_of(models: Iterable[OctileModel]) -> int:
    """Bytes of the longest request that these models could answer."""
    return _SLACK + _TEXT_BYTES * max((m.most_values for m in models), default=0)


def most_in_sum() -> int:
    """An eighth of the machine's memory, or of the container's where that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        memory = min(memory, int(_CGROUP.read_text()))
    except (OSError, ValueError):  # no such file, or "max": no limit
        pass
    return memory // 8


class Refused(Exception):
    """A body that is not taken; `status` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Bodies:
    """What all requests under way hold. For the event loop alone."""

    def __init__(self, most_bytes: int, most_in_sum: int) -> None:
        self.most_bytes, self.most_in_sum = most_bytes, most_in_sum
        self._held = 0

    @contextmanager
    def one(self) -> Iterator[_Body]:
        """A request's body, which counts until the request is answered."""
        body = _Body(self)
        try:
            yield body
        finally:
            self._hold(-body.cost)

    def _hold(self, cost: int) -> None:
        self._held += cost
        BODY_BYTES.set(self._held)

    def _take(self, size: int, cost: int, more: int) -> None:
        if size > self.most_bytes:
            raise Refused(
                413, f"the request is longer than {self.most_bytes} bytes (--max-request-bytes)"
            )
        if cost > self.most_in_sum:
            raise Refused(
                413,
                f"the request's {size} bytes count as {cost}, beyond {self.most_in_sum} "
                "(--max-bytes-under-way); tensors sent as bytes count less",
            )
        if self._held + more > self.most_in_sum:
            raise Refused(
                503,
                f"requests under way hold {self._held} of {self.most_in_sum} bytes "
                "(--max-bytes-under-way); try again",
            )
        self._hold(more)


class _Body:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self.cost = bodies, 0

    def grow(self, size: int, objects: int) -> None:
        """It has `size` bytes now, `objects` of which become Python objects, or Refused."""
        cost = size + (OBJECTS - 1) * min(objects, size)
        if cost > self.cost:
            self._bodies._take(size, cost, cost - self.cost)
            self.cost = cost
