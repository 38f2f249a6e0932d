"""octile.cudart by the name that cuda-python 13 gives it."""

from octile import cudart as _module
from octile.cudart import *  # noqa: F403

__getattr__ = _module.__getattr__
