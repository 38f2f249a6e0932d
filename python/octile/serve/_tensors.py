"""Tensors of the Open Inference Protocol as NumPy arrays and back, with the reason when refused.

A client's values are taken as they are or refused: 1.5 is no INT8, 300 is none either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from kserve import InferInput, InferOutput, InferRequest
from kserve.errors import InvalidInput
from kserve.utils.numpy_codec import from_np_dtype

import octile


def described(bindings: Sequence[octile.Binding]) -> list[dict]:
    """Bindings as the protocol's metadata has them."""
    return [
        {"name": b.name, "datatype": from_np_dtype(b.dtype), "shape": list(b.shape)}
        for b in bindings
    ]


def inputs_of(request: InferRequest, bindings: Sequence[octile.Binding]) -> dict[str, np.ndarray]:
    """The request's arrays by name; InvalidInput says what is wrong with them."""
    names = [tensor.name for tensor in request.inputs]
    known = {b.name: b for b in bindings}
    for name in names:
        if name not in known:
            raise InvalidInput(f"no input '{name}'; the model has {_quoted(known)}")
        if names.count(name) > 1:
            raise InvalidInput(f"input '{name}' is given twice")
    for name in known:
        if name not in names:
            raise InvalidInput(f"input '{name}' is missing; the model has {_quoted(known)}")
    return {tensor.name: _array(tensor, known[tensor.name]) for tensor in request.inputs}


def wanted_of(request: InferRequest, bindings: Sequence[octile.Binding]) -> list[str]:
    """Names of the outputs asked for; all where none is."""
    known = [b.name for b in bindings]
    wanted = [output.name for output in request.request_outputs or ()]
    for name in wanted:
        if name not in known:
            raise InvalidInput(f"no output '{name}'; the model has {_quoted(known)}")
    return list(dict.fromkeys(wanted)) or known


def output_of(name: str, array: np.ndarray) -> InferOutput:
    """As raw bytes: what REST asks for as JSON is converted where the response is written."""
    output = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
    output.set_data_from_numpy(array, binary_data=True)
    return output


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _array(tensor: InferInput, binding: octile.Binding) -> np.ndarray:
    datatype = from_np_dtype(binding.dtype)
    if tensor.datatype != datatype:
        raise InvalidInput(f"input '{tensor.name}' is {datatype}, not {tensor.datatype}")
    shape = list(tensor.shape)
    if any(extent < 0 for extent in shape):
        raise InvalidInput(f"input '{tensor.name}': shape {shape} has a negative extent")
    try:
        if isinstance(tensor.data, list) and tensor.data:
            return _converted(tensor.data, binding.dtype).reshape(shape)
        return tensor.as_numpy()
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"input '{tensor.name}' of shape {shape}: {error}") from None


def _converted(data: list, dtype: np.dtype) -> np.ndarray:
    """JSON's numbers, flat or nested, as `dtype` where each of them is one."""
    given = np.array(data)
    if given.dtype.kind not in {"f": "iuf", "b": "b"}.get(dtype.kind, "iu"):
        raise ValueError(f"its values are no {dtype.name}")
    if dtype.kind in "iu" and given.size:
        limits = np.iinfo(dtype)
        if int(given.min()) < limits.min or int(given.max()) > limits.max:
            raise ValueError(f"its values do not fit {dtype.name}")
    with np.errstate(over="ignore"):  # told below
        taken = given.astype(dtype)
    if dtype.kind == "f" and (np.isinf(taken) & np.isfinite(given)).any():
        raise ValueError(f"its values do not fit {dtype.name}")
    return taken
