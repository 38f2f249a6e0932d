"""Small functions and containers of TensorRT's module."""

from __future__ import annotations

from typing import Any


def common_enter(this: Any) -> Any:
    """What `with` binds: the object itself."""
    return this


def common_exit(this: Any, exc_type: Any, exc_value: Any, traceback: Any) -> None:
    """Nothing: an object goes when its last reference goes, as all of Python's."""


class Sealed:
    """Refuses to be given attributes that its class lacks, as TensorRT's classes in C++ do.

    Else a misspelt setting, or one of older versions (`builder.int8_mode = True`), would be
    ignored. Classes that programs derive are free.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        cls = type(self)
        if name[:1] != "_" and cls.__module__.startswith("octile."):
            kind = f"{cls.__module__}.{cls.__name__}"
            if not hasattr(cls, name):
                raise AttributeError(f"'{kind}' object has no attribute '{name}'")
            if callable(getattr(cls, name)):  # `config.set_flag = …`: a call was meant
                raise AttributeError(f"'{kind}' object attribute '{name}' is read-only")
        object.__setattr__(self, name, value)


class Managed(Sealed):
    """Lets an object stand in a `with` statement, as programs for TensorRT 8 write it."""

    __slots__ = ()
    __enter__ = common_enter
    __exit__ = common_exit


def get_nv_onnx_parser_version() -> int:
    """The version of the ONNX parser's interface (0.1.0 is 100)."""
    return 100


def shutdown_protobuf_library() -> None:
    """Nothing: Octile reads ONNX without that library."""


class FallbackString(str):
    """A str."""

    __module__ = "octile.tensorrt"


class NodeIndices(list):
    """Numbers of ONNX nodes."""

    __module__ = "octile.tensorrt"


__all__ = [
    "FallbackString",
    "NodeIndices",
    "common_enter",
    "common_exit",
    "get_nv_onnx_parser_version",
    "shutdown_protobuf_library",
]
