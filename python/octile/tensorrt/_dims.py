"""Dims, Dims2, Dims3, Dims4, DimsHW and Permutation: short sequences of integers.

They print as tuples, compare with lists and tuples, can be written to and are unhashable, as
pybind11 makes TensorRT's. Wherever TensorRT takes one, any sequence of integers does (`as_dims`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

MAX_DIMS = 8


def _integers(values: Any, what: str) -> list[int]:
    """`values` as a list of Python integers; TypeError naming `what` for anything else."""
    if isinstance(values, (str, bytes, dict, set)) or not hasattr(values, "__iter__"):
        raise TypeError(
            f"{what} takes a sequence of integers, not {type(values).__name__} {values!r}"
        )
    result = []
    for value in values:
        if not hasattr(value, "__index__"):
            raise TypeError(
                f"{what} takes integers; element {len(result)} is {type(value).__name__} {value!r}"
            )
        result.append(value.__index__())
    return result


class _Integers:
    """What Dims and Permutation share: a list of integers behind the sequence protocol."""

    __slots__ = ("_values",)
    _values: list[int]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[int]:
        return iter(self._values[: len(self)])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self._values[: len(self)][index])
        return self._values[self._place(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        name = type(self).__name__
        if not isinstance(index, slice):
            place = self._place(index)
            self._values[place] = _integers([value], name)[0]
            return
        values = _integers(value, name)
        places = range(*index.indices(len(self)))
        if len(values) != len(places):
            raise ValueError(f"{name}: {len(places)} elements cannot take {len(values)} values")
        for place, item in zip(places, values):
            self._values[place] = item

    def _place(self, index: Any) -> int:
        if not hasattr(index, "__index__"):
            raise TypeError(
                f"{type(self).__name__} takes integers and slices as indices, not {index!r}"
            )
        place = index.__index__()
        place += len(self) if place < 0 else 0
        if not 0 <= place < len(self):
            raise IndexError(f"index {index} is outside of {type(self).__name__} {self}")
        return place

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, _Integers):
            return self._values == other._values
        if isinstance(other, (list, tuple)):
            return self._values == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can be written to

    def __str__(self) -> str:
        return str(tuple(self._values))

    __repr__ = __str__


class Dims(_Integers):
    """The extents of a tensor, at most eight; −1 where one is unknown.

    `Dims()` has no extents; `Dims([1, 3, 224, 224])` or any sequence of integers, else TypeError;
    ValueError for more than eight.
    """

    __slots__ = ("_invalid",)
    __module__ = "octile.tensorrt"
    MAX_DIMS = MAX_DIMS
    _rank: int | None = None  # what Dims2 … fix

    def __init__(self, shape: Iterable[int] = ()) -> None:
        name = type(self).__name__
        values = _integers(shape, name)
        if self._rank is not None and len(values) != self._rank:
            raise ValueError(f"{name} has {self._rank} extents, not {len(values)}")
        if len(values) > MAX_DIMS:
            raise ValueError(f"{name} has at most {MAX_DIMS} extents, not {len(values)}")
        self._values = values
        self._invalid = False

    @classmethod
    def invalid(cls) -> Dims:
        """What TensorRT returns when there is no shape: len() raises ValueError, prints (-1)."""
        self = Dims()
        self._invalid = True
        return self

    def __len__(self) -> int:
        return -1 if self._invalid else len(self._values)

    def __eq__(self, other: Any) -> bool:
        if self._invalid or getattr(other, "_invalid", False):
            return self._invalid and getattr(other, "_invalid", False)
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "(-1)" if self._invalid else super().__str__()

    __repr__ = __str__

    def __reduce__(self) -> tuple:
        return (Dims.invalid, ()) if self._invalid else (type(self), (tuple(self._values),))


def _arguments(kind: str, names: tuple[str, ...], given: tuple, named: dict) -> Any:
    """The extents in `given` and `named`: nothing, one sequence, or one integer for each name."""
    if not given and set(named) == {"shape"}:
        return named["shape"]
    if len(given) == 1 and not named:
        return given[0]
    left = names[len(given) :]
    if len(given) > len(names) or set(left) != set(named):
        if not given and not named:
            return (0,) * len(names)
        raise TypeError(f"{kind} takes {', '.join(names)} or one sequence of {len(names)} integers")
    return (*given, *(named[name] for name in left))


class Dims2(Dims):
    """Two extents: `Dims2(dim0, dim1)`, `Dims2([dim0, dim1])`; (0, 0) without arguments."""

    __slots__ = ()
    __module__ = "octile.tensorrt"
    _rank = 2
    _names: tuple[str, ...] = ("dim0", "dim1")

    def __init__(self, *extents: Any, **named: Any) -> None:
        super().__init__(_arguments(type(self).__name__, self._names, extents, named))


class DimsHW(Dims2):
    """Height and width: `DimsHW(h, w)` or `DimsHW([h, w])`; (0, 0) without arguments."""

    __slots__ = ()
    __module__ = "octile.tensorrt"
    _names = ("h", "w")

    @property
    def h(self) -> int:
        """The height."""
        return self[0]

    @h.setter
    def h(self, value: int) -> None:
        self[0] = value

    @property
    def w(self) -> int:
        """The width."""
        return self[1]

    @w.setter
    def w(self, value: int) -> None:
        self[1] = value


class Dims3(Dims2):
    """Three extents: `Dims3(dim0, dim1, dim2)` or one sequence; zeros without arguments."""

    __slots__ = ()
    __module__ = "octile.tensorrt"
    _rank = 3
    _names = ("dim0", "dim1", "dim2")


class Dims4(Dims2):
    """Four extents: `Dims4(dim0, dim1, dim2, dim3)` or one sequence; zeros without arguments."""

    __slots__ = ()
    __module__ = "octile.tensorrt"
    _rank = 4
    _names = ("dim0", "dim1", "dim2", "dim3")


class Permutation(_Integers):
    """An order of dimensions: always eight numbers, of which a tensor of rank n uses the first n.

    `Permutation([0, 2, 1])` leaves the rest at zero, as TensorRT does.
    """

    __slots__ = ()
    __module__ = "octile.tensorrt"

    def __init__(self, shape: Iterable[int] = ()) -> None:
        values = _integers(shape, "Permutation")
        if len(values) > MAX_DIMS:
            raise ValueError(f"Permutation has at most {MAX_DIMS} numbers, not {len(values)}")
        self._values = values + [0] * (MAX_DIMS - len(values))

    def __eq__(self, other: Any) -> bool:
        """Equal to a permutation, and to a list or tuple that begins it (the rest is zero)."""
        if isinstance(other, (list, tuple)) and len(other) <= MAX_DIMS:
            return self._values == list(other) + [0] * (MAX_DIMS - len(other))
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple:
        return type(self), (tuple(self._values),)


def as_dims(value: Any, what: str = "shape", kind: type[Dims] = Dims) -> Dims:
    """A copy of `value` (Dims or a sequence of integers) as `kind`; TypeError naming `what`."""
    if isinstance(value, Dims) and value._invalid:
        return Dims.invalid()
    return kind(_integers(value, what))


def as_permutation(value: Any, what: str = "permutation") -> Permutation:
    """A copy of `value` (Permutation or a sequence of integers); TypeError naming `what`."""
    return Permutation(_integers(value, what))


def volume(iterable: Iterable[int]) -> int:
    """The product of the extents in `iterable`; 1 for none."""
    result = 1
    for extent in iterable:
        result *= extent
    return result


__all__ = ["Dims", "Dims2", "Dims3", "Dims4", "DimsHW", "Permutation", "volume"]
