"""calibrate() and collect(): two rounds over the dataset, ranges and counts, and their merge."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np
import ray

import octile
from octile import _log
from octile._progress import ProgressLine

from ._blocks import Columns, Piece, check_dataset, columns_of, pieces
from ._checkpoint import Folder, digest_of, directory_of
from ._cluster import Cancelled, Tree, Workers, connect, finished, get
from ._parts import Info, Job, merge, part_of

Model = Union[octile.Network, str, os.PathLike, bytes, Callable[[], octile.Network]]
Progress = Union[Callable[[str, int, int], object], bool, None]
Log = Optional[Callable[[str, str], object]]


def network_of(model: Model) -> octile.Network:
    """What the caller named."""
    if isinstance(model, octile.Network):
        return model
    if isinstance(model, (str, os.PathLike, bytes)):
        return octile.import_onnx(model)
    network = model() if callable(model) else None
    if not isinstance(network, octile.Network):
        raise TypeError(
            "model: a Network, an ONNX file or its bytes, or a function that returns a Network is "
            f"wanted, not {type(model).__name__}"
        )
    return network


def progress_function(progress: Progress) -> Callable[[str, int, int], object]:
    """True is a line on stderr."""
    if progress is True:
        return ProgressLine()
    return progress or (lambda phase, done, total: None)


class _Paths:
    """The float paths that were met, and by whom first."""

    def __init__(self, allow_mixed: bool) -> None:
        self._allowed = allow_mixed
        self._seen: dict[str, str] = {}

    def add(self, info: Info) -> None:
        self._seen.setdefault(info.path, info.worker)
        if len(self._seen) > 1 and not self._allowed:
            raise octile.InvalidArgument(
                "workers compute other bits, so the table would depend on which samples went "
                f"where: {self}. Use workers of one kind, reproducible=True (the same bits on any "
                "CPU, slower), or allow_mixed=True"
            )

    def warn(self, log: Callable[[str, str], object]) -> None:
        if len(self._seen) > 1:
            log("warning", f"the table mixes float paths, and is not repeatable: {self}")

    def __str__(self) -> str:
        return "; ".join(f"[{path}] on {worker}" for path, worker in self._seen.items())


class _Collection:
    """One call of collect()."""

    def __init__(self, job: Job, workers: Workers, rows_per_task: int, allow_mixed: bool) -> None:
        self._job, self._workers = job, workers
        self._rows, self._mixed = rows_per_task, allow_mixed
        self._paths = _Paths(allow_mixed)

    def run(self, dataset: ray.data.Dataset, progress, log) -> octile.CalibrationData:
        ranges = self._round(dataset, "ranges", -1, progress, log)
        ranges_ref = (digest_of(ranges.to_bytes()), ray.put(ranges))
        self._job = replace(self._job, ranges=ranges_ref)
        counts = self._round(dataset, "histograms", ranges.samples, progress, log)
        self._paths.warn(log)
        return octile.whole_collection(ranges, counts)

    def _round(self, dataset, phase: str, total: int, progress, log) -> octile.CalibrationPart:
        job, tree, done, resumed = ray.put(self._job), Tree(self._merge), 0, 0
        submit_part = part_of.options(**self._workers.options())

        def submit(piece: Piece) -> tuple[ray.ObjectRef, ray.ObjectRef]:
            return tuple(submit_part.remote(job, replace(piece, ref=None), piece.ref))

        try:
            for _, part, info in finished(pieces(dataset, self._rows), submit, self._workers):
                self._paths.add(info)
                tree.add(part)
                done += info.samples
                resumed += info.samples if info.resumed else 0
                progress(phase, done, total)
        except Cancelled as error:
            raise Cancelled(f"{error}; {phase}: {done} samples were in") from None
        if resumed:
            log("info", f"{phase}: {resumed} of {done} samples came from {self._job.checkpoint}")
        root = tree.root()
        if root is None or done == 0:
            raise octile.InvalidArgument("the dataset holds no samples; give at least one")
        if total < 0:
            progress(phase, done, done)
        return get(root, f"the merge of the {phase}", self._workers.retries)

    def _merge(self, *parts: ray.ObjectRef) -> ray.ObjectRef:
        options = {**self._workers.options(), "num_cpus": 0, "num_gpus": 0}
        return merge.options(**options).remote(self._mixed, *parts)


def collect(
    model: Model,
    dataset: ray.data.Dataset,
    *,
    columns: Columns = None,
    reproducible: bool = False,
    device: str = "cpu",
    threads: int = 1,
    input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
    preprocess: str = "",
    num_workers: Optional[int] = None,
    rows_per_task: int = 1024,
    allow_mixed: bool = False,
    checkpoint: Union[str, os.PathLike] = "",
    keep_checkpoint: bool = False,
    retries: int = 8,
    task_options: Optional[Mapping[str, Any]] = None,
    cancel: Optional[threading.Event] = None,
    progress: Progress = None,
    log: Log = None,
) -> octile.CalibrationData:
    """The histograms behind calibrate(): one run on the cluster serves every method."""
    connect()
    workers = Workers(num_workers, threads, device, retries, dict(task_options or {}), cancel)
    check_dataset(dataset, rows_per_task)
    network = network_of(model)
    options = {
        "reproducible": reproducible,
        "device": device,
        "threads": threads,
        "input_shapes": dict(input_shapes or {}),
        "preprocess": preprocess,
    }
    if device == "cpu":  # a driver has no GPU to try these on
        octile.PartCollector(network, **options)
    inputs = [tensor.name for tensor in network.inputs]
    job = Job(
        key=digest_of(network.digest(), sorted(options.items()), inputs),
        model=[ray.put(network)],
        options=options,
        columns=columns_of(dataset, inputs, columns),
        checkpoint=directory_of(checkpoint),
    )
    collection = _Collection(job, workers, rows_per_task, allow_mixed)
    data = collection.run(dataset, progress_function(progress), log or _log.tell)
    if not keep_checkpoint:
        Folder(job.checkpoint, f"calibration-{job.key}").remove()
    return data


def calibrate(
    model: Model,
    dataset: ray.data.Dataset,
    *,
    method: str = "entropy",
    percentile: float = 99.99,
    log: Log = None,
    **options: Any,
) -> octile.CalibrationTable:
    """Ranges of all tensors over the samples of a ray.data.Dataset: bit for bit the table that
    octile.calibrate() makes of them in one process.

    model: a Network, an ONNX file or its bytes, or a function that returns a Network.
    method, percentile, reproducible, device, input_shapes, preprocess, progress, log: as of
    octile.calibrate(). device 'cuda' asks for a GPU a task.
    columns: the column of the network's input, or a dict, input -> column; rows are samples.
    num_workers: tasks at once (default: as many as the cluster has cores for). threads: cores a
    task. rows_per_task: samples a task, at most; a larger block is cut.
    allow_mixed: let parts of different float paths (instruction sets, CPU and GPU) be merged.
    checkpoint: a directory that all workers see; an interrupted run goes on from it. What it left
    there is removed once the run is complete, unless keep_checkpoint.
    retries: how often a task is tried again whose worker died. task_options: for Ray (resources,
    scheduling_strategy, runtime_env …). cancel: an event that ends the run with Cancelled.

    The dataset is run through twice: what it reads or computes must repeat itself.
    """
    octile.threshold(np.ones(1, np.float32), method, percentile)  # refuses what is no method
    table = collect(model, dataset, log=log, **options).table(method, percentile)
    for warning in table.warnings:
        (log or _log.tell)("warning", warning)
    return table
