"""Plugins: Octile has none. The registry is there and empty; whoever registers or adds one is told.

The base classes exist, so that a program which merely defines plugins can be imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ._enums import EngineCapability, PluginFieldType
from ._logger import IVersionedInterface
from ._report import unsupported

ADVICE = "write what the plugin computes with layers of the network, or compute it outside of it"


class PluginField:
    """A named attribute of a plugin: `PluginField(name, data, type)`, data a NumPy array."""

    __module__ = "octile.tensorrt"

    def __init__(
        self, name: str = "", data: Any = None, type: PluginFieldType = PluginFieldType.UNKNOWN
    ) -> None:
        self.name, self.type = str(name), type
        self.data = np.empty(0) if data is None else data

    @property
    def size(self) -> int:
        """The number of elements of the data."""
        return int(np.size(self.data))


class PluginFieldCollection(list):
    """A list of PluginField."""

    __module__ = "octile.tensorrt"

    def __init__(self, fields: Iterable[PluginField] = ()) -> None:
        super().__init__(fields)
        for field in self:
            if not isinstance(field, PluginField):
                raise TypeError(
                    f"PluginFieldCollection takes PluginField, not {type(field).__name__} {field!r}"
                )


class IPluginRegistry:
    """The plugins known to a builder or runtime: none."""

    __module__ = "octile.tensorrt"
    parent_search_enabled = True

    def __init__(self) -> None:
        self.error_recorder: Any = None

    @property
    def plugin_creator_list(self) -> list:
        """All creators of the second generation: none."""
        return []

    all_creators = all_creators_recursive = plugin_creator_list

    def get_plugin_creator(self, type: str, version: str, plugin_namespace: str = "") -> None:
        """None: there is no creator."""

    def get_creator(self, type: str, version: str, plugin_namespace: str = "") -> None:
        """None: there is no creator."""

    def register_creator(self, creator: Any, plugin_namespace: str = "") -> bool:
        """Raises UnsupportedError."""
        name = getattr(creator, "name", type(creator).__name__)
        unsupported(f"IPluginRegistry.register_creator (plugin {name!r})", ADVICE)

    def deregister_creator(self, creator: Any) -> bool:
        """False: the creator is not registered."""
        return False

    def load_library(self, plugin_path: str) -> Any:
        """Raises UnsupportedError."""
        unsupported(f"IPluginRegistry.load_library ({str(plugin_path)!r})", ADVICE)

    def deregister_library(self, handle: Any) -> None:
        """Nothing: no library is loaded."""

    def acquire_plugin_resource(self, key: str, resource: Any) -> Any:
        """Raises UnsupportedError."""
        unsupported("IPluginRegistry.acquire_plugin_resource", ADVICE)

    def release_plugin_resource(self, key: str) -> int:
        """−1: there is no such resource."""
        return -1


_registry = IPluginRegistry()


def get_plugin_registry() -> IPluginRegistry:
    """The registry of the process, which is empty."""
    return _registry


def get_builder_plugin_registry(capability: EngineCapability) -> IPluginRegistry:
    """The registry for engines of `capability`, which is empty."""
    return _registry


def init_libnvinfer_plugins(logger: Any, namespace: str) -> bool:
    """True: all of Octile's plugins (none) are registered."""
    return True


class IPluginCapability(IVersionedInterface):
    """Base of the parts of an IPluginV3."""

    __module__ = "octile.tensorrt"


class IPluginCreatorInterface(IVersionedInterface):
    """Base of plugin creators; registering one raises UnsupportedError."""

    __module__ = "octile.tensorrt"


def _base(name: str, parent: type = object) -> Any:
    """An empty base class for plugins of kind `name`."""
    text = f"Base of plugins; a network that is given one raises UnsupportedError ({name})."
    return type(name, (parent,), {"__doc__": text, "__module__": "octile.tensorrt"})


IPluginV2 = _base("IPluginV2")
IPluginV2Ext = _base("IPluginV2Ext", IPluginV2)
IPluginV2DynamicExtBase = _base("IPluginV2DynamicExtBase", IPluginV2)
IPluginV2DynamicExt = _base("IPluginV2DynamicExt", IPluginV2DynamicExtBase)
IPluginV3 = _base("IPluginV3", IVersionedInterface)
IPluginV3OneCore = _base("IPluginV3OneCore", IPluginCapability)
IPluginV3OneBuild = _base("IPluginV3OneBuild", IPluginCapability)
IPluginV3OneBuildV2 = _base("IPluginV3OneBuildV2", IPluginV3OneBuild)
IPluginV3OneRuntime = _base("IPluginV3OneRuntime", IPluginCapability)
IPluginV3QuickCore = _base("IPluginV3QuickCore", IPluginCapability)
IPluginV3QuickBuild = _base("IPluginV3QuickBuild", IPluginCapability)
IPluginV3QuickAOTBuild = _base("IPluginV3QuickAOTBuild", IPluginV3QuickBuild)
IPluginV3QuickRuntime = _base("IPluginV3QuickRuntime", IPluginCapability)
IPluginResource = _base("IPluginResource", IVersionedInterface)
IPluginCreator = _base("IPluginCreator", IPluginCreatorInterface)
IPluginCreatorV3One = _base("IPluginCreatorV3One", IPluginCreatorInterface)
IPluginCreatorV3Quick = _base("IPluginCreatorV3Quick", IPluginCreatorInterface)


def _type(name: str) -> Any:
    """A type that plugins name in their signatures; making one raises UnsupportedError."""

    def refuse(self: Any, *arguments: Any, **named: Any) -> None:
        unsupported(f"{name} (plugins)", ADVICE)

    text = "What TensorRT hands to plugins; making one raises UnsupportedError."
    return type(name, (), {"__doc__": text, "__module__": "octile.tensorrt", "__init__": refuse})


DimsExprs = _type("DimsExprs")
DynamicPluginTensorDesc = _type("DynamicPluginTensorDesc")
IDimensionExpr = _type("IDimensionExpr")
IExprBuilder = _type("IExprBuilder")
IPluginResourceContext = _type("IPluginResourceContext")
ISymExpr = _type("ISymExpr")
ISymExprs = _type("ISymExprs")
KernelLaunchParams = _type("KernelLaunchParams")
PluginFieldCollection_ = _type("PluginFieldCollection_")
PluginTensorDesc = _type("PluginTensorDesc")

__all__ = [
    "DimsExprs",
    "DynamicPluginTensorDesc",
    "IDimensionExpr",
    "IExprBuilder",
    "IPluginCapability",
    "IPluginCreator",
    "IPluginCreatorInterface",
    "IPluginCreatorV3One",
    "IPluginCreatorV3Quick",
    "IPluginRegistry",
    "IPluginResource",
    "IPluginResourceContext",
    "IPluginV2",
    "IPluginV2DynamicExt",
    "IPluginV2DynamicExtBase",
    "IPluginV2Ext",
    "IPluginV3",
    "IPluginV3OneBuild",
    "IPluginV3OneBuildV2",
    "IPluginV3OneCore",
    "IPluginV3OneRuntime",
    "IPluginV3QuickAOTBuild",
    "IPluginV3QuickBuild",
    "IPluginV3QuickCore",
    "IPluginV3QuickRuntime",
    "ISymExpr",
    "ISymExprs",
    "KernelLaunchParams",
    "PluginField",
    "PluginFieldCollection",
    "PluginFieldCollection_",
    "PluginTensorDesc",
    "get_builder_plugin_registry",
    "get_plugin_registry",
    "init_libnvinfer_plugins",
]
