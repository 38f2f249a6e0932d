"""The sweep as SVG files and as a few lines of text."""
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import TwoSlopeNorm

plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "octile", "font.family": "sans-serif", "font.size": 9,
                 "axes.spines.top": False, "axes.spines.right": False}
LOSES, PAYS = "#b2182b", "#2166ac"


def save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None},
                   facecolor="white")
    plt.close(figure)


def share(row):
    """Balance by T_float."""
    return row["balance_us"] / row["float_us"]


def singles(rows):
    return [r for r in rows if r["depth"] == 1]


def forms(rows):
    """(kernel, depthwise) as they are drawn: dense ones first."""
    return sorted({(r["kernel"], r["depthwise"]) for r in rows}, key=lambda f: (f[1], f[0]))


def form_name(kernel, depthwise):
    return f"{'depthwise ' * depthwise}{kernel}×{kernel}"


def maps(made, path):
    """Size × channels, a map for each form and batch: where the balance turns negative."""
    rows = singles(made["rows"])
    values = lambda key: sorted({r[key] for r in rows})
    sizes, channels, batches, columns = values("size"), values("channels"), values("batch"), forms(rows)
    figure, axes = plt.subplots(len(batches), len(columns), squeeze=False, sharex=True, sharey=True,
                                figsize=(2.1 * len(columns) + 1, 2.6 * len(batches)))
    for axis, (batch, form) in zip(axes.flat, [(b, f) for b in batches for f in columns]):
        grid = np.full((len(channels), len(sizes)), np.nan)
        for r in rows:
            if (r["batch"], r["kernel"], r["depthwise"]) == (batch, *form):
                grid[channels.index(r["channels"]), sizes.index(r["size"])] = 100 * share(r)
        image = axis.pcolormesh(np.clip(grid, -100, 100), cmap="RdBu", edgecolors="white", linewidth=0.5,
                                norm=TwoSlopeNorm(0, -100, 100))
        for (y, x), value in np.ndenumerate(grid):
            if value < 0:
                axis.text(x + .5, y + .5, f"{max(value, -999):.0f}", ha="center", va="center", fontsize=6,
                          color="white" if value < -60 else "black")
        axis.set_xticks(np.arange(len(sizes)) + .5, sizes, fontsize=7)
        axis.set_yticks(np.arange(len(channels)) + .5, channels, fontsize=7)
        axis.set_title(f"{form_name(*form)}, batch {batch}", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("height and width")
    for axis in axes[:, 0]:
        axis.set_ylabel("channels")
    figure.colorbar(image, ax=axes, label="balance, % of T_float (blue: INT8 pays)")
    save(figure, path)


CACHES = ((256 << 10, "up to 256 KiB"), (4 << 20, "up to 4 MiB"), (1 << 62, "more"))  # 4 bytes a value


def by_size(rows):
    """(text, rows) by how large the float input is."""
    least = 0
    for most, text in CACHES:
        some = [r for r in rows if least < 4 * r["values"] <= most]
        least = most
        if some:
            yield text, some


def intensity(made, path):
    """Balance by operations a converted byte; the mark tells how large the float input is."""
    figure, axis = plt.subplots(figsize=(6.5, 3.4))
    for (text, some), mark, colour in zip(by_size(singles(made["rows"])), "os^", ("#1b9e77", "#7570b3", "#d95f02")):
        for depthwise in (False, True):
            part = [r for r in some if r["depthwise"] == depthwise]
            axis.scatter([r["intensity"] for r in part], [100 * share(r) for r in part], s=12, marker=mark,
                         facecolors="none" if depthwise else colour, edgecolors=colour, linewidths=.7,
                         label=None if depthwise else f"float input {text}")
    axis.axhline(0, color="black", linewidth=.8)
    axis.set_xscale("log")
    axis.set_ylim(-100, 100)
    axis.set_xlabel("operations for each byte that two conversions move")
    axis.set_ylabel("balance, % of T_float")
    axis.legend(frameon=False, loc="lower right", title="hollow: depthwise")
    save(figure, path)


def depth(made, path):
    """Equal 1 × 1 convolutions in a row: conversions are paid once."""
    deep = [r for r in made["rows"] if r["depth"] > 1]
    size = deep[0]["size"]
    figure, axis = plt.subplots(figsize=(6.5, 2.8))
    for channels in sorted({r["channels"] for r in deep}):
        some = [r for r in made["rows"] if (r["size"], r["kernel"], r["batch"], r["channels"], r["depthwise"]) ==
                (size, 1, 1, channels, False)]
        some.sort(key=lambda r: r["depth"])
        axis.plot([r["depth"] for r in some], [r["balance_us"] for r in some], marker="o", markersize=3,
                  label=f"{channels} channels")
    axis.axhline(0, color="black", linewidth=.8)
    axis.set_xlabel(f"1×1 convolutions in a row, {size}×{size}")
    axis.set_ylabel("balance, µs")
    axis.legend(frameon=False)
    save(figure, path)


def levels(rows, schemes, methods, path):
    """Levels that tensors use, by scheme and method, each tensor a point: left without negative values, right with."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.2))
    spread = np.random.default_rng(1)
    for axis, one_sided in zip(axes, (True, False)):
        for i, (scheme, method) in enumerate((s, m) for s in schemes for m in methods):
            found = np.array([r["levels"] for r in rows if (r["scheme"], r["method"], r["one_sided"]) ==
                              (scheme, method, one_sided)])
            if found.size:
                counted, times = np.unique(found, return_counts=True)
                axis.scatter(i + spread.uniform(-.25, .25, counted.size), counted, s=3 + 60 * times / found.size,
                             color=("#7570b3", "#1b9e77")[schemes.index(scheme)], alpha=.6, linewidths=0)
                axis.plot([i - .35, i + .35], [np.median(found)] * 2, color="black", linewidth=1)
        axis.set_xticks(range(len(schemes) * len(methods)), [m for _ in schemes for m in methods], rotation=45,
                        ha="right", fontsize=7)
        axis.set_title(("no negative values" if one_sided else "both signs"), fontsize=9)
        axis.set_ylim(0, 262)
        axis.set_yticks([0, 64, 128, 192, 256])
    axes[0].set_ylabel("levels used, of 256")
    for scheme, colour in zip(schemes, ("#7570b3", "#1b9e77")):
        axes[1].scatter([], [], color=colour, s=12, label=scheme)
    axes[1].legend(frameon=False, loc="lower right", fontsize=7)
    save(figure, path)


FIGURES = (("balance", "Balance by channels and input size"), ("intensity", "Balance by operations a byte"),
           ("depth", "Balance of convolutions in a row"))


def draw(made, folder, prefix):
    for (name, _), figure in zip(FIGURES, (maps, intensity, depth)):
        figure(made, folder / f"int8-{prefix}{name}.svg")


def least_channels(rows, size):
    """From how many channels on INT8 pays at this size."""
    found = {r["channels"]: r["balance_us"] > 0 for r in rows if r["size"] == size}
    pays = [c for c in found if all(found[d] for d in found if d >= c)]
    return str(min(pays)) if pays else "never" if found else ""


def rates(rows):
    """The machine's rates by what was measured, and where they put the break-even."""
    busy = [r for r in rows if r["inputs"] >= 64 and r["kernel"] > 1]
    lines = []
    if busy:
        rate = lambda key: np.median([r["operations"] / r[key] / 1e3 for r in busy])
        float_rate, int8_rate = rate("float_us"), rate("int8_us")
        lines.append(f"- 64 channels and more, 3×3 and 5×5: float {float_rate:.0f} GOP/s, INT8 {int8_rate:.0f} GOP/s.")
    for text, part in by_size([r for r in rows if r["quantize_us"] > 1]):
        rate = lambda key: np.median([5 * r["values"] / r[key] / 1e3 for r in part])
        quantize, dequantize = rate("quantize_us"), rate("dequantize_pass_us")
        line = f"- float input {text}: quantize {quantize:.0f} GB/s, a dequantize of its own {dequantize:.0f} GB/s"
        if busy:
            even = 5 / quantize / 2 / (1 / float_rate - 1 / int8_rate)
            line += f"; so break-even at C·k² = {even:.0f}, if the output is converted by its kernel"
        lines.append(line + ".")
    return lines


def summary(made):
    """Where the balance turns, what the machine's rates are, and how far the balance can be trusted."""
    rows, some = made["rows"], singles(made["rows"])
    sizes = sorted({r["size"] for r in some})
    threads = f"{made['threads']} thread{'s' * (made['threads'] != 1)}, " if made["device"] == "cpu" else ""
    lines = [f"{made['machine']}, {threads}{len(rows)} networks, {made['date']}. From so many channels on INT8 pays, "
             "by height and width:", "",
             "| | " + " | ".join(map(str, sizes)) + " |", "|---" * (len(sizes) + 1) + "|"]
    for batch in sorted({r["batch"] for r in some}):
        for form in forms(some):
            these = [r for r in some if (r["batch"], r["kernel"], r["depthwise"]) == (batch, *form)]
            cells = [least_channels(these, size) for size in sizes]
            lines.append(f"| {form_name(*form)}, batch {batch} | " + " | ".join(cells) + " |")
    agree = sum((r["balance_us"] > 0) == (r["engine_int8_ms"] < r["engine_float_ms"]) for r in rows)
    apart = [abs(r["engine_float_ms"] - r["engine_int8_ms"] - r["balance_us"] / 1e3) / r["engine_float_ms"]
             for r in rows]
    lines += ["", f"- The balance has the sign of the whole engines' difference in {agree} of {len(rows)} networks; "
                  f"the two differ by {100 * np.median(apart):.1f} % of the float engine's time (median).", *rates(some)]
    return "\n".join(lines)
