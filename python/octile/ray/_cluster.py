"""Tasks on the cluster: a bounded number in flight, results as they finish, a tree of merges.

Tasks are pure, so Ray may run one again wherever its worker or node died; what is taken up here is
the result of a finished task, once.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

import ray
from ray.exceptions import RayError, RayTaskError, TaskCancelledError

import octile

_FAN_IN = 8  # results merged by one task
_POLL_SECONDS = 0.1  # of a wait for tasks; a cancellation is looked for before and after each
_END = object()


class Cancelled(Exception):
    """The caller's `cancel` event was set; outstanding tasks have been cancelled."""


@dataclass(frozen=True)
class Workers:
    """How tasks are run: how many at once, and what each one asks of its node."""

    num_workers: Optional[int] = None
    threads: int = 1
    device: str = "cpu"
    retries: int = 8
    task_options: dict[str, Any] = field(default_factory=dict)
    cancel: Optional[threading.Event] = None

    def __post_init__(self) -> None:
        for name in ("num_workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise octile.InvalidArgument(f"{name} must be at least 1, not {value}")

    def options(self) -> dict[str, Any]:
        """For RemoteFunction.options()."""
        gpus = 0 if self.device == "cpu" else 1
        own = {"num_cpus": self.threads, "num_gpus": gpus, "max_retries": self.retries}
        return {**own, **self.task_options}

    def limit(self) -> int:
        """Tasks in flight: those that run, and as many that wait, unless a number was given."""
        if self.num_workers is not None:
            return self.num_workers
        slots = ray.cluster_resources().get("CPU", 1) / self.threads
        return 2 * max(1, math.floor(slots))


def connect() -> None:
    """Joins the cluster that RAY_ADDRESS names, or begins one here, which tells nobody."""
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(log_to_driver=False, logging_level="warning")


def where() -> str:
    """This process, for messages."""
    return f"node {ray.util.get_node_ip_address()} process {os.getpid()}"


def get(ref: ray.ObjectRef, what: str, retries: int) -> Any:
    """The value; what its task raised comes out as it was raised."""
    try:
        return ray.get(ref)
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        raise cause from None
    except TaskCancelledError:
        raise Cancelled(f"{what} was cancelled") from None
    except RayError as error:
        raise octile.Error(
            f"{what}: its worker died each time it was tried ({retries} retries): {error}. See "
            "Ray's logs; a block that is too large for a worker's memory ends it, too"
        ) from error


def finished(
    work: Iterable[Any],
    submit: Callable[[Any], tuple[ray.ObjectRef, ray.ObjectRef]],
    workers: Workers,
    keep_errors: bool = False,
) -> Iterator[tuple[Any, ray.ObjectRef, Any]]:
    """(item, result, info) as tasks finish. submit(item) gives refs to a result, which may be
    large, and to a small info, which is fetched. A task that fails ends the loop, or has its
    exception as info where errors are kept. Whatever ends the loop cancels the others. The next
    item of `work` (a block that the dataset is at) is waited out before a cancellation is seen."""
    running: dict[ray.ObjectRef, tuple[Any, ray.ObjectRef]] = {}
    items, limit, more = iter(work), workers.limit(), True
    try:
        while True:
            while more and len(running) < limit:
                _heed(workers.cancel)
                item = next(items, _END)
                more = item is not _END
                if more:
                    result, info = submit(item)
                    running[info] = (item, result)
            if not running:
                return
            done, _ = ray.wait(list(running), timeout=_POLL_SECONDS)
            _heed(workers.cancel)
            for ref in done:
                item, result = running.pop(ref)
                yield item, result, _info(ref, item, workers, keep_errors)
    finally:
        for ref in running:
            ray.cancel(ref)


def _heed(cancel: Optional[threading.Event]) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("cancelled by the caller")


def _info(ref: ray.ObjectRef, item: Any, workers: Workers, keep_errors: bool) -> Any:
    try:
        return get(ref, str(item), workers.retries)
    except Cancelled:
        raise
    except Exception as error:
        if not keep_errors:
            raise
        return error


class Tree:
    """Merges results by tasks of `merge(*values)`, eight at a time, while others are made."""

    def __init__(self, merge: Callable[..., ray.ObjectRef]) -> None:
        self._merge = merge
        self._levels: list[list[ray.ObjectRef]] = []

    def add(self, ref: ray.ObjectRef, level: int = 0) -> None:
        """One more finished result."""
        if level == len(self._levels):
            self._levels.append([])
        waiting = self._levels[level]
        waiting.append(ref)
        if len(waiting) == _FAN_IN:
            self._levels[level] = []
            self.add(self._merge(*waiting), level + 1)

    def root(self) -> Optional[ray.ObjectRef]:
        """All of them merged; None where there were none."""
        refs = [ref for level in self._levels for ref in level]
        while len(refs) > 1:
            groups = [refs[i : i + _FAN_IN] for i in range(0, len(refs), _FAN_IN)]
            refs = [self._merge(*group) if len(group) > 1 else group[0] for group in groups]
        return refs[0] if refs else None
