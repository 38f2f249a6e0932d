"""octile.cudart by the name that cuda-python 11 and 12 give it."""

from octile import cudart as _module
from octile.cudart import *  # noqa: F403

__getattr__ = _module.__getattr__
