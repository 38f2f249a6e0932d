"""`OnnxParserRefitter`: a model's weights for an engine that was built of a model like it."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

import octile

from ._enums import ErrorCode, Severity, WeightsRole
from ._parser import ParserError, folder_of
from ._refit import Refitter
from ._types import ILogger, Managed, Weights, emit, severity_of

__all__ = ["OnnxParserRefitter"]


class OnnxParserRefitter(Managed):
    """Sets a Refitter's weights by the names that they have in a model.

    False, and errors to ask for, when the model lacks one of the engine's weights.
    """

    __module__ = "octile.tensorrt"

    def __init__(self, refitter: Refitter, logger: ILogger):
        if not isinstance(refitter, Refitter) or not isinstance(logger, ILogger):
            raise TypeError(
                "OnnxParserRefitter() takes a Refitter and an ILogger, not "
                f"{type(refitter).__name__} and {type(logger).__name__}"
            )
        self._refitter, self._logger = refitter, logger
        self._errors: list = []
        self._model: Optional[bytes] = None
        self._path = ""
        self._initializers: Dict[str, bytes] = {}

    def refit_from_bytes(self, model: Any, path: str = "") -> bool:
        """`path`: the model's own file, beside which weights may lie."""
        return self._refit(bytes(model), path or "")

    def refit_from_file(self, path: str) -> bool:
        """External data is read from beside the file."""
        try:
            with open(os.fspath(path), "rb") as file:
                data = file.read()
        except OSError as error:
            self._errors.clear()
            return self._fail(ErrorCode.MODEL_DESERIALIZE_FAILED, str(error))
        return self._refit(data, os.fspath(path))

    def load_model_proto(self, model: Any, path: str = "") -> bool:
        """Keeps a model for refit_model_proto(), so that initializers can be given in between."""
        self._model, self._path, self._initializers = bytes(model), path or "", {}
        return True

    def load_initializer(self, name: str, data: int, size: int) -> bool:
        """The bytes of an initializer of the kept model."""
        try:
            self._initializers[name] = octile.host_memory.read(int(data), int(size), name)
        except octile.Error as error:
            return self._fail(ErrorCode.INVALID_VALUE, str(error))
        return True

    def refit_model_proto(self) -> bool:
        """Takes the weights of the kept model."""
        if self._model is None:
            return self._fail(ErrorCode.INVALID_GRAPH, "load_model_proto was not called")
        return self._refit(self._model, self._path, self._initializers)

    @property
    def num_errors(self) -> int:
        """How many errors the last call found."""
        return len(self._errors)

    def get_error(self, index: int) -> Optional[ParserError]:
        """A ParserError by its number; None outside."""
        return self._errors[index] if 0 <= index < len(self._errors) else None

    def clear_errors(self) -> None:
        """Forgets the errors."""
        self._errors.clear()

    def _refit(self, model: bytes, path: str, initializers: Optional[dict] = None) -> bool:
        self._errors.clear()
        try:
            native = octile.import_onnx(
                model,
                log=self._log,
                origin=path or "model",
                folder=folder_of(path),
                initializers=initializers or {},
            )
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

    def _fail(self, code: Any, desc: str) -> bool:
        self._errors.append(ParserError(code, desc, -1))
        emit(self._logger, Severity.ERROR, f"ModelRefitter: {code.name}: {desc}")
        return False

    def _log(self, level: str, message: str) -> None:
        emit(self._logger, severity_of(level), f"ModelRefitter: {message}")
