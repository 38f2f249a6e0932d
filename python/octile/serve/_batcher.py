"""Requests wait in one bounded queue; threads, one an instance, take them from it in batches.

A batch joins requests along axis 0, and only those whose other extents agree; its rows never go
beyond what the profile allows. With a delay of zero nothing waits for company: a batch is what has
gathered while the instances were busy. Knows neither engines nor protocols: `run` is a callable.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from ._metrics import ModelMetrics

Arrays = dict[str, np.ndarray]


class QueueFull(Exception):
    """The queue holds as many requests as it may."""


class Stopped(Exception):
    """The queue takes no more requests."""


@dataclass(eq=False)
class Request:
    """Inputs of one client. Requests of one `group` may share a batch of up to `capacity` rows."""

    inputs: Arrays
    group: Hashable
    rows: int
    capacity: int
    future: asyncio.Future = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)
    arrival: float = field(init=False)


class Batcher:
    """Runs requests in batches; submit() belongs to an event loop, the rest to any thread.

    run(instance, inputs) → outputs is called from one thread an instance, with the inputs of a
    whole batch; what it raises is raised to each request of the batch.
    """

    def __init__(
        self,
        run: Callable[[int, Arrays], Arrays],
        metrics: ModelMetrics,
        *,
        instances: int,
        queue: int,
        max_delay: float,
        name: str,
    ) -> None:
        self._run, self._metrics = run, metrics
        self._limit, self._max_delay = queue, max_delay
        self._changed = threading.Condition()
        # The groups in the order of their first request.
        self._groups: OrderedDict[Hashable, list[Request]] = OrderedDict()
        self._waiting = 0
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._serve, args=(i,), name=f"{name} #{i}", daemon=True)
            for i in range(instances)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(self, request: Request) -> Arrays:
        """Outputs of a request. Raises QueueFull or Stopped at once, or what run() raises."""
        request.loop = asyncio.get_running_loop()
        request.future = request.loop.create_future()
        request.arrival = time.perf_counter()
        with self._changed:
            if self._stopped:
                raise Stopped
            if self._waiting >= self._limit:
                raise QueueFull
            self._groups.setdefault(request.group, []).append(request)
            self._add_waiting(1)
            self._changed.notify()
        return await request.future

    def hurry(self) -> None:
        """From now on no request waits for company."""
        with self._changed:
            self._max_delay = 0.0
            self._changed.notify_all()

    def stop(self) -> None:
        """Takes no more requests; those that wait are still answered, without delay."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the threads to end. REQUIRES: stop() was called."""
        for thread in self._threads:
            thread.join(timeout)

    def _add_waiting(self, count: int) -> None:
        self._waiting += count
        self._metrics.waiting.set(self._waiting)

    def _serve(self, instance: int) -> None:
        while batch := self._next_batch():
            self._answer(instance, batch)

    def _next_batch(self) -> list[Request]:
        """The next batch; [] when stopped and nothing waits."""
        with self._changed:
            while True:
                wait = None
                now = time.perf_counter()
                for group, requests in self._groups.items():
                    age = now - requests[0].arrival
                    count, full = _fitting(requests)
                    if full or self._stopped or age >= self._max_delay:
                        return self._take(group, count)
                    rest = self._max_delay - age
                    wait = rest if wait is None else min(wait, rest)
                if self._stopped and not self._groups:
                    return []
                self._changed.wait(wait)

    def _take(self, group: Hashable, count: int) -> list[Request]:
        requests = self._groups.pop(group)
        if requests[count:]:
            self._groups[group] = requests[count:]
            self._changed.notify()
        self._add_waiting(-count)
        return requests[:count]

    def _answer(self, instance: int, batch: list[Request]) -> None:
        batch = [r for r in batch if not r.future.cancelled()]
        if not batch:
            return
        start = time.perf_counter()
        try:
            outputs = self._run(instance, _joined(batch))
        except Exception as error:  # the server outlives whatever a request brings about
            if len(batch) > 1:  # and so does its neighbour: each on its own
                for request in batch:
                    self._answer(instance, [request])
                return
            results = [error]
        else:
            results = _parted(outputs, batch)
        self._metrics.compute_seconds.observe(time.perf_counter() - start)
        self._metrics.batch_rows.observe(sum(r.rows for r in batch))
        self._metrics.batch_requests.observe(len(batch))
        for request in batch:
            self._metrics.queue_seconds.observe(start - request.arrival)
        for loop in {r.loop for r in batch}:
            own = [(r, result) for r, result in zip(batch, results) if r.loop is loop]
            _deliver(loop, own)


def _fitting(requests: list[Request]) -> tuple[int, bool]:
    """How many from the front fit one batch, and whether one more would not."""
    rows = 0
    for count, request in enumerate(requests):
        rows += request.rows
        if rows > request.capacity:
            return max(count, 1), True
    return len(requests), rows >= requests[0].capacity


def _joined(batch: list[Request]) -> Arrays:
    if len(batch) == 1:
        return batch[0].inputs
    return {name: np.concatenate([r.inputs[name] for r in batch]) for name in batch[0].inputs}


def _parted(outputs: Arrays, batch: list[Request]) -> list[Arrays]:
    """Each request's rows of the outputs."""
    if len(batch) == 1:
        return [outputs]
    parts, begin = [], 0
    for request in batch:
        end = begin + request.rows
        parts.append({name: array[begin:end] for name, array in outputs.items()})
        begin = end
    return parts


def _deliver(
    loop: asyncio.AbstractEventLoop, answers: list[tuple[Request, Arrays | Exception]]
) -> None:
    """Resolves futures in their loop."""

    def resolve() -> None:
        for request, result in answers:
            if request.future.done():  # the client left
                continue
            if isinstance(result, Exception):
                request.future.set_exception(result)
            else:
                request.future.set_result(result)

    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:  # the loop was closed: nobody waits any more
        pass
