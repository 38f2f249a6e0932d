"""evaluate(): models on a dataset, one row each; a model that fails says so in its row."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Union

import ray

import octile
from octile import _log

from ._blocks import Columns, check_column, check_dataset, columns_of, pieces
from ._calibrate import Log, Progress, network_of, progress_function
from ._checkpoint import Folder, code_of, digest_of, directory_of
from ._cluster import Workers, connect, finished, get
from ._metrics import Metric, Outputs, metric_of
from ._scores import Candidate, Cell, Score, Scoring, score, times_of

Evaluated = Union[octile.Plan, octile.Network, str, os.PathLike, bytes, Callable]
Row = dict[str, Any]


def profile_of(
    network: octile.Network, input_shapes: Mapping[str, Sequence[int]]
) -> dict[str, tuple]:
    """Single samples: the profile of an engine that is evaluated."""
    profile = {}
    for tensor in network.inputs:
        shape = tuple(input_shapes.get(tensor.name, tensor.shape))
        tail = shape[1:] if len(shape) == len(tensor.shape) else shape
        if any(extent < 0 for extent in tail):
            raise octile.InvalidArgument(
                f"input '{tensor.name}' has shape {tensor.shape}: give its extents by input_shapes="
            )
        profile[tensor.name] = ((1, *tail),) * 3
    return profile


def _plan_of(model: Evaluated, input_shapes: Mapping[str, Sequence[int]]) -> octile.Plan:
    """A plan as it is; of a network its float engine, first tactics, so that bits repeat."""
    if isinstance(model, octile.Plan):
        return model
    if isinstance(model, (str, os.PathLike)) and Path(model).suffix != ".onnx":
        return octile.Plan.load(model)
    if isinstance(model, bytes):
        try:
            return octile.Plan.parse(model)
        except octile.InvalidFile:
            pass  # an ONNX model
    network = network_of(model)
    return octile.build(network, tactics="first", profiles=profile_of(network, input_shapes))


def _named(models: Union[Mapping[str, Evaluated], Sequence[Evaluated]]) -> dict[str, Evaluated]:
    if isinstance(models, Mapping):
        return dict(models)
    if isinstance(models, (str, bytes, os.PathLike)) or not isinstance(models, Sequence):
        raise TypeError(f"models: a dict by name or a list is wanted, not {type(models).__name__}")
    return {
        str(m) if isinstance(m, (str, os.PathLike)) else f"model {i}": m
        for i, m in enumerate(models)
    }


class _Table:
    """Rows that fill up."""

    def __init__(self, names: Sequence[str], metric: Metric) -> None:
        self._metric = metric
        self._scores: dict[str, list] = {name: [0, None] for name in names}
        self.rows: dict[str, Row] = {
            name: {
                "model": name,
                "metric": metric.name,
                "value": None,
                "samples": 0,
                "int8_steps": None,
                "bytes": None,
                "ms": None,
                "error": None,
            }
            for name in names
        }

    def fail(self, name: str, error: Exception) -> None:
        self.rows[name]["error"] = f"{type(error).__name__}: {error}"

    def failed(self, name: str) -> bool:
        return self.rows[name]["error"] is not None

    def describe(self, name: str, plan: octile.Plan, size: int) -> None:
        int8 = sum(step.precision.startswith("int8") for step in plan.layers())
        self.rows[name].update(int8_steps=int8, bytes=size)

    def add(self, name: str, found: Score) -> None:
        entry = self._scores[name]
        entry[0] += found.samples
        if found.sums:
            before = entry[1] or [0] * len(found.sums)
            entry[1] = [a + b for a, b in zip(before, found.sums)]

    def close(self) -> None:
        for name, (samples, sums) in self._scores.items():
            if sums and not self.failed(name):
                value = self._metric.value(sums, samples)
                self.rows[name].update(value=value, samples=samples)


def _candidates(models: Mapping[str, Evaluated], table: _Table, dataset, columns, shapes):
    """Those whose plans could be had; the others' rows say why not."""
    found, plans = {}, {}
    for name, model in models.items():
        try:
            plan = _plan_of(model, shapes)
            data = plan.serialize()
            inputs = [binding.name for binding in octile.Engine(plan).bindings if binding.is_input]
            found[name] = Candidate.of(name, data, columns_of(dataset, inputs, columns))
            plans[name] = data
            table.describe(name, plan, len(data))
        except Exception as error:  # a model may be the caller's function
            table.fail(name, error)
    return found, plans


def _reference(found: Mapping[str, Candidate], models: Mapping, named: Optional[str]) -> Candidate:
    name = named or next(iter(models))
    if name not in models:
        raise octile.InvalidArgument(f"reference='{name}' is none of the models: {list(models)}")
    if name not in found:
        raise octile.InvalidArgument(f"the reference model '{name}' cannot be loaded")
    return found[name]


def _run(dataset, rows_per_task, candidates, table, scoring, workers, progress) -> None:
    job, submit_score = ray.put(scoring), score.options(**workers.options())
    done = 0

    def cells() -> Iterator[Cell]:
        for piece in pieces(dataset, rows_per_task):
            for name, candidate in candidates.items():
                if not table.failed(name):
                    yield Cell(candidate, piece)

    def submit(cell: Cell) -> tuple[ray.ObjectRef, ray.ObjectRef]:
        sent = replace(cell, piece=replace(cell.piece, ref=None))
        ref = submit_score.remote(job, sent, cell.piece.ref)
        return ref, ref

    for cell, _, found in finished(cells(), submit, workers, keep_errors=True):
        name = cell.candidate.name
        if isinstance(found, Exception):
            table.fail(name, found)
            continue
        table.add(name, found)
        done += found.samples
        progress("samples", done, -1)
    progress("samples", done, done)


def evaluate(
    models: Union[Mapping[str, Evaluated], Sequence[Evaluated]],
    dataset: ray.data.Dataset,
    metric: Union[str, Callable[[Outputs, Any], float]] = "top1",
    *,
    label: Optional[str] = None,
    reference: Optional[str] = None,
    columns: Columns = None,
    input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
    timed: bool = False,
    device: str = "cpu",
    threads: int = 1,
    num_workers: Optional[int] = None,
    rows_per_task: int = 1024,
    checkpoint: Union[str, os.PathLike] = "",
    keep_checkpoint: bool = False,
    retries: int = 8,
    task_options: Optional[Mapping[str, Any]] = None,
    cancel: Optional[threading.Event] = None,
    progress: Progress = None,
    log: Log = None,
) -> list[Row]:
    """One row a model, a dict: model, metric, value, samples, int8_steps, bytes, ms, error. A model
    that fails, on whatever sample, has the reason as its error; the others go on.

    models: by name, or a list, of plans, plan files, networks or ONNX files (as float engines).
    metric: see METRICS, or a function of (outputs, label) whose mean is taken. label: the column
    of the right classes. reference: the model that 'agreement' and 'sqnr_db' compare with (the
    first). timed: also milliseconds of a run of one sample, when all else is done.
    checkpoint: keeps a metric of one's own by its pickle and the files of the modules that this
    names; where what those import has changed, remove the directory first.
    The other keywords are those of calibrate(). Samples run one by one, and sums are exact, so the
    value does not depend on workers, blocks or order.
    """
    connect()
    check_dataset(dataset, rows_per_task)
    workers = Workers(num_workers, threads, device, retries, dict(task_options or {}), cancel)
    how = metric_of(metric, label is not None)
    models = _named(models)
    table = _Table(list(models), how)
    found, plans = _candidates(models, table, dataset, columns, dict(input_shapes or {}))
    if label is not None:
        check_column(dataset.columns() or [], label, "labels", "label=")
    right = _reference(found, models, reference) if how.needs_reference else None
    code = code_of(metric) if checkpoint and callable(metric) else how.name
    scoring = Scoring(
        metric=how,
        label=label,
        reference=right,
        device=device,
        threads=threads,
        checkpoint=directory_of(checkpoint),
        key=f"evaluation-{digest_of(code, label, device)}",
    )
    _run(dataset, rows_per_task, found, table, scoring, workers, progress_function(progress))
    table.close()
    if timed:
        _time(table, plans, workers, log or _log.tell)
    if not keep_checkpoint:
        Folder(scoring.checkpoint, scoring.key).remove()
    return list(table.rows.values())


def _time(table: _Table, plans: Mapping[str, bytes], workers: Workers, log) -> None:
    names = [name for name in plans if not table.failed(name)]
    if not names:
        return
    task = times_of.options(**workers.options())
    ref = task.remote([plans[name] for name in names], workers.device, workers.threads)
    try:
        times = get(ref, "the timing", workers.retries)
    except (octile.Error, ray.exceptions.RayError) as error:
        log("warning", f"the engines could not be timed: {error}")
        return
    for name, ms in zip(names, times):
        table.rows[name]["ms"] = ms
