"""What benchmarks/precision judges by, and how it writes documentation."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks/precision"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="benchmarks/precision is not here")


def module(name):
    spec = importlib.util.spec_from_file_location(f"precision_{name}", FOLDER / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def row(**more):
    return {
        "model": "m",
        "device": "cpu",
        "scheme": "static-symmetric",
        "isa": "avx2",
        "threads": 1,
        "batch": 1,
        "metric": "top1",
        "float_ms": 4.0,
        "int8_ms": 2.0,
        "chosen_ms": 2.0,
        "predicted_ms": 2.0,
        "ratio": 1.0,
        "ratio_of_bests": 1.0,
        "float_metric": 90.0,
        "int8_metric": 89.0,
        "chosen_metric": 89.0,
        "int8_sqnr_db": 30.0,
        "chosen_sqnr_db": 30.0,
        "weighted_int8": 3,
        "weighted": 4,
        "asked_loss": None,
        "got_loss": None,
        **more,
    }


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, "ok"),
        ({"ratio": 1.021}, "SLOWER"),
        ({"ratio": 0.95}, "beats both"),
        ({"ratio": 0.9, "chosen_sqnr_db": 20.0}, "beats both, MORE NOISE"),
        ({"chosen_sqnr_db": 28.9}, "MORE NOISE"),
        ({"chosen_sqnr_db": None}, "less noise"),
        ({"asked_loss": 0.3, "got_loss": 0.3}, "kept, 0.30 of 0.3 points lost"),
        ({"asked_loss": 0.3, "got_loss": 0.31, "ratio": 3.0}, "NOT KEPT, 0.31 of 0.3 points lost"),
    ],
)
def test_verdict(more, verdict):
    assert module("bars").verdict(row(**more)) == verdict


def test_summary_counts():
    bars = module("bars")
    rows = [
        row(),
        row(ratio=1.5, predicted_ms=1.0),
        row(ratio=0.8, chosen_sqnr_db=35.0),
        row(asked_loss=0.3, got_loss=0.1),
        row(asked_loss=0.3, got_loss=0.4),
    ]
    text = bars.summary(rows)
    assert "at most 1.02 in 2 of 3 rows" in text
    assert "quicker than both in 1." in text
    assert "less noise in 1, more in 0" in text
    assert "kept its word in 1 of 2 rows" in text
    assert "15 % off: m static-symmetric -50 %" in text
    assert bars.markdown({"machine": "x", "date": "d", "rows": rows}).count("\n| m |") == 5


def test_put_replaces_what_stands_between_the_marks(tmp_path):
    snippets, page = module("snippets"), tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\nkept\n<!-- /y -->\n")
    for _ in range(2):
        snippets.put(page, "x", "new\n")
    assert page.read_text() == (
        "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n<!-- y -->\nkept\n<!-- /y -->\n"
    )
    with pytest.raises(SystemExit):
        snippets.put(page, "z", "new")
