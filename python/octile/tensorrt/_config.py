"""`IBuilderConfig`: how an engine shall be built.

What cannot change results on the CPU is kept and given back (`kept`); what has no
counterpart raises UnsupportedError when it is set. docs/migrating-from-tensorrt.md lists both.
"""

from __future__ import annotations

import os
from typing import Any, Optional

from ._calibrator import IInt8Calibrator
from ._config_kept import REFUSED, ConfigKept, a, check_flag
from ._functions import Managed
from ._profile import IOptimizationProfile
from ._timing import ITimingCache, parse
from ._told import Told
from ._types import (
    BuilderFlag,
    MemoryPoolType,
    PreviewFeature,
    QuantizationFlag,
    Severity,
    unsupported,
)
from ._values import bytes_of

__all__ = ["IBuilderConfig"]

_GIB = 1 << 30
REFITS = (BuilderFlag.REFIT, BuilderFlag.REFIT_IDENTICAL, BuilderFlag.REFIT_INDIVIDUAL)


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class IBuilderConfig(Told, ConfigKept, Managed):
    """Made by `Builder.create_builder_config`; one configuration may serve several builds."""

    __module__ = "octile.tensorrt"

    def __init__(self, builder: Any):
        self._builder = builder
        self.reset()

    def reset(self) -> None:
        """Back to what create_builder_config() gave."""
        self._kept: dict = {}
        self._flags = 1 << int(BuilderFlag.TF32)
        self._quantization = 0
        self._profiles: list = []
        self._calibration_profile: Optional[IOptimizationProfile] = None
        self._calibrator: Any = None
        self._monitor: Any = None
        self._cache: Optional[ITimingCache] = None
        self._pools: dict = {}
        self._previews = {PreviewFeature.PROFILE_SHARING_0806: True}

    # What the builder was given is asked late: it may be set after the configuration was made.
    @property
    def _logger(self) -> Any:  # type: ignore[override]
        return self._builder._logger

    @property
    def _recorder(self) -> Any:  # type: ignore[override]
        return self._builder._recorder

    # --- flags ---
    @property
    def flags(self) -> int:
        """A mask of BuilderFlag; TF32 alone is set at first, as in TensorRT."""
        return self._flags

    @flags.setter
    def flags(self, flags: int) -> None:
        flags = int(flags)
        if not 0 <= flags < 1 << 32:
            raise TypeError(f"IBuilderConfig.flags: {flags:#x} is no mask of BuilderFlag")
        for flag in REFUSED:
            if flags >> int(flag) & 1:
                check_flag(flag)
        self._flags = flags

    def set_flag(self, flag: BuilderFlag) -> None:
        """Sets a flag. UnsupportedError for FP8, INT4 and FP4."""
        check_flag(flag)
        others = [known for known in REFITS if known != flag and self.get_flag(known)]
        if flag in REFITS and others:
            self._log(
                Severity.WARNING,
                "Unset previous flag because kREFIT, kREFIT_INDIVIDUAL and kREFIT_IDENTICAL are "
                "mutually exclusive.",
            )
            for known in others:
                self.clear_flag(known)
        if flag == BuilderFlag.STRIP_PLAN:
            self._log(
                Severity.WARNING,
                "BuilderFlag.STRIP_PLAN: plans of Octile keep their weights; the engine is "
                "refittable.",
            )
        self._flags |= 1 << int(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        """Takes a flag back."""
        self._flags &= ~(1 << int(a(flag, BuilderFlag)))

    def get_flag(self, flag: BuilderFlag) -> bool:
        """Whether a flag is set."""
        return bool(self._flags >> int(a(flag, BuilderFlag)) & 1)

    # --- INT8 ---
    @property
    def int8_calibrator(self) -> Any:
        """Gives the ranges of tensors where BuilderFlag.INT8 is set and nothing else does."""
        return self._calibrator

    @int8_calibrator.setter
    def int8_calibrator(self, calibrator: Any) -> None:
        if calibrator is not None and not isinstance(calibrator, IInt8Calibrator):
            raise TypeError(
                "IBuilderConfig.int8_calibrator takes an object derived from one of the calibrator "
                f"classes, not {type(calibrator).__name__}"
            )
        self._calibrator = calibrator

    def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
        """The profile whose opt shapes calibration runs with; without one it is profile 0."""
        self._calibration_profile = a(profile, IOptimizationProfile)
        return True

    def get_calibration_profile(self) -> Optional[IOptimizationProfile]:
        """The profile that was set for calibration; None: the first is taken."""
        return self._calibration_profile

    @property
    def quantization_flags(self) -> int:
        """A mask of QuantizationFlag; Octile always calibrates the network before fusion."""
        return self._quantization

    @quantization_flags.setter
    def quantization_flags(self, flags: int) -> None:
        self._quantization = int(flags)

    def set_quantization_flag(self, flag: QuantizationFlag) -> None:
        """Sets a QuantizationFlag."""
        self._quantization |= 1 << int(a(flag, QuantizationFlag))

    def clear_quantization_flag(self, flag: QuantizationFlag) -> None:
        """Takes a QuantizationFlag back."""
        self._quantization &= ~(1 << int(a(flag, QuantizationFlag)))

    def get_quantization_flag(self, flag: QuantizationFlag) -> bool:
        """Whether a QuantizationFlag is set."""
        return bool(self._quantization >> int(a(flag, QuantizationFlag)) & 1)

    # --- profiles ---
    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        """Adds a profile (which may still be changed before the build) and returns its index."""
        self._profiles.append(a(profile, IOptimizationProfile))
        return len(self._profiles) - 1

    @property
    def num_optimization_profiles(self) -> int:
        """How many profiles were added."""
        return len(self._profiles)

    # --- timing ---
    def create_timing_cache(self, serialized_timing_cache: Any) -> Optional[ITimingCache]:
        """A cache of bytes that ITimingCache.serialize() gave; empty bytes for a new one."""
        data = bytes_of(serialized_timing_cache)
        if parse(data) is None:
            return self._fail(
                "IBuilderConfig::createTimingCache",
                "the bytes are no timing cache of Octile; those of TensorRT hold times of a GPU's "
                "kernels: begin with b''",
            )
        return ITimingCache(data)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        """Builds read their measurements from `cache` and add new ones to it."""
        self._cache = a(cache, ITimingCache)
        return True

    def get_timing_cache(self) -> Optional[ITimingCache]:
        """The cache that was set; None without."""
        return self._cache

    @property
    def builder_optimization_level(self) -> int:
        """1 to 5 (3): the fastest kernels, and INT8 where it pays, by measuring.

        0 measures nothing: the first kernel that accepts each step, INT8 for all layers that can.
        """
        return self._kept.get("builder_optimization_level", 3)

    @builder_optimization_level.setter
    def builder_optimization_level(self, level: int) -> None:
        level = int(level)
        if not 0 <= level <= 5:
            self._fail("IBuilderConfig::setBuilderOptimizationLevel", f"{level} is not in 0 … 5")
            return
        self._kept["builder_optimization_level"] = level

    # --- memory: kept, since no limit can change results ---
    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        """Keeps a limit in bytes; it has no effect on a CPU."""
        pool_size = int(pool_size)
        if pool_size < 0:
            raise TypeError("set_memory_pool_limit(): pool_size must not be negative")
        self._pools[a(pool, MemoryPoolType)] = pool_size

    def get_memory_pool_limit(self, pool: MemoryPoolType) -> int:
        """The limit that was set, in bytes."""
        defaults = {
            MemoryPoolType.WORKSPACE: _total_memory(),
            MemoryPoolType.DLA_MANAGED_SRAM: 0,
            MemoryPoolType.DLA_LOCAL_DRAM: _GIB,
            MemoryPoolType.DLA_GLOBAL_DRAM: _GIB // 2,
            MemoryPoolType.TACTIC_DRAM: _total_memory(),
            MemoryPoolType.TACTIC_SHARED_MEMORY: _GIB,
        }
        pool = a(pool, MemoryPoolType)
        return self._pools.get(pool, defaults[pool])

    @property
    def max_workspace_size(self) -> int:
        """The workspace's limit in bytes (the name until 8.x)."""
        return self.get_memory_pool_limit(MemoryPoolType.WORKSPACE)

    @max_workspace_size.setter
    def max_workspace_size(self, size: int) -> None:
        self.set_memory_pool_limit(MemoryPoolType.WORKSPACE, size)

    # --- told while building ---
    @property
    def progress_monitor(self) -> Any:
        """An IProgressMonitor, told of the phases of a build."""
        return self._monitor

    @progress_monitor.setter
    def progress_monitor(self, monitor: Any) -> None:
        self._monitor = monitor

    @property
    def algorithm_selector(self) -> None:
        """None: Octile's kernels are equal bit for bit, so there is nothing to select."""
        return None

    @algorithm_selector.setter
    def algorithm_selector(self, selector: Any) -> None:
        if selector is not None:
            unsupported(
                "IBuilderConfig.algorithm_selector",
                "kernels are chosen by time alone; ITimingCache pins what was measured",
            )
