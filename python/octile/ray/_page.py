"""The page of a sweep: its table, and time against the metric with the Pareto front, as SVG."""

from __future__ import annotations

import math
from html import escape
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 680, 400, 64, 150, 24, 48
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1c20; --soft: #6a707c; --line: #d9dce2;
  --front: #0b6bcb; --ground: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #9aa1ad; --line: #3a3f49;
  --front: #6cb2ff; --ground: #16181d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } svg { width: 100%; height: auto; max-width: 680px; }
svg text { font-size: 12px; fill: var(--soft); } svg .name { fill: var(--ink); }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); }
.curve { fill: none; stroke: var(--front); stroke-width: 2; }
circle { fill: var(--soft); } circle.front { fill: var(--front); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.front th { color: var(--front); } .error { color: #c2352b; }
"""


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round values within [low, high], about so many."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def _around(values: list[float], share: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * share
    return low - room, high + room


def _axes(x: Any, y: Any, xs: tuple[float, float], ys: tuple[float, float], names: tuple) -> list:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for value in _ticks(*ys, 5):
        at = y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        text = f'text-anchor="end">{value:g}</text>'
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" {text}')
    for value in _ticks(*xs, 6):
        parts.append(
            f'<text x="{x(value):.1f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{names[0]}</text>')
    parts.append(f'<text x="4" y="14">{names[1]}</text>')
    return parts


def _picture(rows: list[dict], cost: str, label: str) -> str:
    metric = escape(str(rows[0]["metric"]))
    xs = _around([row[cost] for row in rows], 0.08)
    ys = _around([row["value"] for row in rows], 0.12)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + (value - xs[0]) / (xs[1] - xs[0]) * width

    def y(value: float) -> float:
        return _TOP + (ys[1] - value) / (ys[1] - ys[0]) * height

    parts = _axes(x, y, xs, ys, (f"{label} → more", f"↑ better: {metric}"))
    front = sorted((row[cost], row["value"]) for row in rows if row["pareto"])
    line = " L ".join(f"{x(a):.1f} {y(b):.1f}" for a, b in front)
    parts.append(f'<path class="curve" d="M {line}"/>')
    for row in rows:
        left, top = x(row[cost]), y(row["value"])
        kind, name = "front" if row["pareto"] else "", escape(row["recipe"])
        tip = f"{name}: {row['value']:.6g} {metric}, {row[cost]:.4g} {label}"
        circle = f'<circle class="{kind}" cx="{left:.1f}" cy="{top:.1f}" r="5">'
        parts.append(f"{circle}<title>{tip}</title></circle>")
        parts.append(f'<text class="name" x="{left + 9:.1f}" y="{top + 4:.1f}">{name}</text>')
    view = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label} against {metric}"'
    return f"<svg {view}>{''.join(parts)}</svg>"


def _cell(value: Any, form: str = "") -> str:
    text = "–" if value is None else format(value, form)
    return f'<td class="number">{text}</td>'


def _row(row: dict) -> str:
    kind = ' class="front"' if row["pareto"] else ""
    error = f'<td class="error">{escape(row["error"])}</td>' if row["error"] else "<td></td>"
    cells = [
        _cell(row["value"], ".6g"),
        _cell(row["loss"], ".3g"),
        _cell(row["ms"], ".4g"),
        _cell(row["bytes"], ","),
        _cell(row["int8_steps"]),
    ]
    options = f"<td><code>{escape(row['options'])}</code></td>"
    return f"<tr{kind}><th>{escape(row['recipe'])}</th>{''.join(cells)}{options}{error}</tr>"


def page(title: str, rows: list[dict]) -> str:
    """One HTML page with everything in it."""
    cost, label = ("ms", "ms a sample")
    if not any(row["ms"] is not None for row in rows):
        cost, label = "bytes", "bytes of the plan"
    drawn = [
        row
        for row in rows
        if row[cost] is not None and row["value"] is not None and math.isfinite(row["value"])
    ]
    picture = _picture(drawn, cost, label) if drawn else "<p>No engine could be evaluated.</p>"
    heads = ("recipe", "value", "loss", "ms", "bytes", "int8 steps", "options", "")
    kinds = ("", *['class="number"'] * 5, "", "")
    head = "".join(f"<th {kind}>{text}</th>" for text, kind in zip(heads, kinds))
    body = "".join(_row(row) for row in rows)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{picture}"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></html>\n"
    )
