"""Every op with its attributes (as in octile/ops.h), the enums they use, and `Op`, any of them."""

from ._native import ops as _ops
from ._native.ops import *  # noqa: F401,F403

__all__ = [name for name in dir(_ops) if not name.startswith("_")]
