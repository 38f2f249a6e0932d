"""The base of all enumerations of octile.tensorrt.

TensorRT's enumerations come from pybind11, not from Python's `enum`: they convert with `int()`,
print as `DataType.FLOAT`, show `<DataType.FLOAT: 0>` and are equal only to their own kind. Programs
see these differences, so that they are made here.
"""

from __future__ import annotations

from typing import Any


class _EnumerationType(type):
    """Gives every enumeration its `__members__` and keeps the members from being replaced."""

    __members__: dict[str, Any]

    def __setattr__(cls, name: str, value: Any) -> None:
        if name in cls.__dict__.get("__members__", {}):
            raise AttributeError(f"{cls.__name__}.{name} is a constant and cannot be set")
        super().__setattr__(name, value)


class Enumeration(metaclass=_EnumerationType):
    """One value of an enumeration; subclasses list their members as integers.

    `dropped` names members of TensorRT 8.6 that 10.16 has no more: they are attributes and have a
    name, but are absent from `__members__`. Where 10.16 gave their number to another member, they
    have a number of their own here (30 and up for flags, 100 and up for the rest).
    """

    __slots__ = ("_value", "_name")
    __members__: dict[str, Any] = {}
    _values: dict[int, Any] = {}
    _ordered = False

    def __init_subclass__(
        cls, ordered: bool = False, dropped: dict[str, int] | None = None, module: bool = True
    ) -> None:
        members = {k: v for k, v in vars(cls).items() if type(v) is int and k[:1] != "_"}
        cls._values = {}
        cls._ordered = ordered
        made = {}
        for name, value in {**members, **(dropped or {})}.items():
            made[name] = cls(value) if value in cls._values else cls._make(value, name)
            setattr(cls, name, made[name])
        if module:
            cls.__module__ = "octile.tensorrt"
        cls.__members__ = {name: made[name] for name in members}
        # pybind11's own table: name -> (member, its docstring).
        setattr(cls, "__entries", {name: (made[name], None) for name in members})

    @classmethod
    def _make(cls, value: int, name: str) -> Enumeration:
        self = object.__new__(cls)
        object.__setattr__(self, "_value", value)
        object.__setattr__(self, "_name", name)
        cls._values[value] = self
        return self

    def __new__(cls, value: Any) -> Enumeration:
        if type(value) is cls:
            return value
        if isinstance(value, Enumeration) or not hasattr(value, "__index__"):
            raise TypeError(
                f"{cls.__name__}(value) takes an integer, not {type(value).__name__} {value!r}"
            )
        number = value.__index__()
        found = cls._values.get(number)
        if found is None:
            raise ValueError(
                f"{number} is no {cls.__name__}; there are "
                + ", ".join(f"{k} ({int(v)})" for k, v in cls.__members__.items())
            )
        return found

    @property
    def name(self) -> str:
        """The member's name; of several names for one number, the first declared."""
        return self._name

    @property
    def value(self) -> int:
        """The member's number."""
        return self._value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self} is a constant: its attribute {name!r} cannot be set")

    def __int__(self) -> int:
        return self._value

    __index__ = __int__

    def __hash__(self) -> int:
        return hash(self._value)

    def __eq__(self, other: Any) -> bool:
        return type(other) is type(self) and other._value == self._value

    def __ne__(self, other: Any) -> bool:
        return not self == other

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self._name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self._name}: {self._value}>"

    def __reduce__(self) -> tuple:
        return type(self), (self._value,)

    def __copy__(self) -> Enumeration:
        return self

    def __deepcopy__(self, memo: dict) -> Enumeration:
        return self

    def _number(self, other: Any) -> int | None:
        """The number of `other` for an order relation; integers count for what they are."""
        if not self._ordered:
            return None
        if type(other) is type(self):
            return other._value
        if type(other) is int:
            return other
        raise TypeError(f"cannot compare {self} with {type(other).__name__} {other!r}")

    def __lt__(self, other: Any) -> bool:
        number = self._number(other)
        return NotImplemented if number is None else self._value < number

    def __le__(self, other: Any) -> bool:
        number = self._number(other)
        return NotImplemented if number is None else self._value <= number

    def __gt__(self, other: Any) -> bool:
        number = self._number(other)
        return NotImplemented if number is None else self._value > number

    def __ge__(self, other: Any) -> bool:
        number = self._number(other)
        return NotImplemented if number is None else self._value >= number

    def __lshift__(self, other: Any) -> int:
        return self._bits(other, lambda a, b: a << b)

    def __rlshift__(self, other: Any) -> int:
        return self._bits(other, lambda a, b: b << a)

    def __and__(self, other: Any) -> int:
        return self._bits(other, lambda a, b: a & b)

    def __or__(self, other: Any) -> int:
        return self._bits(other, lambda a, b: a | b)

    def __xor__(self, other: Any) -> int:
        return self._bits(other, lambda a, b: a ^ b)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def _bits(self, other: Any, operation: Any) -> Any:
        if not self._ordered:
            return NotImplemented
        if type(other) is not int and type(other) is not type(self):
            return NotImplemented
        return operation(self._value, int(other))
