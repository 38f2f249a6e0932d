"""The types that every other module of octile.tensorrt uses, in one place.

    from ._types import Dims, Weights, as_dims, report, unsupported

Public names are in `__all__`; `Managed`, `Severity`, `dtype_of`, `as_dims`, `as_permutation`,
`as_weights`, `native_values`, `report`, `error`, `emit`, `severity_of` and `unsupported` are for
this package.
"""

# ruff: noqa: F401, F403

from __future__ import annotations

from . import (
    _dims,
    _enums,
    _functions,
    _interfaces,
    _logger,
    _plugin_bases,
    _plugins,
    _report,
    _weights,
)
from ._dims import *
from ._dims import as_dims, as_permutation
from ._enums import *
from ._enums import Severity, dtype_of
from ._functions import *
from ._functions import Managed
from ._interfaces import *
from ._logger import *
from ._plugin_bases import *
from ._plugins import *
from ._report import (
    UnsupportedError,
    UnsupportedName,
    emit,
    error,
    report,
    severity_of,
    unsupported,
)
from ._weights import *
from ._weights import as_weights, native_values

__all__ = [
    *_dims.__all__,
    *_enums.__all__,
    *_functions.__all__,
    *_interfaces.__all__,
    *_logger.__all__,
    *_plugin_bases.__all__,
    *_plugins.__all__,
    *_report.__all__,
    *_weights.__all__,
]
