"""`OnnxParserRefitter`: a model's weights for an engine that was built of a model like it."""

from __future__ import annotations

import os
from typing import Any, Optional

import octile

from ._enums import ErrorCode, WeightsRole
from ._model_reader import ModelReader
from ._refit import Refitter
from ._types import ILogger, Weights

__all__ = ["OnnxParserRefitter"]


class OnnxParserRefitter(ModelReader):
    """Sets a Refitter's weights by the names that they have in a model.

    False, and errors to ask for, when the model lacks one of the engine's weights.
    """

    __module__ = "octile.tensorrt"
    _title = "ModelRefitter"

    def __init__(self, refitter: Refitter, logger: ILogger):
        if not isinstance(refitter, Refitter) or not isinstance(logger, ILogger):
            raise TypeError(
                "OnnxParserRefitter() takes a Refitter and an ILogger, not "
                f"{type(refitter).__name__} and {type(logger).__name__}"
            )
        super().__init__(logger)
        self._refitter = refitter

    def refit_from_bytes(self, model: Any, path: str = "") -> bool:
        """`path`: the model's own file, beside which weights may lie."""
        return self._refit(bytes(model), path or "")

    def refit_from_file(self, path: str) -> bool:
        """External data is read from beside the file."""
        self._errors.clear()
        data = self._bytes_of(os.fspath(path))
        return data is not None and self._refit(data, os.fspath(path))

    def refit_model_proto(self) -> bool:
        """Takes the weights of the kept model."""
        return self._has_model() and self._refit(self._model, self._path, self._initializers)

    def _refit(self, model: bytes, path: str, initializers: Optional[dict] = None) -> bool:
        self._errors.clear()
        try:
            native = self._import(model, path, initializers or {})
        except octile.Error as error:
            return self._fail(ErrorCode.INVALID_GRAPH, str(error))
        for kept in self._refitter._refittable():
            if kept.name:
                self._take(kept, native)
        return not self._errors

    def _take(self, kept: Any, native: "octile.Network") -> None:
        tensor = native.find_tensor(kept.name)
        value = None if tensor is None else tensor.value
        if value is None:
            self._fail(ErrorCode.REFIT_FAILED, f"{kept.name}: the model has no such weights")
            return
        role = WeightsRole.__members__[kept.role]
        if not self._refitter.set_weights(kept.layer, role, Weights(value)):
            self._fail(
                ErrorCode.REFIT_FAILED,
                f"{kept.name}: {value.size} weights of the model were given for {kept.count}",
            )
