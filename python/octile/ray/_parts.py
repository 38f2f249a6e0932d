"""The tasks of a calibration: a part of one piece of a block, and the merge of some parts."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Optional

import ray

import octile

from ._blocks import Piece, arrays_of, batches_of, told
from ._checkpoint import Folder, content_of, digest_of
from ._cluster import where

_KEPT = 2  # collectors that a worker keeps: of this calibration and the one before


@dataclass(frozen=True)
class Job:
    """What all tasks of one round have in common; refs stay refs until a worker needs them."""

    key: str  # model and options
    model: list[ray.ObjectRef]  # [Network]
    options: dict[str, Any]  # of PartCollector
    columns: dict[str, str]
    checkpoint: str = ""
    ranges: Optional[tuple[str, ray.ObjectRef]] = None  # (digest, CalibrationPart); second round


@dataclass(frozen=True)
class Info:
    """What the driver hears of a part."""

    samples: int
    path: str
    worker: str
    resumed: bool


class Kept(OrderedDict):
    """The last few values by key in this process, made where they are missing."""

    def of(self, key: str, make) -> Any:
        if key not in self:
            self[key] = make()
        self.move_to_end(key)
        while len(self) > _KEPT:
            self.popitem(last=False)
        return self[key]


_collectors, _ranges = Kept(), Kept()


def _collector_of(job: Job) -> octile.PartCollector:
    def make() -> octile.PartCollector:
        return octile.PartCollector(ray.get(job.model[0]), **job.options)

    return _collectors.of(job.key, make)


def _make(job: Job, collector: octile.PartCollector, batches: list) -> octile.CalibrationPart:
    if job.ranges is None:
        return collector.ranges(batches)
    digest, ref = job.ranges
    return collector.counts(batches, _ranges.of(digest, lambda: ray.get(ref)))


def _kept_part(folder: Folder, key: str) -> Optional[octile.CalibrationPart]:
    data = folder.load(key)
    try:
        return None if data is None else octile.CalibrationPart.from_bytes(data, key)
    except octile.InvalidFile:
        return None  # made again, and written over


@ray.remote(num_returns=2)
def part_of(job: Job, piece: Piece, block: Any) -> tuple[octile.CalibrationPart, Info]:
    """The part of a piece. Pure: run again, it gives the same."""
    with told(piece):
        columns = list(dict.fromkeys(job.columns.values()))
        batches = batches_of(arrays_of(block, piece, columns), job.columns)
        collector = _collector_of(job)
        folder, key, part = Folder(job.checkpoint, f"calibration-{job.key}"), "", None
        if folder.used:
            ranges = "" if job.ranges is None else job.ranges[0]
            key = digest_of(collector.path, ranges, content_of(batches)) + ".part"
            part = _kept_part(folder, key)
        resumed = part is not None
        if part is None:
            part = _make(job, collector, batches)
            folder.save(key, part.to_bytes() if folder.used else b"")
    return part, Info(part.samples, collector.path, where(), resumed)


@ray.remote(num_cpus=0)
def merge(mixed: bool, *parts: octile.CalibrationPart) -> octile.CalibrationPart:
    """One part of several."""
    whole = octile.CalibrationPart.from_bytes(parts[0].to_bytes())  # the argument is shared
    for part in parts[1:]:
        whole.merge(part, mixed)
    return whole
