"""What an engine tells of itself: names, sizes, and what its configuration said."""

from __future__ import annotations

from ._refit_data import KEY as REFIT_KEY
from ._types import (
    BuilderFlag,
    EngineCapability,
    EngineStat,
    HardwareCompatibilityLevel,
    ProfilingVerbosity,
)

__all__: list = []


class EngineAbout:
    """The part of ICudaEngine that is not about tensors."""

    @property
    def name(self) -> str:
        """The network's name."""
        return self._facts.name

    @property
    def num_layers(self) -> int:
        """Steps of the plan: layers that were fused count once."""
        return len(self._native.plan.layers())

    @property
    def refittable(self) -> bool:
        """Whether it was built with BuilderFlag.REFIT, REFIT_IDENTICAL or REFIT_INDIVIDUAL."""
        return REFIT_KEY in dict(self._native.plan.metadata)

    def _built_with(self, flag: BuilderFlag) -> bool:
        return bool(self._facts.config.get("flags", 0) >> int(flag) & 1)

    @property
    def profiling_verbosity(self) -> ProfilingVerbosity:
        """The verbosity that the engine was built with."""
        return ProfilingVerbosity(self._facts.config.get("verbosity", 0))

    @property
    def hardware_compatibility_level(self) -> HardwareCompatibilityLevel:
        """The level that the engine was built with."""
        return HardwareCompatibilityLevel(self._facts.config.get("hardware", 0))

    @property
    def engine_capability(self) -> EngineCapability:
        """STANDARD."""
        return EngineCapability(self._facts.config.get("capability", 0))

    @property
    def tactic_sources(self) -> int:
        """The mask that the engine was built with."""
        return self._facts.config.get("tactic_sources", 0)

    @property
    def num_aux_streams(self) -> int:
        """0: there is one stream."""
        return 0

    @property
    def has_implicit_batch_dimension(self) -> bool:
        """False."""
        return False

    def get_engine_stat(self, stat: EngineStat = EngineStat.TOTAL_WEIGHTS_SIZE) -> int:
        """Bytes of weights in the plan."""
        if stat == EngineStat.STRIPPED_WEIGHTS_SIZE:
            return 0
        return sum(layer.weight_bytes for layer in self._native.plan.layers())

    # --- memory ---
    @property
    def device_memory_size_v2(self) -> int:
        """Bytes of a context's memory, of the profile that needs most."""
        return max(
            self._native.arena_bytes(profile) for profile in range(self.num_optimization_profiles)
        )

    device_memory_size = device_memory_size_v2

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        """Bytes of memory that a context needs for a profile."""
        if not self._valid_profile(profile_index, "getDeviceMemorySizeForProfileV2"):
            return 0
        return self._native.arena_bytes(profile_index)

    get_device_memory_size_for_profile = get_device_memory_size_for_profile_v2

    # --- weight streaming: weights stay in memory; the budget is kept ---
    def _streams(self, function: str) -> bool:
        if self._built_with(BuilderFlag.WEIGHT_STREAMING):
            return True
        return self._fail(
            f"ICudaEngine::{function}",
            "Parameter check failed, condition: mEnableWeightStreaming. This engine was not built "
            "with weight streaming support. This engine must be rebuilt by setting "
            "BuilderFlag::kWEIGHT_STREAMING during build time.",
            False,
        )

    @property
    def streamable_weights_size(self) -> int:
        """Bytes of weights that could be streamed."""
        return self.get_engine_stat() if self._built_with(BuilderFlag.WEIGHT_STREAMING) else 0

    @property
    def weight_streaming_budget_v2(self) -> int:
        """Bytes of weights kept in memory: all of them, whatever was set."""
        return self._budget if self._streams("getWeightStreamingBudgetV2") else 0

    @weight_streaming_budget_v2.setter
    def weight_streaming_budget_v2(self, budget: int) -> None:
        if self._streams("setWeightStreamingBudgetV2"):
            self._budget = int(budget)

    weight_streaming_budget = weight_streaming_budget_v2

    @property
    def minimum_weight_streaming_budget(self) -> int:
        """0: weights stay in memory."""
        self._streams("getMinimumWeightStreamingBudget")
        return 0

    def get_weight_streaming_automatic_budget(self) -> int:
        """The bytes of all of them: weights stay in memory."""
        return self.streamable_weights_size

    @property
    def weight_streaming_scratch_memory_size(self) -> int:
        """0: weights stay in memory."""
        return 0
