"""How a model is served: the server's flags, and `octile.json` beside a model, which wins."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

CONFIG = "octile.json"
BATCHING = ("exact", "any", "off")
_CGROUP = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """The affinity mask's cores, or fewer where a container's CPU quota says so."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = _CGROUP.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return cores


@dataclass(frozen=True)
class Options:
    """What may be said of a model. None is what fits the machine."""

    instances: int | None = None  # execution contexts that run at the same time
    threads: int | None = None  # of each
    queue: int = 512  # requests that wait; one more is refused
    max_delay_ms: float = 0.0  # how long a request waits for others to share its batch
    batching: str = "exact"  # 'exact': only where bits stay the same; 'any': float too; 'off'
    device: str = "cpu"
    max_batch: int = 32  # of a .onnx file whose batch is dynamic; a plan has its own
    profiles: list = field(default_factory=list)  # of a .onnx file: {input: [min, opt, max]} each
    versions: str | list = "all"  # of a folder of versions: 'all', 'latest', or a list

    def __post_init__(self) -> None:
        for name, least in (("instances", 1), ("threads", 1), ("queue", 1), ("max_batch", 1)):
            value = getattr(self, name)
            optional = value is None and name in ("instances", "threads")
            if not optional and (type(value) is not int or value < least):
                raise ValueError(f"{name}: {value!r} is no whole number from {least} on")
        delay = self.max_delay_ms
        if type(delay) not in (int, float) or not 0 <= delay < math.inf:
            raise ValueError(f"max_delay_ms: {delay!r} is no time in milliseconds")
        if self.batching not in BATCHING:
            raise ValueError(f"batching: {self.batching!r} is none of {', '.join(BATCHING)}")
        if not isinstance(self.device, str):
            raise ValueError(f"device: {self.device!r} is no name of a device")
        self._check_lists()

    def _check_lists(self) -> None:
        if not isinstance(self.profiles, list) or not all(map(_is_profile, self.profiles)):
            raise ValueError(
                'profiles: write them as [{"input": [min, opt, max]}], three shapes such as '
                "[1, 3, 8, 8]"
            )
        if not isinstance(self.versions, list) and self.versions not in ("all", "latest"):
            raise ValueError(f"versions: {self.versions!r} is neither 'all', 'latest' nor a list")

    def placed(self) -> tuple[int, int]:
        """Instances and threads, told apart from the cores where they were left open.

        Up to four cores serve one instance: a batch is done sooner, and batches share weights.
        """
        cores = usable_cores()
        if self.instances is not None:
            return self.instances, self.threads or max(1, cores // self.instances)
        threads = self.threads or min(cores, 4)
        return max(1, cores // threads), threads


def _is_profile(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(shapes, list) and len(shapes) == 3 and all(map(_is_shape, shapes))
        for shapes in value.values()
    )


def _is_shape(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(type(n) is int and n >= 0 for n in value)


def with_config(options: Options, folder: Path) -> Options:
    """The options under what `octile.json` in the folder says. ValueError names the file."""
    path = folder / CONFIG
    if not path.is_file():
        return options
    try:
        given = json.loads(path.read_text())
        if not isinstance(given, dict):
            raise ValueError("it holds no JSON object")
        known = {f.name for f in fields(Options)}
        if unknown := sorted(set(given) - known):
            raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        return replace(options, **given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
