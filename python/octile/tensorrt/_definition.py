"""`INetworkDefinition`: the network with all its add_* functions."""

from __future__ import annotations

from ._functions import Managed
from ._layers_control import AddControl
from ._layers_indexing import AddIndexing
from ._layers_linear import AddLinear
from ._layers_normalize import AddNormalize
from ._layers_pointwise import AddPointwise
from ._layers_pooling import AddPooling
from ._layers_quantize import AddQuantize
from ._layers_reduce import AddReduce
from ._layers_sample import AddSample
from ._layers_shape import AddShape
from ._layers_window import AddWindow
from ._network import NetworkBase

__all__ = ["INetworkDefinition"]


class INetworkDefinition(
    AddWindow,
    AddPooling,
    AddPointwise,
    AddLinear,
    AddReduce,
    AddNormalize,
    AddQuantize,
    AddShape,
    AddIndexing,
    AddSample,
    AddControl,
    NetworkBase,
    Managed,
):
    """A network: inputs, layers in the order of adding, outputs. Made by Builder.create_network().

    The add_* functions return the layer; None, after a line in the log, where an argument is bad.
    """

    __module__ = "octile.tensorrt"
