"""What plugins derive from and name in their signatures.

A program that merely defines plugins can so be imported; whoever registers one or adds one to a
network is told that Octile has none (`_plugins.py`).
"""

from __future__ import annotations

from typing import Any

from ._logger import IVersionedInterface, abstract
from ._plugins import ADVICE
from ._report import unsupported


def _base(name: str, parent: type, methods: str = "") -> Any:
    """A base class of plugins whose `methods` a subclass brings."""
    members: dict[str, Any] = {"__module__": "octile.tensorrt"}
    members["__doc__"] = "Base of plugins, which Octile has none of."
    for method in methods.split():

        def missing(self: Any, *arguments: Any, **named: Any) -> Any:
            """What a plugin does; Octile never calls it."""

        missing.__name__ = method
        members[method] = abstract(missing)
    return type(name, (parent,), members)


def _type(name: str) -> Any:
    """A type that plugins name in their signatures; making one raises UnsupportedError."""

    def refuse(self: Any, *arguments: Any, **named: Any) -> None:
        unsupported(f"{name} (plugins)", ADVICE)

    text = "What TensorRT hands to plugins; making one raises UnsupportedError."
    return type(name, (), {"__doc__": text, "__module__": "octile.tensorrt", "__init__": refuse})


_BUILD = (
    "configure_plugin get_output_data_types get_output_shapes get_valid_tactics "
    "get_workspace_size supports_format_combination"
)

IPluginV2 = _base(
    "IPluginV2",
    object,
    "clone configure_with_format destroy execute_async get_output_shape get_workspace_size "
    "initialize serialize supports_format terminate",
)
IPluginV2Ext = _base(
    "IPluginV2Ext",
    IPluginV2,
    "attach_to_context configure_plugin detach_from_context get_output_data_type",
)
IPluginV2DynamicExtBase = _base("IPluginV2DynamicExtBase", IPluginV2)
IPluginV2DynamicExt = _base(
    "IPluginV2DynamicExt",
    IPluginV2DynamicExtBase,
    "configure_plugin enqueue get_output_datatype get_output_dimensions get_serialization_size "
    "supports_format_combination",
)
IPluginCapability = _base("IPluginCapability", IVersionedInterface)
IPluginV3 = _base("IPluginV3", IVersionedInterface, "clone destroy get_capability_interface")
IPluginV3OneCore = _base("IPluginV3OneCore", IPluginCapability)
IPluginV3OneBuild = _base("IPluginV3OneBuild", IPluginCapability, _BUILD)
IPluginV3OneBuildV2 = _base("IPluginV3OneBuildV2", IPluginV3OneBuild, "get_aliased_input")
IPluginV3OneRuntime = _base(
    "IPluginV3OneRuntime",
    IPluginCapability,
    "attach_to_context enqueue get_fields_to_serialize on_shape_change set_tactic",
)
IPluginV3QuickCore = _base("IPluginV3QuickCore", IPluginCapability)
IPluginV3QuickBuild = _base("IPluginV3QuickBuild", IPluginCapability)
IPluginV3QuickAOTBuild = _base("IPluginV3QuickAOTBuild", IPluginV3QuickBuild)
IPluginV3QuickRuntime = _base("IPluginV3QuickRuntime", IPluginCapability)
IPluginResource = _base("IPluginResource", IVersionedInterface, "clone release")
IPluginCreatorInterface = _base("IPluginCreatorInterface", IVersionedInterface)
IPluginCreator = _base(
    "IPluginCreator", IPluginCreatorInterface, "create_plugin deserialize_plugin"
)
IPluginCreatorV3One = _base("IPluginCreatorV3One", IPluginCreatorInterface, "create_plugin")
IPluginCreatorV3Quick = _base("IPluginCreatorV3Quick", IPluginCreatorInterface, "create_plugin")

IPluginV2DynamicExt.FORMAT_COMBINATION_LIMIT = 100
IPluginV3OneBuild.DEFAULT_FORMAT_COMBINATION_LIMIT = 100

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
    "PluginFieldCollection_",
    "PluginTensorDesc",
]
