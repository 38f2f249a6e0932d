"""What the layers of octile.tensorrt share: checked properties, adding a layer, reshaping.

Properties take what TensorRT's take: a wrong Python type raises TypeError, a wrong value is logged
(ApiError inside) and changes nothing.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np

import octile

from ._network import ApiError, ILayer, ITensor, attribute
from ._types import Dims, as_dims, as_weights


def require(condition: bool, message: str) -> None:
    """ApiError with `message` unless the condition holds."""
    if not condition:
        raise ApiError(message)


def member(kind: type) -> Callable:
    """Takes members of an enumeration only."""

    def convert(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"a {kind.__name__} is wanted, not {type(value).__name__} {value!r}")
        return value

    return convert


def number(low: float = -np.inf, high: float = np.inf) -> Callable:
    """Takes numbers in [low, high], as float32 holds them."""

    def convert(value: Any) -> float:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
            raise TypeError(f"a number is wanted, not {type(value).__name__} {value!r}")
        value = float(np.float32(value))
        require(low <= value <= high, f"{value} is not in [{low}, {high}]")
        return value

    return convert


def integer(low: int, high: int = 2**31 - 1) -> Callable:
    """Takes integers in [low, high]."""

    def convert(value: Any) -> int:
        if not hasattr(value, "__index__"):
            raise TypeError(f"an integer is wanted, not {type(value).__name__} {value!r}")
        value = value.__index__()
        require(low <= value <= high, f"{value} is not in [{low}, {high}]")
        return value

    return convert


def boolean(value: Any) -> bool:
    """Takes truth values and integers."""
    if value is not None and not isinstance(value, (bool, np.bool_, int, np.integer)):
        raise TypeError(f"True or False is wanted, not {type(value).__name__} {value!r}")
    return bool(value)


def text(value: Any) -> str:
    """Takes strings."""
    if not isinstance(value, str):
        raise TypeError(f"a string is wanted, not {type(value).__name__} {value!r}")
    return value


def tensor(value: Any) -> ITensor:
    """Takes tensors of a network."""
    if not isinstance(value, ITensor):
        raise TypeError(f"an ITensor is wanted, not {type(value).__name__} {value!r}")
    return value


class computed(attribute):
    """A property whose value, until it is set, follows from the layer: `default(layer)`."""

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        value = super().__get__(instance, owner)
        return value(instance) if callable(value) else value


class extents(attribute):
    """Integers, one an axis: at least `least`; until set, `otherwise` on all axes. Reads a copy."""

    def __init__(
        self, least: int, otherwise: Optional[int] = None, doc: str = "", scalars: bool = False
    ):
        def convert(value: Any) -> tuple:
            value = tuple(as_dims([value] if hasattr(value, "__index__") else value, "extents"))
            require(bool(value) or scalars, "no extents were given")
            require(min(value, default=least) >= least, f"{value} has an entry below {least}")
            return value

        super().__init__(convert, None, doc)
        self._otherwise = otherwise

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        value = super().__get__(instance, owner)
        if instance is None:
            return value
        return Dims((self._otherwise,) * instance._rank() if value is None else value)


class weights(attribute):
    """Weights: set from Weights or an array, read as a flat NumPy array (empty: none given)."""

    def __init__(self, doc: str = "", convert: Callable = as_weights):
        super().__init__(convert, as_weights(None), doc)

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        value = super().__get__(instance, owner)
        return value if instance is None else value.numpy()

    def given(self, instance: Any) -> Any:
        """The Weights themselves."""
        return super().__get__(instance)


def same_as(name: str, kind: Optional[type] = None) -> property:
    """Another name for a property (8.x has `stride` beside `stride_nd`)."""

    def read(layer: Any) -> Any:
        value = getattr(layer, name)
        return value if kind is None or len(value) != 2 else kind(value)

    return property(read, lambda layer, value: setattr(layer, name, value), doc=f"As `{name}`.")


def initialize(cls: type, network: Any, inputs: Sequence[ITensor], values: dict) -> ILayer:
    """A layer of that class with these properties; raises what is wrong with them first."""
    state = {}
    for name, value in values.items():
        known = getattr(cls, name)
        state[known._key] = value if known._convert is None else known._convert(value)
    layer = cls(network, inputs)
    layer.__dict__.update(state)
    return layer


def add(network: Any, cls: type, where: str, inputs: Sequence[Any], **values: Any) -> Any:
    """Adds a layer with these inputs and properties; None, after a log line, if one is bad.

    `where` is TensorRT's name of the function ("addActivation").
    """
    try:
        inputs = [tensor(value) for value in inputs]
        return network._add(cls, where, lambda: initialize(cls, network, inputs, values))
    except TypeError as error:
        raise TypeError(f"INetworkDefinition::{where}: {error}") from None


def reshaped(
    net: octile.Network, x: octile.Tensor, wanted: Sequence[int], name: str
) -> octile.Tensor:
    """`x` with other extents; of the unknown ones (−1) those that `x` has at the same place, behind
    equal extents, are copied, and one more is inferred."""
    shape, target = tuple(x.shape), list(wanted)
    if shape == tuple(target):
        return x
    for axis, extent in enumerate(target):
        if axis >= len(shape) or shape[axis] != extent:
            break
        if extent == -1:
            target[axis] = 0  # as the input's
    if target.count(-1) > 1:
        raise ApiError(f"{shape} cannot become {tuple(wanted)}: more than one extent is unknown")
    return net.reshape(x, target, name=name)


def last_axes(net: octile.Network, x: octile.Tensor, rank: int, name: str) -> octile.Tensor:
    """`x` with its leading axes made one (or one added), so that `rank` axes result."""
    shape = tuple(x.shape)
    missing = rank - len(shape)
    if missing == 0:
        return x
    if missing > 0:
        return reshaped(net, x, (1,) * missing + shape, name)
    leading = shape[: 1 - rank]
    count = -1 if -1 in leading else int(np.prod(leading))
    return reshaped(net, x, (count, *shape[1 - rank :]), name)


def scalar(net: octile.Network, value: Any, dtype: Any, name: str) -> octile.Tensor:
    """A constant of rank 0."""
    return net.constant(np.asarray(value, dtype), name=name)


def constant_of(native: octile.Tensor, what: str) -> np.ndarray:
    """The value of a constant; ApiError naming `what` for a tensor that is none."""
    value = native.value
    if value is None:
        raise ApiError(f"{what} must be a constant that is known when the engine is built")
    return np.asarray(value)
