"""The sweep, and the levels in use, as SVG files."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from findings import by_size, form_name, forms, share, singles
from matplotlib.colors import TwoSlopeNorm

plt.rcParams |= {
    "svg.fonttype": "none",
    "svg.hashsalt": "octile",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
COLOURS = ("#1b9e77", "#7570b3", "#d95f02")


def save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(
        path,
        format="svg",
        bbox_inches="tight",
        metadata={"Date": None, "Creator": None},
        facecolor="white",
    )
    plt.close(figure)


def balance_grid(rows, channels, sizes):
    """Balance in % of T_float by channels and size; NaN where nothing was measured."""
    grid = np.full((len(channels), len(sizes)), np.nan)
    for r in rows:
        grid[channels.index(r["channels"]), sizes.index(r["size"])] = 100 * share(r)
    return grid


def draw_grid(axis, grid):
    image = axis.pcolormesh(
        np.clip(grid, -100, 100),
        cmap="RdBu",
        edgecolors="white",
        linewidth=0.5,
        norm=TwoSlopeNorm(0, -100, 100),
    )
    for (y, x), value in np.ndenumerate(grid):
        if value < 0:
            colour = "white" if value < -60 else "black"
            where = {"ha": "center", "va": "center"}
            axis.text(x + 0.5, y + 0.5, f"{value:.0f}", fontsize=6, color=colour, **where)
    return image


def maps(made, path):
    """Size × channels, a map for each form and batch: where the balance turns negative."""
    rows = singles(made["rows"])
    sizes, channels, batches = (
        sorted({r[key] for r in rows}) for key in ("size", "channels", "batch")
    )
    columns = forms(rows)
    figure, axes = plt.subplots(
        len(batches),
        len(columns),
        squeeze=False,
        sharex=True,
        sharey=True,
        figsize=(2.1 * len(columns) + 1, 2.6 * len(batches)),
    )
    for axis, (batch, form) in zip(axes.flat, [(b, f) for b in batches for f in columns]):
        these = [r for r in rows if (r["batch"], r["kernel"], r["depthwise"]) == (batch, *form)]
        image = draw_grid(axis, balance_grid(these, channels, sizes))
        axis.set_xticks(np.arange(len(sizes)) + 0.5, sizes, fontsize=6)
        axis.set_yticks(np.arange(len(channels)) + 0.5, channels, fontsize=7)
        axis.set_title(f"{form_name(*form)}, batch {batch}", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("height and width")
    for axis in axes[:, 0]:
        axis.set_ylabel("channels")
    figure.colorbar(image, ax=axes, label="balance, % of T_float (blue: INT8 pays)")
    save(figure, path)


def intensity(made, path):
    """Balance by operations a converted byte; the mark tells how large the float input is."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for (text, some), mark, colour in zip(by_size(singles(made["rows"])), "os^", COLOURS):
        for depthwise in (False, True):
            part = [r for r in some if r["depthwise"] == depthwise]
            axis.scatter(
                [r["intensity"] for r in part],
                [100 * share(r) for r in part],
                s=12,
                marker=mark,
                facecolors="none" if depthwise else colour,
                edgecolors=colour,
                linewidths=0.7,
                label=None if depthwise else f"float input {text}",
            )
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_ylim(-100, 100)
    axis.set_xlabel("operations for each byte that two conversions move")
    axis.set_ylabel("balance, % of T_float")
    axis.legend(frameon=False, loc="lower right", title="hollow: depthwise")
    save(figure, path)


def depth(made, path):
    """Equal 1 × 1 convolutions in a row: conversions are paid once."""
    deep = [r for r in made["rows"] if r["depth"] > 1]
    size = max((r["size"] for r in deep), default=0)
    figure, axis = plt.subplots(figsize=(6.5, 2.8))
    for channels in sorted({r["channels"] for r in deep}):
        some = [
            r
            for r in made["rows"]
            if (r["size"], r["kernel"], r["batch"], r["channels"], r["depthwise"])
            == (size, 1, 1, channels, False)
        ]
        some.sort(key=lambda r: r["depth"])
        axis.plot(
            [r["depth"] for r in some],
            [r["balance_us"] for r in some],
            marker="o",
            markersize=3,
            label=f"{channels} channels",
        )
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xlabel(f"1×1 convolutions in a row, {size}×{size}")
    axis.set_ylabel("balance, µs")
    axis.legend(frameon=False)
    save(figure, path)


def draw_levels(axis, rows, columns, colours):
    """Boxes: the middle half of the tensors; whiskers: all but the outer 5 % on each side."""
    for i, column in enumerate(columns):
        found = [r["levels"] for r in rows if (r["scheme"], r["method"]) == column]
        if not found:
            continue
        boxes = axis.boxplot(
            [found], positions=[i], widths=0.6, whis=(5, 95), showfliers=False, patch_artist=True
        )
        boxes["boxes"][0].set(facecolor=colours[column[0]], alpha=0.6)
        boxes["medians"][0].set(color="black", linewidth=1.5)
    names = [method for _, method in columns]
    axis.set_xticks(range(len(columns)), names, rotation=45, ha="right", fontsize=7)
    axis.set_xlim(-0.6, len(columns) - 0.4)
    axis.set_ylim(0, 262)
    axis.set_yticks([0, 64, 128, 192, 256])


def levels(rows, schemes, methods, path):
    """Levels that tensors use, by scheme and method: without negative values, and with."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.2))
    columns = [(scheme, method) for scheme in schemes for method in methods]
    colours = dict(zip(schemes, COLOURS))
    for axis, one_sided in zip(axes, (True, False)):
        draw_levels(axis, [r for r in rows if r["one_sided"] == one_sided], columns, colours)
        axis.set_title("no negative values" if one_sided else "both signs", fontsize=9)
    axes[0].set_ylabel("levels used, of 256")
    for scheme, colour in colours.items():
        axes[1].scatter([], [], color=colour, s=12, marker="s", label=scheme)
    axes[1].legend(frameon=False, loc="lower right", fontsize=7)
    save(figure, path)


FIGURES = (
    ("balance", "Balance by channels and input size"),
    ("intensity", "Balance by operations a byte"),
    ("depth", "Balance of convolutions in a row"),
)


def draw(made, folder, prefix):
    for (name, _), figure in zip(FIGURES, (maps, intensity, depth)):
        figure(made, folder / f"int8-{prefix}{name}.svg")
