"""What an IBuilderConfig keeps since it cannot change results on the CPU, or refuses."""

from __future__ import annotations

from typing import Any, Callable, Optional

from ._types import (
    BuilderFlag,
    DeviceType,
    EngineCapability,
    HardwareCompatibilityLevel,
    PreviewFeature,
    ProfilingVerbosity,
    RuntimePlatform,
    Severity,
    TilingOptimizationLevel,
    unsupported,
)

__all__: list = []

REFUSED = {
    BuilderFlag.FP8: "Octile quantizes to INT8",
    BuilderFlag.INT4: "Octile quantizes to INT8",
    BuilderFlag.FP4: "Octile quantizes to INT8",
}


def a(value: Any, kind: type) -> Any:
    """`value`, which must be a `kind`; TypeError else."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, not {type(value).__name__} {value!r}")
    return value


def check_flag(flag: BuilderFlag) -> None:
    if a(flag, BuilderFlag) in REFUSED:
        unsupported(f"BuilderFlag.{flag.name}", REFUSED[flag])


def _refuse_dla(what: str, device: DeviceType) -> None:
    if device == DeviceType.DLA:
        unsupported(f"{what}(DeviceType.DLA)", "there is no DLA; layers run on the CPU")


class kept:
    """A property that cannot change results: checked for its type, kept and given back."""

    def __init__(self, kind: type, default: Any, doc: str, refuse: Optional[Callable] = None):
        self._kind, self._default, self.__doc__ = kind, default, doc
        self._refuse = refuse

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        return self if instance is None else instance._kept.get(self._name, self._default)

    def __set__(self, instance: Any, value: Any) -> None:
        if self._kind is int and hasattr(value, "__index__"):
            value = value.__index__()
        if not isinstance(value, self._kind):
            raise TypeError(
                f"IBuilderConfig.{self._name} takes {self._kind.__name__}, not {value!r}"
            )
        if self._refuse is not None:
            advice = self._refuse(value)
            if advice:
                unsupported(f"IBuilderConfig.{self._name} = {value}", advice)
        instance._kept[self._name] = value


class ConfigKept:
    """The part of IBuilderConfig about devices, previews and what is merely kept."""

    # --- devices: the CPU alone ---
    def set_device_type(self, layer: Any, device_type: DeviceType) -> None:
        """Accepts DeviceType.GPU, which is where layers run anyway."""
        _refuse_dla("IBuilderConfig.set_device_type", a(device_type, DeviceType))
        self._kept.setdefault("device types", {})[id(layer.__dict__)] = layer

    def get_device_type(self, layer: Any) -> DeviceType:
        """The device of a layer: GPU, by TensorRT's name."""
        return DeviceType.GPU

    def is_device_type_set(self, layer: Any) -> bool:
        """Whether a layer was given a device."""
        return id(layer.__dict__) in self._kept.get("device types", {})

    def reset_device_type(self, layer: Any) -> None:
        """Takes a layer's device back."""
        self._kept.get("device types", {}).pop(id(layer.__dict__), None)

    def can_run_on_DLA(self, layer: Any) -> bool:
        """False: there is no DLA."""
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
        """Keeps whether a feature is on; it has no effect."""
        feature = a(feature, PreviewFeature)
        if feature == PreviewFeature.PROFILE_SHARING_0806:
            self._log(
                Severity.WARNING,
                "profileSharing0806 is on by default in TensorRT 10.0. This flag is deprecated and "
                "has no effect.",
            )
            return
        self._previews[feature] = bool(enable)

    def get_preview_feature(self, feature: PreviewFeature) -> bool:
        """Whether a feature was switched on."""
        return self._previews.get(a(feature, PreviewFeature), False)

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        """Kept: a mask of libraries that Octile does not use."""
        self._kept["tactic sources"] = int(tactic_sources)
        return True

    def get_tactic_sources(self) -> int:
        """The mask that was set; TensorRT's own until then."""
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
