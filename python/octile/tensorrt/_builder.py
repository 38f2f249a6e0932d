"""`Builder`: makes networks, configurations and profiles, and builds engines of them."""

from __future__ import annotations

import os
from typing import Any, Optional

import octile

from ._build import Build
from ._config import IBuilderConfig
from ._functions import Managed
from ._native_values import ApiError
from ._network import NetworkBase
from ._plugins import get_plugin_registry
from ._profile import IOptimizationProfile
from ._progress import Cancelled
from ._told import Told
from ._types import (
    ErrorCodeTRT,
    IHostMemory,
    ILogger,
    NetworkDefinitionCreationFlag,
    Severity,
    UnsupportedError,
)

__all__ = ["Builder"]


class Builder(Told, Managed):
    """`Builder(logger)`; failing calls tell the logger and return None or False."""

    __module__ = "octile.tensorrt"

    def __init__(self, logger: ILogger):
        if not isinstance(logger, ILogger):
            raise TypeError(
                f"Builder() takes an ILogger (trt.Logger()), not {type(logger).__name__} {logger!r}"
            )
        self._logger = logger
        self.reset()

    def reset(self) -> None:
        """Back to what Builder(logger) was; networks and configurations stay."""
        self._recorder = None
        self._allocator: Any = None
        self._threads = 0  # all cores
        self._batch = 1
        self._told_low = False  # of FP16 and BF16 flags

    # --- making ---
    def create_network(self, flags: int = 0) -> Any:
        """An empty network; batches are explicit whatever EXPLICIT_BATCH says, as in 10."""
        flags = int(flags)
        known = NetworkDefinitionCreationFlag.__members__.values()
        if flags < 0 or flags & ~sum(1 << int(flag) for flag in known):
            if flags >> int(NetworkDefinitionCreationFlag.EXPLICIT_PRECISION) != 1:
                return self._fail("IBuilder::createNetworkV2", f"flags {flags:#x} are not known")
        from . import INetworkDefinition

        return INetworkDefinition(self, flags)

    def create_builder_config(self) -> IBuilderConfig:
        """A configuration with TensorRT's defaults."""
        return IBuilderConfig(self)

    def create_optimization_profile(self) -> IOptimizationProfile:
        """An empty profile; a configuration takes it by add_optimization_profile()."""
        return IOptimizationProfile()

    # --- building ---
    def build_serialized_network(
        self, network: Any, config: IBuilderConfig, kernel_text: Any = None
    ) -> Optional[IHostMemory]:
        """The engine's bytes: write them to a file or hand them to Runtime. None when it fails."""
        plan = self._build("IBuilder::buildSerializedNetwork", network, config)
        return None if plan is None else IHostMemory(plan.serialize())

    def build_serialized_network_to_stream(
        self, network: Any, config: IBuilderConfig, writer: Any
    ) -> bool:
        """Hands the engine's bytes to an IStreamWriter."""
        place = "IBuilder::buildSerializedNetworkToStream"
        plan = self._build(place, network, config)
        if plan is None:
            return False
        data = plan.serialize()
        try:
            written = writer.write(data)
        except Exception as error:
            return self._fail(
                place,
                f"Exception caught in write() of {type(writer).__name__}: {error}",
                False,
                ErrorCodeTRT.FAILED_EXECUTION,
            )
        if written != len(data):
            return self._fail(
                place,
                f"write() of {type(writer).__name__} took {written} of {len(data)} bytes",
                False,
                ErrorCodeTRT.FAILED_EXECUTION,
            )
        return True

    def build_engine_with_config(self, network: Any, config: IBuilderConfig) -> Any:
        """An engine that is ready to run; None when the build fails."""
        plan = self._build("IBuilder::buildEngineWithConfig", network, config)
        if plan is None:
            return None
        from ._engine import load_engine

        return load_engine(plan, self, "IBuilder::buildEngineWithConfig")

    build_engine = build_engine_with_config  # the name until 8.x

    def is_network_supported(self, network: Any, config: IBuilderConfig) -> bool:
        """Whether all layers can be built; what is wrong is told."""
        self._check_arguments(network, config)
        try:
            network._emission.complete()
        except (ApiError, octile.Error) as error:
            return self._fail("IBuilder::isNetworkSupported", error, False)
        return True

    def _build(self, place: str, network: Any, config: Any) -> Optional["octile.Plan"]:
        self._check_arguments(network, config)
        try:
            return Build(self, network, config).plan()
        except UnsupportedError:
            raise
        except (ApiError, octile.Error) as error:
            return self._fail(place, error)
        except Cancelled as phase:
            self._log(Severity.WARNING, f"The progress monitor ended the build in '{phase}'.")
            return None

    def _check_arguments(self, network: Any, config: Any) -> None:
        if not isinstance(network, NetworkBase) or not isinstance(config, IBuilderConfig):
            raise TypeError(
                "Builder takes an INetworkDefinition and an IBuilderConfig, not "
                f"{type(network).__name__} and {type(config).__name__}"
            )

    # --- the machine ---
    @property
    def platform_has_tf32(self) -> bool:
        """False: the CPU multiplies in float32."""
        return False

    @property
    def platform_has_fast_fp16(self) -> bool:
        """False: the CPU computes HALF tensors in float32."""
        return False

    @property
    def platform_has_fast_int8(self) -> bool:
        """True: INT8 is what Octile is for."""
        return True

    @property
    def num_DLA_cores(self) -> int:
        """0: there is no DLA."""
        return 0

    @property
    def max_DLA_batch_size(self) -> int:
        """0: there is no DLA."""
        return 0

    @property
    def max_threads(self) -> int:
        """Threads of building and measuring; all cores at first."""
        return self._threads or os.cpu_count() or 1

    @max_threads.setter
    def max_threads(self, threads: int) -> None:
        threads = int(threads)
        if threads < 1:
            self._fail("IBuilder::setMaxThreads", f"{threads} threads cannot build")
            return
        self._threads = threads

    @property
    def max_batch_size(self) -> int:
        """Kept: batches are extents of the inputs (implicit batches were gone with 10.0)."""
        return self._batch

    @max_batch_size.setter
    def max_batch_size(self, size: int) -> None:
        self._batch = int(size)

    gpu_allocator = property(doc="Kept: building on the CPU allocates no device memory.")

    @gpu_allocator.setter
    def gpu_allocator(self, allocator: Any) -> None:
        self._allocator = allocator

    def get_plugin_registry(self) -> Any:
        """The registry of plugins, which is empty."""
        return get_plugin_registry()
