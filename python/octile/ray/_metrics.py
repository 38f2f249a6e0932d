"""Metrics as exact sums over samples: whichever worker adds up which samples, in any order, the
result has the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Optional, Union

import numpy as np

import octile

Outputs = dict[str, np.ndarray]
Sums = list[Fraction]  # of floats exactly, too


@dataclass(frozen=True)
class Metric:
    """What one sample adds to the sums, and the value of the sums over all of them."""

    name: str
    add: Callable[[Outputs, Any, Optional[Outputs]], tuple]
    value: Callable[[Sums, int], float]
    needs_label: bool = False
    needs_reference: bool = False


def _scores(outputs: Outputs) -> np.ndarray:
    first = next(iter(outputs.values()))
    return np.asarray(first, np.float32).reshape(1, -1)


def _mean(sums: Sums, samples: int) -> float:
    return float(sums[0] / samples)


def _hit(k: int) -> Callable[[Outputs, Any, Optional[Outputs]], tuple]:
    def add(outputs: Outputs, label: Any, _: Optional[Outputs]) -> tuple:
        return (octile.top_k_accuracy(_scores(outputs), np.asarray([label], np.int64), k),)

    return add


def _agrees(outputs: Outputs, _: Any, reference: Optional[Outputs]) -> tuple:
    return (octile.top1_agreement(_scores(outputs), _scores(reference)),)


def _energies(outputs: Outputs, _: Any, reference: Optional[Outputs]) -> tuple:
    """Of signal and noise, each rounded once: fsum is exact, whatever the machine."""
    signal, noise = [], []
    for name, right in reference.items():
        right = np.asarray(right, np.float64).ravel()
        error = right - np.asarray(outputs[name], np.float64).ravel()
        signal.append(right * right)
        noise.append(error * error)
    return math.fsum(np.concatenate(signal)), math.fsum(np.concatenate(noise))


def _decibels(sums: Sums, _: int) -> float:
    signal, noise = sums
    return math.inf if noise == 0 else 10 * math.log10(signal / noise) if signal else -math.inf


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("top1", _hit(1), _mean, needs_label=True),
        Metric("top5", _hit(5), _mean, needs_label=True),
        Metric("agreement", _agrees, _mean, needs_reference=True),
        Metric("sqnr_db", _energies, _decibels, needs_reference=True),
    )
}
"""By name: shares of samples whose label is the best ('top1') or among the five best ('top5') of
the first output; share whose best class is the reference's ('agreement'); SQNR of all outputs
against the reference's in dB ('sqnr_db')."""


def metric_of(metric: Union[str, Callable[[Outputs, Any], float]], has_label: bool) -> Metric:
    """A metric by name, or the mean of a function of (outputs, label) over the samples."""
    if callable(metric):
        name = getattr(metric, "__name__", "metric")
        return Metric(name, lambda outputs, label, _: (float(metric(outputs, label)),), _mean)
    if metric not in METRICS:
        raise octile.InvalidArgument(
            f"unknown metric '{metric}': use one of {', '.join(METRICS)}, or a function of "
            "(outputs, label)"
        )
    found = METRICS[metric]
    if found.needs_label and not has_label:
        raise octile.InvalidArgument(
            f"metric '{metric}' needs the right class of each sample: name its column by label="
        )
    return found
