"""`OnnxParser`: an ONNX model becomes the layers of an INetworkDefinition.

The native importer does the work; `adopt` takes its layers over one by one (`_adopt.py`), so that a
program can look at them, edit them and mark outputs as it does after TensorRT's parser.
"""

from __future__ import annotations

import os
from typing import Any, Optional, Sequence

import octile

from ._adopt import adopt
from ._enums import ErrorCode, OnnxParserFlag
from ._model_reader import ModelReader
from ._network import NetworkBase
from ._onnx_values import declared
from ._types import ILogger, unsupported

__all__ = ["OnnxParser", "SubGraphCollection"]


class SubGraphCollection(list):
    """(node indices, supported) pairs, as supports_model gives them."""

    __module__ = "octile.tensorrt"


class OnnxParser(ModelReader):
    """Parses ONNX models into `network`."""

    __module__ = "octile.tensorrt"
    _title = "ModelImporter"

    def __init__(self, network: Any, logger: Any):
        if not isinstance(network, NetworkBase) or not isinstance(logger, ILogger):
            raise TypeError(
                "OnnxParser() takes an INetworkDefinition and an ILogger, not "
                f"{type(network).__name__} and {type(logger).__name__}"
            )
        super().__init__(logger)
        self._network = network
        self._flags = 1 << int(OnnxParserFlag.NATIVE_INSTANCENORM)
        self._subgraphs = SubGraphCollection()
        self._layers: dict = {}  # node name → its layers
        self._config = None
        self._taken: Optional[bytes] = None  # the model that supports_model() put into the network

    @property
    def logger(self) -> Any:
        """The logger that was given."""
        return self._logger

    # --- parsing ---
    def parse(self, model: Any, path: str = "") -> bool:
        """Parses a serialized model. `path`: the model's own file, beside which weights may lie."""
        return self._parse(bytes(model), path or "")

    def parse_from_file(self, model: str) -> bool:
        """Parses a file; its external data is read from beside it."""
        path = os.fspath(model)
        data = self._bytes_of(path)
        return data is not None and self._parse(data, path)

    def parse_with_weight_descriptors(self, model: Any) -> bool:
        """As parse()."""
        return self.parse(model)

    def parse_model_proto(self) -> bool:
        """Parses the kept model."""
        return self._has_model() and self._parse(self._model, self._path)

    def _parse(self, data: bytes, path: str) -> bool:
        taken, self._taken = self._taken, None
        if data == taken and self._network.num_layers:
            return True
        nodes = self._supported_nodes(data)
        if nodes is None:
            return False
        try:
            native = self._import(data, path, self._initializers)
            self._layers = adopt(self._network, native, declared(data))
        except octile.Error as error:
            code = (
                ErrorCode.UNSUPPORTED_NODE
                if error.code == "unsupported"
                else ErrorCode.INVALID_GRAPH
            )
            return self._fail(code, str(error), *node_of(str(error), nodes))
        for tensor in native.outputs:
            if str(tensor.dtype) == "int64":
                self._log("warning", f"Make sure output {tensor.name} has Int64 binding.")
        return True

    def _supported_nodes(self, data: bytes) -> Optional[list]:
        """The model's nodes; None, and an error for each that Octile lacks the operator of."""
        self._errors.clear()
        try:
            nodes = octile.onnx_nodes(data)
        except octile.Error as error:
            self._fail(ErrorCode.MODEL_DESERIALIZE_FAILED, str(error))
            return None
        self._subgraphs = subgraphs(nodes)
        for index, node in enumerate(nodes):
            if node["supported"]:
                continue
            operator = ".".join(filter(None, (node["domain"], node["op_type"])))
            self._fail(
                ErrorCode.INVALID_NODE,
                f"Octile lacks the operator {operator}; replace it in the model, or cut the model "
                "before it",
                index,
                node["name"],
                node["op_type"],
            )
        return None if self._errors else nodes

    # --- asking ---
    def supports_operator(self, op_name: str) -> bool:
        """Whether Octile imports this operator."""
        return op_name in octile.supported_onnx_operators()

    def supports_model(self, model: Any, path: str = "") -> tuple:
        """(whether the whole model is supported, [(node indices, supported) …]); see below."""
        supported = self.supports_model_v2(model, path)
        return supported, self._subgraphs

    def supports_model_v2(self, model: Any, path: str = "") -> bool:
        """Whether the whole model is supported. If so an empty network has it then, as if parsed.

        A parse() of the same model after it adds nothing.
        """
        data = bytes(model)
        if not self._network.num_layers:
            self._taken = data if self._parse(data, path or "") else None
            return self._taken is not None
        return self._supported_nodes(data) is not None

    @property
    def num_subgraphs(self) -> int:
        """How many parts supports_model() found."""
        return len(self._subgraphs)

    def is_subgraph_supported(self, index: int) -> bool:
        """Whether a part that supports_model() found can be imported."""
        return self._subgraphs[index][1]

    def get_subgraph_nodes(self, index: int) -> list:
        """Numbers of the nodes of a part."""
        return self._subgraphs[index][0]

    def get_layer_output_tensor(self, name: str, i: int) -> Optional[Any]:
        """Output `i` of the layer that the node `name` became; None where there is none."""
        layer = self._layers.get(name)
        return None if layer is None else layer.get_output(i)

    def get_used_vc_plugin_libraries(self) -> list:
        """An empty list: there are no plugins."""
        return []

    # --- flags ---
    @property
    def flags(self) -> int:
        """A mask of OnnxParserFlag."""
        return self._flags

    @flags.setter
    def flags(self, flags: int) -> None:
        self._flags = int(flags)

    def set_flag(self, flag: OnnxParserFlag) -> None:
        """Sets an OnnxParserFlag."""
        if flag != OnnxParserFlag.NATIVE_INSTANCENORM:
            unsupported(f"OnnxParserFlag.{flag.name}", "Octile has neither DLA nor plugins")
        self._flags |= 1 << int(flag)

    def clear_flag(self, flag: OnnxParserFlag) -> None:
        """Takes an OnnxParserFlag back."""
        self._flags &= ~(1 << int(flag))

    def get_flag(self, flag: OnnxParserFlag) -> bool:
        """Whether an OnnxParserFlag is set."""
        return bool(self._flags >> int(flag) & 1)

    def set_builder_config(self, config: Any) -> bool:
        """Takes the configuration of the build; nothing hangs on it."""
        self._config = config
        return True


def subgraphs(nodes: Sequence[dict]) -> SubGraphCollection:
    """Runs of nodes that are all supported, or all not."""
    runs = SubGraphCollection()
    for index, node in enumerate(nodes):
        if runs and runs[-1][1] == node["supported"]:
            runs[-1][0].append(index)
        else:
            runs.append(([index], node["supported"]))
    return runs


def node_of(message: str, nodes: Sequence[dict]) -> tuple:
    """(index, name, operator) of the node that a message of the importer names."""
    for index, node in enumerate(nodes):
        for name in (node["name"], node["outputs"][0] if node["outputs"] else ""):
            if name and f"node '{name}' ({node['op_type']})" in message:
                return index, node["name"], node["op_type"]
    return -1, "", ""
