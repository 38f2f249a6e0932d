"""`IBuilderConfig`: how an engine shall be built.

What cannot change results on the CPU is kept and given back (`kept`); what has no
counterpart raises UnsupportedError when it is set. docs/migrating-from-tensorrt.md lists both.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Optional

from ._calibrator import IInt8Calibrator
from ._functions import Managed
from ._profile import IOptimizationProfile
from ._timing import ITimingCache, parse
from ._told import Told
from ._types import (
    BuilderFlag,
    DeviceType,
    EngineCapability,
    HardwareCompatibilityLevel,
    MemoryPoolType,
    PreviewFeature,
    ProfilingVerbosity,
    QuantizationFlag,
    RuntimePlatform,
    Severity,
    TilingOptimizationLevel,
    unsupported,
)
from ._values import bytes_of

__all__ = ["IBuilderConfig"]

_REFUSED = {
    BuilderFlag.FP8: "Octile quantizes to INT8",
    BuilderFlag.INT4: "Octile quantizes to INT8",
    BuilderFlag.FP4: "Octile quantizes to INT8",
    BuilderFlag.STRIP_PLAN: "plans hold their weights",
}
_GIB = 1 << 30


class kept:
    """A property that cannot change results: checked for its type, kept and given back."""

    def __init__(self, kind: type, default: Any, doc: str, refuse: Optional[Callable] = None):
        self._kind, self._default, self.__doc__ = kind, default, doc
        self._refuse = refuse

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._where = name, owner.__name__

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        return self if instance is None else instance._kept.get(self._name, self._default)

    def __set__(self, instance: Any, value: Any) -> None:
        if self._kind is int and hasattr(value, "__index__"):
            value = value.__index__()
        if not isinstance(value, self._kind):
            raise TypeError(
                f"{self._where}.{self._name} takes {self._kind.__name__}, not {value!r}"
            )
        if self._refuse is not None:
            advice = self._refuse(value)
            if advice:
                unsupported(f"{self._where}.{self._name} = {value}", advice)
        instance._kept[self._name] = value


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class IBuilderConfig(Told, Managed):
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
        for flag in _REFUSED:
            if flags >> int(flag) & 1:
                _check_flag(flag)
        self._flags = flags

    def set_flag(self, flag: BuilderFlag) -> None:
        """Sets a flag. UnsupportedError for FP8, INT4, FP4 and STRIP_PLAN."""
        _check_flag(flag)
        self._flags |= 1 << int(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags &= ~(1 << int(_a(flag, BuilderFlag)))

    def get_flag(self, flag: BuilderFlag) -> bool:
        return bool(self._flags >> int(_a(flag, BuilderFlag)) & 1)

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
        self._calibration_profile = _a(profile, IOptimizationProfile)
        return True

    def get_calibration_profile(self) -> Optional[IOptimizationProfile]:
        return self._calibration_profile

    @property
    def quantization_flags(self) -> int:
        """A mask of QuantizationFlag; Octile always calibrates the network before fusion."""
        return self._quantization

    @quantization_flags.setter
    def quantization_flags(self, flags: int) -> None:
        self._quantization = int(flags)

    def set_quantization_flag(self, flag: QuantizationFlag) -> None:
        self._quantization |= 1 << int(_a(flag, QuantizationFlag))

    def clear_quantization_flag(self, flag: QuantizationFlag) -> None:
        self._quantization &= ~(1 << int(_a(flag, QuantizationFlag)))

    def get_quantization_flag(self, flag: QuantizationFlag) -> bool:
        return bool(self._quantization >> int(_a(flag, QuantizationFlag)) & 1)

    # --- profiles ---
    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        """Adds a profile (which may still be changed before the build) and returns its index."""
        self._profiles.append(_a(profile, IOptimizationProfile))
        return len(self._profiles) - 1

    @property
    def num_optimization_profiles(self) -> int:
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
        self._cache = _a(cache, ITimingCache)
        return True

    def get_timing_cache(self) -> Optional[ITimingCache]:
        return self._cache

    @property
    def builder_optimization_level(self) -> int:
        """0: the first kernel that accepts each step; 1 to 5: the fastest, by measuring (3)."""
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
        pool_size = int(pool_size)
        if pool_size < 0:
            raise TypeError("set_memory_pool_limit(): pool_size must not be negative")
        self._pools[_a(pool, MemoryPoolType)] = pool_size

    def get_memory_pool_limit(self, pool: MemoryPoolType) -> int:
        defaults = {
            MemoryPoolType.WORKSPACE: _total_memory(),
            MemoryPoolType.DLA_MANAGED_SRAM: 0,
            MemoryPoolType.DLA_LOCAL_DRAM: _GIB,
            MemoryPoolType.DLA_GLOBAL_DRAM: _GIB // 2,
            MemoryPoolType.TACTIC_DRAM: _total_memory(),
            MemoryPoolType.TACTIC_SHARED_MEMORY: _GIB,
        }
        pool = _a(pool, MemoryPoolType)
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

    # --- devices: the CPU alone ---
    def set_device_type(self, layer: Any, device_type: DeviceType) -> None:
        """Accepts DeviceType.GPU, which is where layers run anyway."""
        _refuse_dla("IBuilderConfig.set_device_type", _a(device_type, DeviceType))
        self._kept.setdefault("device types", {})[id(layer.__dict__)] = layer

    def get_device_type(self, layer: Any) -> DeviceType:
        return DeviceType.GPU

    def is_device_type_set(self, layer: Any) -> bool:
        return id(layer.__dict__) in self._kept.get("device types", {})

    def reset_device_type(self, layer: Any) -> None:
        self._kept.get("device types", {}).pop(id(layer.__dict__), None)

    def can_run_on_DLA(self, layer: Any) -> bool:
        return False

    default_device_type = kept(
        DeviceType,
        DeviceType.GPU,
        "Where layers run by default.",
        lambda value: "there is no DLA" if value == DeviceType.DLA else "",
    )
    DLA_core = kept(int, -1, "−1: no DLA.", lambda core: "there is no DLA" if core >= 0 else "")

    # --- preview features, tactic sources ---
    def set_preview_feature(self, feature: PreviewFeature, enable: bool) -> None:
        feature = _a(feature, PreviewFeature)
        if feature == PreviewFeature.PROFILE_SHARING_0806:
            self._log(
                Severity.WARNING,
                "profileSharing0806 is on by default in TensorRT 10.0. This flag is deprecated and "
                "has no effect.",
            )
            return
        self._previews[feature] = bool(enable)

    def get_preview_feature(self, feature: PreviewFeature) -> bool:
        return self._previews.get(_a(feature, PreviewFeature), False)

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        """Kept: a mask of libraries that Octile does not use."""
        self._kept["tactic sources"] = int(tactic_sources)
        return True

    def get_tactic_sources(self) -> int:
        return self._kept.get("tactic sources", 24)

    # --- kept ---
    avg_timing_iterations = kept(int, 1, "Runs to average over; Octile takes medians.")
    min_timing_iterations = kept(int, 2, "Least runs of a kernel; Octile decides by their spread.")
    engine_capability = kept(
        EngineCapability,
        EngineCapability.STANDARD,
        "STANDARD alone.",
        lambda value: "engines are of the STANDARD kind" if int(value) else "",
    )
    hardware_compatibility_level = kept(
        HardwareCompatibilityLevel, HardwareCompatibilityLevel.NONE, "Plans run on any CPU."
    )
    runtime_platform = kept(
        RuntimePlatform, RuntimePlatform.SAME_AS_BUILD, "Plans run on any platform."
    )
    profiling_verbosity = kept(
        ProfilingVerbosity,
        ProfilingVerbosity.LAYER_NAMES_ONLY,
        "How much of its layers an engine tells its inspector.",
    )
    tiling_optimization_level = kept(
        TilingOptimizationLevel, TilingOptimizationLevel.NONE, "Kernels have one tiling."
    )
    l2_limit_for_tiling = kept(int, 0, "Bytes of cache to tile for.")
    max_aux_streams = kept(int, -1, "Streams besides the main one; the CPU has none.")
    max_num_tactics = kept(int, -1, "Kernels to try; Octile tries all that accept a step.")
    profile_stream = kept(int, 0, "The stream to measure on.")
    remote_auto_tuning_config = kept(
        str, "", "Where to measure.", lambda value: "engines are measured here" if value else ""
    )

    @property
    def plugins_to_serialize(self) -> list:
        """Always empty: there are no plugins."""
        return []

    @plugins_to_serialize.setter
    def plugins_to_serialize(self, paths: Any) -> None:
        if list(paths):
            unsupported("IBuilderConfig.plugins_to_serialize", "there are no plugins")


def _a(value: Any, kind: type) -> Any:
    """`value`, which must be a `kind`; TypeError else."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, not {type(value).__name__} {value!r}")
    return value


def _check_flag(flag: BuilderFlag) -> None:
    if _a(flag, BuilderFlag) in _REFUSED:
        unsupported(f"BuilderFlag.{flag.name}", _REFUSED[flag])


def _refuse_dla(what: str, device: DeviceType) -> None:
    if device == DeviceType.DLA:
        unsupported(f"{what}(DeviceType.DLA)", "there is no DLA; layers run on the CPU")
