"""Profiles whose bounds a network cannot take: `within` narrows them to what it can.

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
    for place in places:  # mostly one extent is fixed
        held = _mixed(corner, opt, {place})
        if _refusal(network, held) is None:
            return held
    kept = set(places)
    for place in places:
        if _refusal(network, _mixed(corner, opt, kept - {place})) is None:
            kept.remove(place)
    return _mixed(corner, opt, kept)


def _mixed(corner: dict, opt: dict, places: set) -> dict:
    return {
        name: tuple(
            opt[name][i] if (name, i) in places else extent for i, extent in enumerate(shape)
        )
        for name, shape in corner.items()
    }
