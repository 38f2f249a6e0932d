"""Classes of layers that no network of Octile has, for programs that ask `isinstance(layer, …)`.

The methods of INetworkDefinition that would add them raise UnsupportedError.
"""

from __future__ import annotations

from ._tensor import ILayer


class IPluginV2Layer(ILayer):
    """A layer of a plugin of the second generation: never made."""

    __module__ = "octile.tensorrt"


class IPluginV3Layer(ILayer):
    """A layer of a plugin of the third generation: never made."""

    __module__ = "octile.tensorrt"


class IMoELayer(ILayer):
    """A mixture of experts: never made."""

    __module__ = "octile.tensorrt"


class IDistCollectiveLayer(ILayer):
    """An operation across devices: never made."""

    __module__ = "octile.tensorrt"


__all__ = [
    "IDistCollectiveLayer",
    "IMoELayer",
    "IPluginV2Layer",
    "IPluginV3Layer",
]
