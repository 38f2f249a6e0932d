"""`IOptimizationProfile`: least, usual and greatest shapes of inputs, as a program sets them."""

from __future__ import annotations

from typing import Any, Sequence

from ._functions import Sealed
from ._native_values import ApiError
from ._types import Dims, ErrorCodeTRT, as_dims

__all__ = ["IOptimizationProfile"]


class IOptimizationProfile(Sealed):
    """Bounds of the dynamic inputs of a network: tactics are tuned for opt, memory is for max.

    Make one with `Builder.create_optimization_profile` and hand it to
    `IBuilderConfig.add_optimization_profile`.
    """

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[Dims, Dims, Dims]] = {}
        self._values: dict[str, tuple[list, list, list]] = {}
        self._extra = 1.0

    def set_shape(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None:
        """Bounds the shape of `input`. Raises RuntimeError unless 0 <= min <= opt <= max."""
        shapes = tuple(as_dims(s, f"set_shape(): {w}") for s, w in zip((min, opt, max), _NAMES))
        _check_order(shapes, "Shape provided for {} is inconsistent with other shapes.")
        if any(extent < 0 for extent in shapes[0]):
            raise RuntimeError("Shape provided for min is inconsistent with other shapes.")
        self._shapes[_name(input, "set_shape")] = shapes  # type: ignore[assignment]

    def get_shape(self, input: str) -> list[Dims]:
        """[min, opt, max] of `input`; empty when it was not set."""
        return list(self._shapes.get(_name(input, "get_shape"), ()))

    def set_shape_input(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None:
        """Bounds the values of a shape input. Raises RuntimeError unless min <= opt <= max."""
        values = tuple([int(v) for v in value] for value in (min, opt, max))
        _check_order(
            values, "{} input provided for shape tensor is inconsistent with other inputs."
        )
        self._values[_name(input, "set_shape_input")] = values  # type: ignore[assignment]

    def get_shape_input(self, input: str) -> list[list[int]]:
        """[min, opt, max] values of `input`; empty when they were not set."""
        return [list(v) for v in self._values.get(_name(input, "get_shape_input"), ())]

    @property
    def extra_memory_target(self) -> float:
        """A share of memory for the profile, from 0 to 1: kept, since it cannot change results."""
        return self._extra

    @extra_memory_target.setter
    def extra_memory_target(self, target: float) -> None:
        target = float(target)
        if 0.0 <= target <= 1.0:  # TensorRT leaves it as it was otherwise
            self._extra = target

    def is_valid(self) -> bool:
        """True: bounds that contradict each other are refused when they are set."""
        return True

    __bool__ = is_valid


_NAMES = ("min", "opt", "max")


def _name(name: Any, function: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{function}(): input must be a string, not {type(name).__name__}")
    return name


def _check_order(bounds: Sequence[Sequence[int]], text: str) -> None:
    """RuntimeError with `text` about the first of min, opt, max that does not fit those before."""
    for place in (1, 2):
        before, after = bounds[place - 1], bounds[place]
        if len(before) != len(after) or any(a > b for a, b in zip(before, after)):
            raise RuntimeError(text.format(_NAMES[place]))


def check_bounds(tensor: Any, shapes: Any, index: Any) -> None:
    """ApiError unless the profile's rank and known extents are the network's."""
    shape = tuple(tensor._input_shape)
    low, opt, high = (tuple(bound) for bound in shapes)
    if len(low) != len(shape):
        raise ApiError(
            f"{tensor.name}: profile {index} has {len(low)} dimensions, the network's input has "
            f"{len(shape)}.",
            ErrorCodeTRT.INVALID_CONFIG,
        )
    for axis, extent in enumerate(shape):
        if extent >= 0 and not low[axis] == opt[axis] == high[axis] == extent:
            raise ApiError(
                f"{tensor.name}: for dimension number {axis} in profile {index} does not match "
                f"network definition (got min={low[axis]}, opt={opt[axis]}, max={high[axis]}), "
                f"expected min=opt=max={extent}).",
                ErrorCodeTRT.INVALID_CONFIG,
            )


def greatest(profiles: Any) -> tuple:
    """({input: greatest shape}, {input: greatest values}) over all profiles."""
    shapes: dict = {}
    values: dict = {}
    for profile in profiles:
        for found, given in ((shapes, profile._shapes), (values, profile._values)):
            for name, (_, _, most) in given.items():
                found[name] = [max(pair) for pair in zip(most, found.get(name, most))]
    return shapes, values
