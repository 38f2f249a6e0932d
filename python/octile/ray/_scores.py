"""The tasks of an evaluation: the sums of one engine over one piece of a block, and times."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Optional

import numpy as np
import ray

import octile

from ._blocks import Piece, arrays_of, batches_of, told
from ._checkpoint import Folder, content_of, digest_of
from ._metrics import Metric, Outputs
from ._parts import Kept

_ROUNDS = 21  # of a timing: the median of so many runs, engines in turns


@dataclass(frozen=True)
class Candidate:
    """A plan on its way to the workers."""

    name: str
    digest: str
    plan: list[ray.ObjectRef]  # [bytes]
    columns: dict[str, str]

    @staticmethod
    def of(name: str, plan: bytes, columns: dict[str, str]) -> Candidate:
        digest = hashlib.blake2b(plan, digest_size=16).hexdigest()
        return Candidate(name, digest, [ray.put(plan)], columns)


@dataclass(frozen=True)
class Cell:
    """One candidate on one piece."""

    candidate: Candidate
    piece: Piece

    def __str__(self) -> str:
        return f"{self.candidate.name} on {self.piece}"


@dataclass(frozen=True)
class Scoring:
    """What all tasks of one evaluation have in common."""

    metric: Metric
    label: Optional[str]
    reference: Optional[Candidate]
    device: str
    threads: int
    checkpoint: str
    key: str


@dataclass(frozen=True)
class Score:
    """What the driver hears of a cell."""

    samples: int
    sums: list[Fraction]


_contexts = Kept()


def context_of(plan: bytes, device: str, threads: int) -> octile.ExecutionContext:
    """An execution context that takes single samples."""
    engine = octile.Engine(octile.Plan.parse(plan), device=device, threads=threads)
    for binding in engine.bindings:
        least = engine.min_shape(binding.name, 0) if binding.is_input else (1,)
        if least and least[0] > 1:
            raise octile.InvalidArgument(
                f"input '{binding.name}' takes batches of at least {least[0]}: samples are "
                "evaluated one by one, so that batch mates cannot matter; build a profile from 1"
            )
    return engine.create_context()


def _run(candidate: Candidate, job: Scoring, arrays: dict) -> list[Outputs]:
    key = digest_of(candidate.digest, job.device, job.threads)
    context = _contexts.of(
        key, lambda: context_of(ray.get(candidate.plan[0]), job.device, job.threads)
    )
    found = []
    for batch in batches_of(arrays, candidate.columns):
        rows = len(next(iter(batch.values())))
        for i in range(rows):
            found.append(context.run({name: array[i : i + 1] for name, array in batch.items()}))
    return found


def _columns(candidate: Candidate, job: Scoring) -> list[str]:
    wanted = [*candidate.columns.values()]
    wanted += job.reference.columns.values() if job.reference else ()
    return list(dict.fromkeys([*wanted, *([job.label] if job.label else ())]))


def _exact(job: Scoring, added: tuple, row: int) -> list[Fraction]:
    if not all(map(math.isfinite, added)):
        raise octile.InvalidArgument(
            f"metric '{job.metric.name}' gives {', '.join(map(str, added))} on row {row}: its sums "
            "need finite numbers; look at that sample and its outputs, or leave the sample out "
            "with dataset.filter()"
        )
    return [Fraction(value) for value in added]


def _sums(candidate: Candidate, job: Scoring, arrays: dict, begin: int) -> Score:
    outputs = _run(candidate, job, arrays)
    right = _run(job.reference, job, arrays) if job.reference else [None] * len(outputs)
    labels = arrays[job.label] if job.label else [None] * len(outputs)
    sums: list[Fraction] = []
    for row, each in enumerate(zip(outputs, labels, right), begin):
        added = _exact(job, job.metric.add(*each), row)
        sums = [a + b for a, b in zip(sums or [Fraction()] * len(added), added)]
    return Score(len(outputs), sums)


@ray.remote
def score(job: Scoring, cell: Cell, block: Any) -> Score:
    """The sums of a cell. Pure: run again, it gives the same."""
    with told(cell.piece):
        candidate = cell.candidate
        arrays = arrays_of(block, cell.piece, _columns(candidate, job))
        folder, key = Folder(job.checkpoint, job.key), ""
        if folder.used:
            reference = job.reference.digest if job.reference else ""
            key = digest_of(candidate.digest, reference, content_of([arrays])) + ".json"
        data = folder.load(key)
        if data is not None:
            samples, *sums = json.loads(data)
            return Score(samples, [Fraction(text) for text in sums])
        found = _sums(candidate, job, arrays, cell.piece.begin)
        folder.save(key, json.dumps([found.samples, *map(str, found.sums)]).encode())
        return found


@ray.remote
def times_of(plans: list[bytes], device: str, threads: int) -> list[float]:
    """Median milliseconds of a run at batch 1, the engines in turns on one quiet worker."""
    contexts = [context_of(plan, device, threads) for plan in plans]
    draw = np.random.default_rng(0)
    for context in contexts:
        for binding in context.engine.bindings:
            if binding.is_input:
                shape = context.engine.opt_shape(binding.name, 0)
                values = draw.random((1, *shape[1:])).astype(binding.dtype)
                context.set_input(binding.name, values)
        context.run()
    taken: list[list[float]] = [[] for _ in contexts]
    for _ in range(_ROUNDS):
        for context, times in zip(contexts, taken):
            begin = time.perf_counter()
            context.run()
            times.append((time.perf_counter() - begin) * 1e3)
    return [statistics.median(times) for times in taken]
