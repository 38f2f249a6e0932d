"""What a model declares of its inputs and outputs and a native network does not keep.

That are HALF and BF16 types (computed in float32) and names of extents. `declared` reads the few
fields of ONNX's ModelProto that say so; the importer has checked the model before.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Tuple

from ._enums import DataType

_LOW = {10: DataType.HALF, 16: DataType.BF16}  # by TensorProto.DataType


class Declared:
    """An input or output: its type if that is HALF or BF16, the names of its extents."""

    def __init__(self, dtype: Optional[DataType], names: List[str]):
        self.dtype, self.names = dtype, names  # "" for an extent without name


def declared(model: bytes) -> Dict[str, Declared]:
    """By name, for all inputs and outputs of the main graph; empty for what is no model."""
    try:
        graph = _one(memoryview(model), 7)
        found = (_value_info(v) for field, v in _fields(graph) if field in (11, 12))
        return {name: value for name, value in found}
    except (IndexError, TypeError, ValueError):
        return {}


def _value_info(info: memoryview) -> Tuple[str, Declared]:
    name = bytes(_one(info, 1)).decode()
    tensor = _one(_one(info, 2), 1)
    kind, names = 0, []
    for field, value in _fields(tensor):
        if field == 1:
            kind = value
        elif field == 2:  # TensorShapeProto
            names = [bytes(_one(dim, 2)).decode() for f, dim in _fields(value) if f == 1]
    return name, Declared(_LOW.get(kind), names)


def _one(message: memoryview, wanted: int) -> memoryview:
    """The last field of that number; empty when there is none."""
    found = memoryview(b"")
    for field, value in _fields(message):
        if field == wanted and not isinstance(value, int):
            found = value
    return found


def _fields(message: memoryview) -> Iterator[tuple]:
    """(number, int or bytes) of each field, by protobuf's wire format."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                if kind != 2:
                    raise ValueError(f"wire type {kind}")
                size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
