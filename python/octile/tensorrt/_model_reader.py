"""What OnnxParser and OnnxParserRefitter have in common: models from files, bytes and pieces, and
errors that are kept to be asked for."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

import octile

from ._enums import ErrorCode, Severity
from ._types import ILogger, Managed, emit, severity_of

__all__ = ["ParserError"]


class ParserError:
    """Why a node could not be parsed."""

    __module__ = "octile.tensorrt"

    def __init__(self, code: Any, desc: str, node: int, name: str = "", operator: str = ""):
        self._code, self._desc = code, desc
        self._node, self._name, self._operator = node, name, operator

    def code(self) -> Any:
        """An ErrorCode of the parser."""
        return self._code

    def desc(self) -> str:
        """The message."""
        return self._desc

    def file(self) -> str:
        """Source file of the importer: Octile's messages name the place in the model instead."""
        return "import.cc"

    def line(self) -> int:
        """The line of the importer's source; 0, as Octile does not tell it."""
        return 0

    def func(self) -> str:
        """The function of the importer."""
        return "import_onnx"

    def node(self) -> int:
        """Index of the node in the model's graph; −1 where the error is of no one node."""
        return self._node

    def node_name(self) -> str:
        """The name of the ONNX node."""
        return self._name

    def node_operator(self) -> str:
        """The operator of the ONNX node."""
        return self._operator

    def local_function_stack(self) -> list:
        """Names of the model's functions around the node."""
        return []

    def local_function_stack_size(self) -> int:
        """How many functions stand around the node."""
        return 0

    def __str__(self) -> str:
        place = f"In node {self._node} with name: {self._name} and operator: {self._operator}"
        return f"{place} ({self.func()}): {self._code.name}: {self._desc}"

    __repr__ = __str__


class ModelReader(Managed):
    """Reads models for `logger`; messages begin with `_title`."""

    _title = ""

    def __init__(self, logger: ILogger):
        self._logger = logger
        self._errors: list = []
        self._model: Optional[bytes] = None  # what load_model_proto() keeps
        self._path = ""
        self._initializers: Dict[str, bytes] = {}

    # --- models ---
    def _bytes_of(self, path: str) -> Optional[bytes]:
        """The bytes of a file; None, and an error, where it cannot be read."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            self._fail(ErrorCode.MODEL_DESERIALIZE_FAILED, str(error))
            return None

    def _import(self, model: bytes, path: str, initializers: Dict[str, bytes]) -> "octile.Network":
        return octile.import_onnx(
            model,
            log=self._log,
            origin=path or "model",
            folder=folder_of(path),
            initializers=initializers,
        )

    def load_model_proto(self, model: Any, path: str = "") -> bool:
        """Keeps a model, to be taken once initializers were given."""
        self._model, self._path, self._initializers = bytes(model), path or "", {}
        return True

    def load_initializer(self, name: str, data: int, size: int) -> bool:
        """The bytes of an initializer of the kept model, from host memory."""
        try:
            self._initializers[name] = octile.host_memory.read(int(data), int(size), name)
        except octile.Error as error:
            return self._fail(ErrorCode.INVALID_VALUE, str(error))
        return True

    def _has_model(self) -> bool:
        """Whether load_model_proto() kept one; an error where it did not."""
        if self._model is None:
            return self._fail(ErrorCode.INVALID_GRAPH, "load_model_proto was not called")
        return True

    # --- errors ---
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

    def _fail(
        self, code: Any, desc: str, node: int = -1, name: str = "", operator: str = ""
    ) -> bool:
        error = ParserError(code, desc, node, name, operator)
        self._errors.append(error)
        message = str(error) if node >= 0 else f"{code.name}: {desc}"
        emit(self._logger, Severity.ERROR, f"{self._title}: {message}")
        return False

    def _log(self, level: str, message: str) -> None:
        emit(self._logger, severity_of(level), f"{self._title}: {message}")


def folder_of(path: str) -> str:
    """Where external data of the model lies; `path` is its file, or the folder itself."""
    if not path:
        return ""
    path = os.path.abspath(path)
    return path if os.path.isdir(path) else os.path.dirname(path)
