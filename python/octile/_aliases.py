"""Makes `import tensorrt`, `cuda`, `pycuda` mean Octile's modules, in this process only.

A finder before all others answers for these names and what is below them; the module that it gives
is the very one that has Octile's name, so that types are the same by either name.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

ALIASES = {
    "tensorrt": "octile.tensorrt",
    "tensorrt_lean": "octile.tensorrt",
    "tensorrt_dispatch": "octile.tensorrt",
    "cuda": "octile.cuda",
    "pycuda": "octile.pycuda",
}


class _Loader(importlib.abc.Loader):
    """Gives the module that has another name; importing it anew would make a second one."""

    def __init__(self, real: str) -> None:
        self._real = real
        self._spec: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._real)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has just put the alias's there


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the aliased names, and refuses what Octile has not below them."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, below = fullname.partition(".")
        if top not in self.names:
            return None
        real = ALIASES[top] + ("." + below if below else "")
        if real not in sys.modules and importlib.util.find_spec(real) is None:
            raise ModuleNotFoundError(f"Octile has no counterpart of {fullname}", name=fullname)
        return importlib.machinery.ModuleSpec(fullname, _Loader(real), is_package=True)


_finder = _Finder()


def install(names: Iterable[str] = tuple(ALIASES)) -> None:
    """From now on `import tensorrt`, `import cuda`, `import pycuda` … give Octile's modules.

    For programs whose libraries import TensorRT; the environment is not changed, only this process.
    Raises ValueError for a name that is none of ALIASES, RuntimeError when a module of that name
    was imported already.
    """
    wanted = set(names)
    for name in sorted(wanted - set(ALIASES)):
        raise ValueError(f"install: no alias {name!r}; there are {', '.join(ALIASES)}")
    for name in sorted(wanted - _finder.names):
        if name in sys.modules:
            raise RuntimeError(f"{name} is imported already: call octile.tensorrt.install() before")
    _finder.names |= wanted
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
