"""Plugins: Octile has none. The registry is there and empty; whoever registers or adds one is told.

`_plugin_bases.py` has the classes from which plugins derive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ._enums import EngineCapability, PluginFieldType
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


__all__ = [
    "IPluginRegistry",
    "PluginField",
    "PluginFieldCollection",
    "get_builder_plugin_registry",
    "get_plugin_registry",
    "init_libnvinfer_plugins",
]
