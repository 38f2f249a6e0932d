#!/usr/bin/env python3
"""Opens reports in a headless Chromium and uses them: no errors, no requests, everything is shown,
sorted, found, selected, readable. Screenshots go to build/report-screenshots. Needs the program
octile_write_page of the build directory, and Chromium (tools/install_dependencies.sh browser).

    tools/check_report.py build/release [PAGE.html …]    pages: real ones, opened and photographed as well
"""
import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/report/page"))
import chromium  # noqa: E402
import synthetic_reports  # noqa: E402

AUDIT = (ROOT / "tests/report/page/audit.js").read_text()
SHOTS = ROOT / "build/report-screenshots"
DRAWN = """new Promise(done => { const look = () => document.body.dataset.drawn ? done() : setTimeout(look, 5); look() })"""
NAMES = "[...document.querySelectorAll('table.layers tbody tr')].map(row => row.querySelector('.c-name button').title)"
CHECKS = []


def check(report):
    """A check of one report's page, open on a desktop: function(page, the report as Python has it)."""
    def register(function):
        CHECKS.append((report, function))
        return function
    return register


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.300}, wanted {wanted!r:.300}")


def click(page, selector, text=None):
    page.run(f"""(() => {{ const found = [...document.querySelectorAll({json.dumps(selector)})]
        .filter(e => {json.dumps(text)} === null || e.textContent.startsWith({json.dumps(text)}));
        if (!found.length) throw Error('nothing to click: ' + {json.dumps(selector)});
        found[0].dispatchEvent(new MouseEvent('click', {{bubbles: true}})) }})()""")


def search(page, words):
    page.run(f"""(() => {{ const box = document.getElementById('search'); box.value = {json.dumps(words)};
        box.dispatchEvent(new Event('input')) }})()""")


def sorted_names(report, key, way):
    """Names by a key, what has none last, ties in running order."""
    groups = report["groups"]
    have = sorted((g for g in groups if g[key] is not None), key=lambda g: way * g[key])
    return [g["name"] for g in have] + [g["name"] for g in groups if g[key] is None]


@check("resnet50")
def headline_tells_speed_accuracy_and_size(page, report):
    engines = {engine["name"]: engine for engine in report["engines"]}
    ratio = engines["float"]["ms"] / engines["chosen"]["ms"]
    expect("headline", page.run("document.querySelector('.hero').textContent"), f"{ratio:.2f}× faster than float")
    stats = page.run("document.querySelector('.stats').innerText")
    for part in ("−0.21 pt", "75.92 against 76.13 %", "27.2 MB", "54 of 57"):
        expect(f"{part} in {stats}", part in stats, True)
    expect("kept", page.run("document.querySelector('.engines thead .kept').textContent"), "Chosen✓ kept")
    expect("columns", page.run("document.querySelectorAll('.engines thead th').length"), 3)


@check("stays_float")
def float_is_kept_where_int8_does_not_pay(page, report):
    expect("headline", page.run("document.querySelector('.hero').textContent"),
           "INT8 does not pay here: the engine stays float")
    expect("kept", page.run("document.querySelector('.engines thead .kept').textContent"), "Float✓ kept")
    expect("reason", page.run("document.querySelector('.reason').textContent"), report["groups"][0]["reason"])


@check("resnet50")
def table_has_every_layer_and_sorts_by_every_column(page, report):
    expect("running order", page.run(NAMES), [group["name"] for group in report["groups"]])
    for key in ("float_us", "int8_us", "quantize_us", "dequantize_us", "gain_us", "spread", "sqnr_db", "macs"):
        first = 1 if key in ("gain_us", "sqnr_db") else -1  # losses and noise: worst first
        for way in (first, -first):
            click(page, f"th.c-{key} button")
            expect(f"by {key}", page.run(NAMES), sorted_names(report, key, way))
            expect("aria-sort", page.run(f"document.querySelector('th.c-{key}').ariaSort"),
                   "ascending" if way > 0 else "descending")
    for key in ("index", "name", "precision", "why", "levels", "shape"):
        before = page.run(NAMES)
        click(page, f"th.c-{key} button")
        click(page, f"th.c-{key} button")
        expect(f"by {key}: changed", page.run(NAMES) != before, True)
        expect(f"by {key}: all there", sorted(page.run(NAMES)), sorted(before))
    click(page, ".chips button", "Noisiest first")
    expect("noisiest first", page.run(NAMES), sorted_names(report, "sqnr_db", 1))
    click(page, ".chips button", "Running order")


@check("detector")
def search_and_filters_find_layers(page, report):
    search(page, "DARK2 csp.m.1")
    expect("search", page.run(NAMES),
           [g["name"] for g in report["groups"] if "dark2" in g["name"] and "csp.m.1" in g["name"]])
    search(page, "no range for tensor")
    expect("search by reason", page.run(NAMES), [g["name"] for g in report["groups"] if "no range" in g["refusal"]])
    search(page, "")
    click(page, ".chips button", "float32")
    expect("filter", page.run(NAMES), [g["name"] for g in report["groups"] if g["precision"] == "float32"])
    click(page, ".chips button", "All")
    expect("all again", len(page.run(NAMES)), len(report["groups"]))


@check("resnet50")
def details_open_by_key_tell_all_and_close(page, report):
    group = report["groups"][5]
    page.run("document.querySelectorAll('.layers tbody .c-name button')[5].focus()")
    page.key("Enter")
    expect("open", page.run("document.getElementById('details').hidden"), False)
    expect("title", page.run("document.getElementById('details-title').textContent"), group["name"])
    expect("focus", page.run("document.activeElement.id"), "details")
    expect("selected row", page.run("document.querySelector('.layers tr.selected .c-name button').title"), group["name"])
    text = page.run("document.getElementById('details').innerText")
    tensors = [report["tensors"][t] for t in {*group["inputs"], group["output"]}]
    for part in (group["reason"], f"{group['sqnr_db']:.1f} dB", "Narrow and symmetric", "99 % of the weights",
                 *(f"{t['levels_used']} of 256 levels used" for t in tensors)):
        expect(f"{part!r} in {text!r}", part in text, True)
    methods = sum(len(tensor["thresholds"]) for tensor in tensors)
    expect("methods", page.run("document.querySelectorAll('.thresholds tbody tr').length"), methods)
    expect("used", page.run("document.querySelectorAll('.thresholds tr.used').length"), len(tensors))
    expect("clipped", page.run("document.querySelectorAll('#details rect.clipped').length >= 1"), True)
    click(page, "#details button", "→")
    expect("next", page.run("document.getElementById('details-title').textContent"), report["groups"][6]["name"])
    page.key("Escape")
    expect("closed", page.run("document.getElementById('details').hidden"), True)
    expect("focus back", page.run("document.activeElement.title"), group["name"])


@check("detector")
def graph_has_nodes_apart_and_conversions_once(page, report):
    expect("nodes", page.run("document.querySelectorAll('.node:not(.input)').length"), len(report["groups"]))
    labels = page.run("[...document.querySelectorAll('.node:not(.input)')].map(n => n.getAttribute('aria-label'))")
    for group, label in zip(report["groups"], labels):
        expect("label", label.startswith(group["name"] + ", " + {"int8": "INT8"}.get(group["precision"], group["precision"])), True)
    converted = sum(tensor["precision"] == "both" for tensor in report["tensors"])
    expect("conversions", page.run("document.querySelectorAll('.conversion').length"), converted)
    boxes = page.run("""[...document.querySelectorAll('.node .box')].map(box => { const r = box.getBoundingClientRect();
        return [r.left, r.top, r.right, r.bottom].map(Math.round) })""")
    boxes.sort(key=lambda box: (box[1], box[0]))
    for a, b in zip(boxes, boxes[1:]):
        expect(f"{a} and {b} overlap", a[1] == b[1] and a[2] > b[0] or a[1] != b[1] and a[3] > b[1], False)


@check("gpu")
def graph_is_walked_by_keys(page, report):
    page.run("document.querySelector('.node[tabindex=\"0\"]').focus()")
    page.key("ArrowDown")
    page.key("Enter")
    expect("selected", page.run("document.getElementById('details-title').textContent"), report["groups"][1]["name"])
    expect("node", page.run("document.querySelector('.node.selected title').textContent").split(",")[0], report["groups"][1]["name"])
    page.key("Escape")
    expect("float16", page.run("document.querySelectorAll('.badge.of-float16').length > 0"), True)


@check("resnet50")
def theme_is_chosen(page, report):
    colors = set()
    for theme in ("light", "dark", "auto"):
        click(page, "#theme")
        expect("theme", page.run("document.documentElement.dataset.theme"), theme)
        colors.add(page.run("getComputedStyle(document.body).backgroundColor"))
    expect("two palettes", len(colors), 2)


@check("resnet50")
def everything_is_there_for_printing(page, report):
    shown = page.run("document.querySelectorAll('.pays li').length")
    expect("folded before", shown < len(report["groups"]), True)
    page.pdf(SHOTS / "resnet50-print.pdf")
    expect("bars", page.run("document.querySelectorAll('.pays li').length"), len(report["groups"]))
    histograms = sum(t["histogram"] is not None for t in report["tensors"]) + sum(g["weights"] is not None for g in report["groups"])
    expect("cards", page.run("document.querySelectorAll('.cards li').length"), histograms)


@check("resnet50")
def pareto_curve_has_every_point(page, report):
    expect("points", page.run("document.querySelectorAll('.point').length"), len(report["pareto"]))
    expect("rows", page.run("document.querySelectorAll('.points tbody tr').length"), len(report["pareto"]))
    places = page.run("[...document.querySelectorAll('.point circle')].map(c => [c.cx.baseVal.value, -c.cy.baseVal.value])")
    for axis, key in ((0, "ms"), (1, "sqnr_db")):
        values = [point[key] for point in report["pareto"] if point[key] is not None]
        order = sorted(range(len(values)), key=lambda i: values[i])
        expect(f"order by {key}", sorted(order, key=lambda i: places[i][axis]), order)


@check("hostile")
def names_are_text(page, report):
    expect("model", page.run("document.getElementById('model').textContent"), report["model"])
    expect("hacked", page.run("typeof window.hacked"), "undefined")
    names = [group and group["name"] or f"layer {i}" for i, group in enumerate(report["groups"])]
    expect("names", page.run(NAMES), names)
    for i in range(len(names)):
        page.run(f"document.querySelectorAll('.layers tbody tr')[{i}].click()")
        expect("details", page.run("document.getElementById('details-title').textContent"), names[i])
    page.key("Escape")
    expect("elements from outside", page.run("document.querySelectorAll('img, iframe, [onerror], a[href^=javascript]').length"), 0)


def quiet(page):
    expect("console", page.errors, [])
    expect("requests", [url for url in page.requests if not url.startswith("data:")], [])


def looked_at(browser, name, path):
    """Every way to look at a page: audited, and photographed."""
    for look, how in (("light", {}), ("dark", {"dark": True}), ("phone", {"width": 390, "height": 844, "phone": True})):
        page = chromium.Page(browser, **how)
        page.open(path)
        page.run(DRAWN)
        page.screenshot(SHOTS / f"{name}-{look}.png")
        expect(f"audit, {look}", page.run(AUDIT), [])
        if page.run("document.querySelectorAll('.layers tbody tr').length"):
            click(page, ".layers tbody tr")
            page.screenshot(SHOTS / f"{name}-details-{look}.png", whole=False)
            expect(f"audit of details, {look}", page.run(AUDIT), [])
        quiet(page)
        page.close()


def used(browser, path, function, report):
    page = chromium.Page(browser)
    page.open(path)
    page.run(DRAWN)
    function(page, report)
    quiet(page)
    page.close()


def opens_quickly(browser, path):
    page = chromium.Page(browser)
    seconds = min(page.open(path) + page.run(f"(async () => {{ const t = performance.now(); await {DRAWN}; "
                  "return (performance.now() - t) / 1000 })()") for _ in range(3))
    size = path.stat().st_size
    print(f"{path.stem}: drawn whole after {seconds:.2f} s, {size / 1000:.0f} kB")
    expect("under 2 s", seconds < 2, True)
    expect("under 5 MB", size < 5e6, True)
    page.close()


def write_pages(program, folder):
    for name, make in synthetic_reports.REPORTS.items():
        (folder / f"{name}.json").write_text(json.dumps(make()))
        subprocess.run([program, folder / f"{name}.json", folder / f"{name}.html"], check=True)


def run_checks(browser, folder, pages):
    """(what, function) of all there is to check, one after the other."""
    for name in synthetic_reports.REPORTS:
        path = folder / f"{name}.html"
        yield f"{name} looked at", functools.partial(looked_at, browser, name, path)
    for path in map(Path, pages):
        yield f"{path} looked at", functools.partial(looked_at, browser, path.stem, path)
    for name, function in CHECKS:
        yield f"{name}: {function.__name__.replace('_', ' ')}", functools.partial(
            used, browser, folder / f"{name}.html", function, synthetic_reports.REPORTS[name]())
    for name in ("resnet50", "detector"):
        yield f"{name} opens quickly", functools.partial(opens_quickly, browser, folder / f"{name}.html")


def main():
    program = chromium.find()
    if program is None:
        print("skipped: check-report: no Chromium here (apt-get install chromium)\n0 passed, 0 failed, 1 skipped")
        return 0
    SHOTS.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder, chromium.Browser(program) as browser:
        write_pages(Path(sys.argv[1]) / "tests/octile_write_page", Path(folder))
        for what, function in run_checks(browser, Path(folder), sys.argv[2:]):
            try:
                function()
                passed += 1
            except (AssertionError, RuntimeError) as error:
                failed += 1
                print(f"FAILED: {what}: {error}")
    print(f"screenshots: {SHOTS.relative_to(ROOT)}\n{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
