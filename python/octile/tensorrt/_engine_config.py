"""IRuntimeConfig and ISerializationConfig: how contexts are made, what serialization leaves out."""

from __future__ import annotations

from ._functions import Sealed
from ._types import ExecutionContextAllocationStrategy, SerializationFlag

__all__ = ["IRuntimeConfig", "ISerializationConfig"]


class IRuntimeConfig(Sealed):
    """How a context shall be made; see ICudaEngine.create_runtime_config."""

    __module__ = "octile.tensorrt"

    def __init__(self) -> None:
        self._strategy = ExecutionContextAllocationStrategy.STATIC

    def set_execution_context_allocation_strategy(
        self,
        strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC,
    ) -> None:
        """Kept: a context on the CPU has memory of its own whatever the strategy."""
        if not isinstance(strategy, ExecutionContextAllocationStrategy):
            raise TypeError(f"expected ExecutionContextAllocationStrategy, not {strategy!r}")
        self._strategy = strategy

    def get_execution_context_allocation_strategy(self) -> ExecutionContextAllocationStrategy:
        """The strategy that was set."""
        return self._strategy


class ISerializationConfig(Sealed):
    """What ICudaEngine.serialize_with_config leaves out; plans have no lean runtime in them."""

    __module__ = "octile.tensorrt"

    def __init__(self) -> None:
        self._flags = 0

    @property
    def flags(self) -> int:
        """A mask of SerializationFlag."""
        return self._flags

    @flags.setter
    def flags(self, flags: int) -> None:
        flags = int(flags)
        if flags < 0 or flags >> len(SerializationFlag.__members__):
            raise RuntimeError("Provided serialization flags is incorrect")
        self._flags = flags

    def set_flag(self, flag: SerializationFlag) -> bool:
        """Sets a SerializationFlag."""
        self._flags |= 1 << int(flag)
        return True

    def clear_flag(self, flag: SerializationFlag) -> bool:
        """Takes a SerializationFlag back."""
        self._flags &= ~(1 << int(flag))
        return True

    def get_flag(self, flag: SerializationFlag) -> bool:
        """Whether a SerializationFlag is set."""
        return bool(self._flags >> int(flag) & 1)
