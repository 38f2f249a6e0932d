"""sweep(): one collection, many recipes; their plans built and evaluated on the cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import numpy as np
import ray

import octile

from ._blocks import check_column
from ._calibrate import Model, collect, network_of
from ._checkpoint import Folder, code_of, digest_of, directory_of
from ._cluster import Workers, connect, finished
from ._evaluate import Row, evaluate, profile_of
from ._metrics import Outputs, metric_of
from ._page import page

Recipe = Mapping[str, Any]
FLOAT = "float"


@ray.remote
def _build(job: list, options: dict[str, Any], table: Any, folder: Folder, key: str) -> bytes:
    """The plan of one recipe."""
    kept = folder.load(key)
    if kept is not None:
        return kept
    plan = octile.build(ray.get(job[0]), table, **options).serialize()
    folder.save(key, plan)
    return plan


@dataclass(frozen=True)
class _Named:
    """A recipe, for messages and as a work item."""

    name: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"recipe '{self.name}'"

    def needs_table(self) -> bool:
        scheme = self.options.get("scheme")  # whatever it is: build() says what it takes
        return bool(self.options.get("int8", True)) and not str(scheme).startswith("dynamic")


@dataclass(frozen=True)
class Sweep:
    """What sweep() found: one row a recipe (a dict: recipe, metric, value, loss, ms, bytes,
    int8_steps, samples, pareto, options, error), and the plans by recipe."""

    rows: list[Row]
    plans: dict[str, octile.Plan] = field(repr=False)
    title: str = ""

    def to_pandas(self) -> Any:
        """The rows as a pandas.DataFrame."""
        import pandas

        return pandas.DataFrame(self.rows)

    def html(self) -> str:
        """The table and the Pareto picture as one page that needs nothing beside it."""
        return page(self.title, self.rows)

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes html() through a temporary file."""
        unfinished = f"{os.fspath(path)}.tmp{os.getpid()}"
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write(self.html())
        os.replace(unfinished, path)


def _recipes(recipes: Union[Mapping[str, Recipe], Sequence[Recipe]]) -> list[_Named]:
    if not isinstance(recipes, Mapping):
        recipes = {
            ", ".join(f"{key}={value}" for key, value in r.items()) or "default": r for r in recipes
        }
    if FLOAT in recipes:
        raise octile.InvalidArgument(
            f"a recipe cannot be called '{FLOAT}': that row is always there"
        )
    floating = {"int8": False, "tactics": "first"}
    return [_Named(FLOAT, floating), *(_Named(name, dict(r)) for name, r in recipes.items())]


def _check_method(method: Any, percentile: Any) -> None:
    try:
        octile.threshold(np.ones(1, np.float32), method, percentile)
    except TypeError:
        raise TypeError(
            f"method={method!r}, percentile={percentile!r}: a name and a number are wanted"
        ) from None


def _tables(recipes: list[_Named], collected: Callable[[], octile.CalibrationData]) -> dict:
    """By recipe: its table, None for none, or what is wrong with its method. One collection
    serves all methods."""
    found: dict[str, Any] = {}
    wanted: dict[str, tuple[str, float]] = {}
    for recipe in recipes:
        how = recipe.options.pop("method", "entropy"), recipe.options.pop("percentile", 99.99)
        found[recipe.name] = recipe.options.pop("table", None)
        try:
            if recipe.needs_table() and found[recipe.name] is None:
                _check_method(*how)
                wanted[recipe.name] = how
        except Exception as error:
            found[recipe.name] = error
    if wanted:
        data = collected()
        made = {how: data.table(*how) for how in set(wanted.values())}
        found.update({name: made[how] for name, how in wanted.items()})
    return found


def _plans(
    network: octile.Network,
    recipes: list[_Named],
    tables: Mapping[str, Any],
    profile: dict[str, tuple],
    folder: Folder,
    workers: Workers,
) -> dict[str, Any]:
    """By recipe: the bytes of its plan, or the exception that ended its build."""
    model, build = [ray.put(network)], _build.options(**workers.options())
    own = {
        "int8": True,
        "profiles": profile,
        "threads": workers.threads,
        "device": workers.device,  # tactics are chosen where the plan will run
    }
    found: dict[str, Any] = {}
    ready: dict[str, tuple] = {}

    def submit(recipe: _Named) -> tuple[ray.ObjectRef, ray.ObjectRef]:
        ref = build.remote(model, *ready[recipe.name])
        return ref, ref

    for recipe in recipes:
        options, table = {**own, **recipe.options}, tables[recipe.name]
        try:
            key = _key_of(network, options, table)
            ready[recipe.name] = options, table, folder, key
        except Exception as error:
            found[recipe.name] = error
    work = [recipe for recipe in recipes if recipe.name in ready]
    for recipe, _, plan in finished(work, submit, workers, keep_errors=True):
        found[recipe.name] = plan
    return {recipe.name: found[recipe.name] for recipe in recipes}


def _key_of(network: octile.Network, options: dict[str, Any], table: Any) -> str:
    """Raises what is wrong with the recipe, as far as it shows before its build."""
    if isinstance(table, Exception):
        raise table
    if not isinstance(table, (octile.CalibrationTable, type(None))):
        raise TypeError(
            f"table: a CalibrationTable is wanted, not {type(table).__name__}; "
            "octile.CalibrationTable.load() reads a file"
        )
    digest = "" if table is None else table.to_json()
    return f"{digest_of(network.digest(), digest, code_of(sorted(options.items())))}.plan"


def _front(rows: list[Row]) -> None:
    """Marks those that no other is quicker and better than."""
    cost = "ms" if any(row["ms"] is not None for row in rows) else "bytes"
    for row in rows:
        row["pareto"] = row["value"] is not None and not any(
            other["value"] is not None
            and other[cost] <= row[cost]
            and other["value"] >= row["value"]
            and (other[cost], other["value"]) != (row[cost], row["value"])
            for other in rows
        )


def sweep(
    model: Model,
    recipes: Union[Mapping[str, Recipe], Sequence[Recipe]],
    dataset: ray.data.Dataset,
    metric: Union[str, Callable[[Outputs, Any], float]] = "top1",
    *,
    label: Optional[str] = None,
    calibration_set: Optional[ray.data.Dataset] = None,
    calibration: Optional[Mapping[str, Any]] = None,
    input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
    checkpoint: Union[str, os.PathLike] = "",
    **options: Any,
) -> Sweep:
    """Builds the model by each recipe and evaluates the plans, the float one first.

    recipes: by name, or a list: keywords of octile.build() (scheme, int8_layers, weight_scales,
    recipes and samples …), and method and percentile of the calibration; int8 unless said. One
    that fails, in its build or on a sample, has the reason as its row's error; the others go on.
    calibration_set: calibrated on (default: `dataset`); its columns are the network's inputs.
    calibration: keywords of collect() that differ (reproducible, preprocess, allow_mixed …).
    Other keywords: those of evaluate(). Milliseconds are of one sample, on one worker, when all
    else is done; 'where-it-pays' measures in each build's task: give workers whole cores for it.
    """
    connect()
    metric_of(metric, label is not None)  # refused before a long calibration
    if label is not None:
        check_column(dataset.columns() or [], label, "labels", "label=")
    network, shapes = network_of(model), dict(input_shapes or {})
    timed = options.pop("timed", True)
    folder = Folder(directory_of(checkpoint), f"sweep-{network.digest()}")
    shared = {"keep_checkpoint": True, "input_shapes": shapes, **options}
    if folder.used:
        shared["checkpoint"] = str(folder.path)
    keys = ("num_workers", "threads", "device", "retries", "task_options", "cancel")
    workers = Workers(**{key: options[key] for key in keys if options.get(key) is not None})

    def collected() -> octile.CalibrationData:
        over = dataset if calibration_set is None else calibration_set
        return collect(network, over, **{**shared, **(calibration or {})})

    named = _recipes(recipes)
    said = {recipe.name: repr(recipe.options) for recipe in named}
    plans = _plans(
        network, named, _tables(named, collected), profile_of(network, shapes), folder, workers
    )
    if isinstance(plans[FLOAT], Exception):
        raise plans[FLOAT]
    good = {name: plan for name, plan in plans.items() if not isinstance(plan, Exception)}
    found = evaluate(good, dataset, metric, label=label, reference=FLOAT, timed=timed, **shared)
    rows = _rows(plans, {row["model"]: row for row in found}, said)
    folder.remove()
    parsed = {name: octile.Plan.parse(plan) for name, plan in good.items()}
    return Sweep(rows, parsed, f"{network.name}: {rows[0]['metric']} of {len(rows)} engines")


def _rows(plans: Mapping[str, Any], found: Mapping[str, Row], said: Mapping[str, str]) -> list[Row]:
    """Of evaluated plans, and of recipes that gave none."""
    rows = []
    for name, plan in plans.items():
        row = dict(found.get(name, dict.fromkeys(found[FLOAT])))
        if name not in found:
            row["error"] = f"{type(plan).__name__}: {plan}"
        del row["model"]
        rows.append({"recipe": name, **row, "options": said[name]})
    _losses(rows)
    _front(rows)
    return rows


def _losses(rows: list[Row]) -> None:
    right = rows[0]["value"]
    for row in rows:
        known = right is not None and row["value"] is not None
        row["loss"] = right - row["value"] if known else None
