"""What a server counts, for Prometheus: KServe shows the process's registry at /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_LABELS = ("model_name", "model_version")
# Seconds: from a small network on one core to a large one behind a full queue.
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

REQUESTS = Counter(
    "octile_requests",
    "Requests by outcome: ok, invalid (4xx), rejected (queue full, or stopping), failed (5xx), "
    "cancelled (the client left)",
    (*_LABELS, "outcome"),
)
QUEUE_SECONDS = Histogram(
    "octile_queue_seconds",
    "From a request's arrival to its batch's start",
    _LABELS,
    buckets=_SECONDS,
)
COMPUTE_SECONDS = Histogram(
    "octile_compute_seconds", "The engine's time for one batch", _LABELS, buckets=_SECONDS
)
BATCH_ROWS = Histogram("octile_batch_rows", "Samples in one batch", _LABELS, buckets=_ROWS)
BATCH_REQUESTS = Histogram("octile_batch_requests", "Requests in one batch", _LABELS, buckets=_ROWS)
WAITING = Gauge("octile_queue_requests", "Requests that wait", _LABELS)
BODY_BYTES = Gauge("octile_body_bytes", "Bytes of requests under way; JSON's count eightfold")


class ModelMetrics:
    """The rows of one model and version."""

    def __init__(self, name: str, version: str) -> None:
        self._labels = (name, version)
        self.queue_seconds = QUEUE_SECONDS.labels(*self._labels)
        self.compute_seconds = COMPUTE_SECONDS.labels(*self._labels)
        self.batch_rows = BATCH_ROWS.labels(*self._labels)
        self.batch_requests = BATCH_REQUESTS.labels(*self._labels)
        self.waiting = WAITING.labels(*self._labels)

    def count(self, outcome: str) -> None:
        REQUESTS.labels(*self._labels, outcome).inc()
