"""octile.cuda.bindings.driver by the name that cuda-python 11 and 12 give it."""

from octile.cuda.bindings import driver as _module
from octile.cuda.bindings.driver import *  # noqa: F403

__getattr__ = _module.__getattr__
