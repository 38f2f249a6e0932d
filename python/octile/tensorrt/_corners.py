"""Profiles whose bounds a network cannot take: `within` narrows them to what it can.

`shown_shapes` tells what an engine shows of its shapes for it.

A script may give an input of unknown extents the bounds (1, 1, 1) … though a weight of the network
needs 5 there; TensorRT builds that, and refuses such shapes when they come. Octile's plans are
checked over all of a profile, so an extent that the network fixes is held at the profile's opt.
"""

from __future__ import annotations

from typing import Any, Optional

import octile

from ._emission import Emission
from ._native_values import ApiError
from ._types import ErrorCodeTRT

__all__: list = []


def within(network: Any, profile: dict, index: int) -> dict:
    """`profile`, {input: (min, opt, max)}, such that the network takes min and max.

    Raises ApiError where it cannot take even opt.
    """
    low, opt, high = ({name: shapes[i] for name, shapes in profile.items()} for i in range(3))
    if _refusal(network, low) is None and (high == low or _refusal(network, high) is None):
        return profile
    refusal = _refusal(network, opt)
    if refusal is not None:
        raise ApiError(f"profile {index}, opt: {refusal}", ErrorCodeTRT.INVALID_CONFIG)
    held = [_held(network, corner, opt, kind) for corner, kind in ((low, "MIN"), (high, "MAX"))]
    return {name: (held[0][name], opt[name], held[1][name]) for name in profile}


def shown_shapes(network: Any, profiles: list, held: list) -> dict:
    """{input or output: shape} for an engine, which knows more extents than the network does.

    Those are extents that within() held (`held`: what it gave for the `profiles`), and what
    follows from values of shape inputs that are the same in all profiles.
    """
    shapes = {
        t.name: _held_shape(t, profiles, held) for t in network._inputs if -1 in t._input_shape
    }
    shapes = {name: shape for name, shape in shapes.items() if -1 in shape}
    values = {t.name: _fixed_values(t, profiles) for t in network._inputs if t.is_shape_tensor}
    values = {name: row for name, row in values.items() if any(v is not None for v in row)}
    if not values and all(
        t._input_shape == shapes.get(t.name, t._input_shape) for t in network._inputs
    ):
        return {}
    trial, found = Emission(network, shapes, values), {}
    trial.bounds = network._emission.bounds
    try:
        with trial.in_place():
            for tensor in (*network._inputs, *network._outputs):
                found[tensor.name] = tuple(trial.tensor(tensor).shape)
    except (ApiError, octile.Error):  # the build without these extents may still go well
        return {}
    return found


def _held_shape(tensor: Any, profiles: list, held: list) -> tuple:
    """The input's shape with the extents that were held to one value."""
    shape = list(tensor._input_shape)
    for axis, extent in enumerate(shape):
        given = {p._shapes[tensor.name][i][axis] for p in profiles for i in range(3)}
        left = {bounds[tensor.name][i][axis] for bounds in held for i in range(3)}
        if extent < 0 and len(left) == 1 and given != left:
            shape[axis] = left.pop()
    return tuple(shape)


def _fixed_values(tensor: Any, profiles: list) -> list:
    """The values of a list of integers where all profiles have one, else None."""
    if len(tensor._input_shape) != 1 or any(tensor.name not in p._values for p in profiles):
        return []
    columns = zip(*(row for p in profiles for row in p._values[tensor.name]))
    return [column[0] if len(set(column)) == 1 else None for column in columns]


def _refusal(network: Any, shapes: dict) -> Optional[str]:
    """What the network says of inputs of these shapes; None where it takes them."""
    trial = Emission(network, shapes)
    trial.bounds = network._emission.bounds
    try:
        with trial.in_place():
            for tensor in network._outputs:
                trial.tensor(tensor)
    except (ApiError, octile.Error) as error:
        return str(error)
    return None


def _held(network: Any, corner: dict, opt: dict, kind: str) -> dict:
    """`corner` with as few extents as possible taken from `opt`, told once."""
    refusal = _refusal(network, corner)
    if refusal is None:
        return corner
    network._warning(f"Profile k{kind} values are not self-consistent. {refusal}")
    places = [(n, i) for n in opt for i in range(len(opt[n])) if corner[n][i] != opt[n][i]]
    alike: dict = {}  # extents of the same bounds are mostly to be equal
    for name, i in places:
        alike.setdefault((corner[name][i], opt[name][i]), set()).add((name, i))
    groups = [*({place} for place in places), *alike.values()]
    for group in groups:  # mostly one extent is fixed
        held = _mixed(corner, opt, group)
        if _refusal(network, held) is None:
            return held
    kept = set(places)
    for group in reversed(groups):
        if _refusal(network, _mixed(corner, opt, kept - group)) is None:
            kept -= group
    return _mixed(corner, opt, kept)


def _mixed(corner: dict, opt: dict, places: set) -> dict:
    return {
        name: tuple(
            opt[name][i] if (name, i) in places else extent for i, extent in enumerate(shape)
        )
        for name, shape in corner.items()
    }
