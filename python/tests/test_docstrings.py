"""Every public name has a docstring: of octile, octile.cudart and octile.tensorrt."""

from __future__ import annotations

import inspect
import typing

import pytest

import octile
import octile.tensorrt as trt
from octile import cudart

FOREIGN = {"args", "add_note", "with_traceback", "characters_written"}  # of Python's exceptions


def undocumented(module):
    """Names of the module, and of its classes' members, that lack a docstring of their own."""
    for name in module.__all__ if hasattr(module, "__all__") else dir(module):
        value = getattr(module, name)
        if name[0] == "_" or inspect.ismodule(value) or name == "annotations":
            continue
        if typing.get_origin(value) or not callable(value):  # unions, constants
            continue
        if not inspect.getdoc(value):
            yield name
        if not inspect.isclass(value) or issubclass(value, (int, BaseException, str, list)):
            continue
        for member in dir(value):
            found = inspect.getattr_static(value, member)
            if member[0] == "_" or member in FOREIGN:
                continue
            if isinstance(found, property) or callable(found) or hasattr(found, "__set__"):
                if not inspect.isclass(found) and not getattr(found, "__doc__", None):
                    yield f"{name}.{member}"


@pytest.mark.parametrize("module", [octile, octile.ops, cudart, trt], ids=lambda m: m.__name__)
def test_every_public_name_has_a_docstring(module):
    assert list(undocumented(module)) == []


def test_a_missing_docstring_is_found():
    class Bare:
        """A class with one member that has none."""

        def member(self):
            pass

    module = type("module", (), {"__all__": ["Bare"], "Bare": Bare})
    assert list(undocumented(module)) == ["Bare.member"]
