"""make_default_context and what goes with it."""

from __future__ import annotations

from collections.abc import Callable

from octile.pycuda import driver


def make_default_context(
    ctx_maker: Callable[[driver.Device], driver.Context] | None = None,
) -> driver.Context:
    """A context of the CPU device, made current."""
    device = driver.Device(0)
    return device.make_context() if ctx_maker is None else ctx_maker(device)


def get_default_device(default: int = 0) -> driver.Device:
    """The CPU device."""
    return driver.Device(default)


def clear_context_caches() -> None:
    """Nothing is cached."""
