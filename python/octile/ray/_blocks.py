"""From a ray.data.Dataset to pieces of blocks, and from a piece to batches of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
import ray
from ray.data.block import BlockAccessor

import octile

Columns = Union[str, Mapping[str, str], None]
Batch = dict[str, np.ndarray]

_ROWS = 64  # of one batch: bounds what is copied at a time


@dataclass(frozen=True)
class Piece:
    """Rows [begin, end) of one block: what one task works on."""

    ref: Optional[ray.ObjectRef]  # None on its way to a worker, which gets the block itself
    block: int  # its number, for messages
    begin: int
    end: Optional[int]  # None: to its end

    def __str__(self) -> str:
        rows = "" if self.end is None else f", rows {self.begin} to {self.end - 1}"
        return f"block {self.block}{rows}"


def check_dataset(dataset: object, rows_per_task: int) -> None:
    """Raises for what pieces() cannot take."""
    if rows_per_task < 1:
        raise octile.InvalidArgument(f"rows_per_task must be at least 1, not {rows_per_task}")
    if not isinstance(dataset, ray.data.Dataset):
        raise TypeError(
            f"dataset: a ray.data.Dataset is wanted, not {type(dataset).__name__}; "
            "ray.data.from_numpy(), read_images(), read_parquet() … make one"
        )


def pieces(dataset: ray.data.Dataset, rows_per_task: int) -> Iterator[Piece]:
    """All rows of the dataset, each once, at most so many in one piece, as blocks get ready."""
    number = 0
    for bundle in dataset.iter_internal_ref_bundles():
        slices = getattr(bundle, "slices", None) or [None] * len(bundle.blocks)
        for entry, cut in zip(bundle.blocks, slices):
            ref, metadata = (entry.ref, entry.metadata) if hasattr(entry, "ref") else entry
            begin = 0 if cut is None else cut.start_offset
            end = metadata.num_rows if cut is None else cut.end_offset
            yield from _cut(ref, number, begin, end, rows_per_task)
            number += 1


@contextmanager
def told(piece: Piece) -> Iterator[None]:
    """Octile's errors inside name the piece."""
    try:
        yield
    except octile.Error as error:
        raise type(error)(f"{piece}: {error}") from None


def _cut(ref: Any, number: int, begin: int, end: Optional[int], most: int) -> Iterator[Piece]:
    if end is None:
        yield Piece(ref, number, begin, None)
        return
    count = -(-(end - begin) // most)  # nearly equal pieces
    edges = [begin + (end - begin) * i // max(count, 1) for i in range(count + 1)]
    for low, high in zip(edges, edges[1:]):
        yield Piece(ref, number, low, high)


def columns_of(dataset: ray.data.Dataset, inputs: list[str], columns: Columns) -> dict[str, str]:
    """The dataset's column for each input. InvalidArgument names what there is."""
    names = dataset.columns()
    if not names:
        raise octile.InvalidArgument("the dataset holds no samples; give at least one")
    if isinstance(columns, str):
        if len(inputs) != 1:
            raise octile.InvalidArgument(
                f"columns='{columns}' is one column, but the network has the inputs "
                f"{_quoted(inputs)}: give a dict, input -> column"
            )
        columns = {inputs[0]: columns}
    if columns is None:
        alone = len(inputs) == 1 and len(names) == 1
        columns = {inputs[0]: names[0]} if alone else {name: name for name in inputs}
    for name in columns:
        if name not in inputs:
            raise octile.InvalidArgument(
                f"columns: '{name}' is no input of the network, which has {_quoted(inputs)}"
            )
    for name in inputs:
        check_column(names, columns.get(name, name), f"input '{name}'", "columns={input: column}")
    return {name: columns.get(name, name) for name in inputs}


def check_column(names: list[str], column: str, what: str, how: str) -> None:
    """InvalidArgument where the dataset lacks the column."""
    if column not in names:
        raise octile.InvalidArgument(
            f"{what}: the dataset has the columns {_quoted(names)}, but not '{column}'; name the "
            f"column by {how}, or rename it with dataset.rename_columns()"
        )


def arrays_of(block: Any, piece: Piece, columns: list[str]) -> Batch:
    """The piece's columns as arrays, rows on axis 0; of object type where rows differ in shape."""
    accessor = BlockAccessor.for_block(block)
    end = accessor.num_rows() if piece.end is None else piece.end
    part = accessor.slice(piece.begin, end, copy=False)
    part = BlockAccessor.for_block(BlockAccessor.for_block(part).select(columns))
    found = part.to_batch_format("numpy")
    return {name: np.asarray(found[name]) for name in columns}


def batches_of(arrays: Batch, columns: Mapping[str, str]) -> list[Batch]:
    """Batches by input name, as octile.calibrate() takes them."""
    rows = len(next(iter(arrays.values())))
    ragged = any(array.dtype == object for array in arrays.values())
    step = 1 if ragged else _ROWS
    return [
        {name: _numbers(arrays[column][i : i + step], column) for name, column in columns.items()}
        for i in range(0, rows, step)
    ]


def _numbers(rows: np.ndarray, column: str) -> np.ndarray:
    if rows.dtype == object:
        rows = np.asarray([np.asarray(row) for row in rows])
    if rows.dtype.kind not in "fiub" and "float" not in rows.dtype.name:  # bfloat16 is of kind V
        raise octile.InvalidArgument(
            f"column '{column}' holds {rows.dtype.name} values; arrays of numbers are wanted: "
            "decode them with dataset.map() or dataset.map_batches()"
        )
    return rows


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
