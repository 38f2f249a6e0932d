"""What benchmarks/peers judges by: ISA classes, best correct peer, bars, tables."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks/peers"
sys.path.insert(0, str(FOLDER))
bars = pytest.importorskip("bars", reason="benchmarks/peers is not here")
sys.path.remove(str(FOLDER))


def row(
    engine, precision, median, sqnr=30.0, *, model="resnet50", case=(1, 1), held=True, share=None
):
    batch, threads = case
    return {
        "model": model,
        "batch": batch,
        "threads": threads,
        "engine": engine,
        "precision": precision,
        "median_ms": median,
        "best_ms": median * 0.9,
        "sqnr_db": sqnr,
        "share_of_peak": share,
        "held_to_isa": held,
    }


@pytest.mark.parametrize(
    ("flags", "isa"),
    [
        ("fpu sse2", None),
        ("avx avx2 fma", "avx2"),
        ("avx2 avx_vnni", "avxvnni"),
        ("avx2 avx_vnni avx512f avx512_vnni", "avx512vnni"),
        ("avx2 avx512_vnni amx_bf16 amx_tile", "avx512vnni"),
        ("avx2 avx512_vnni amx_tile amx_int8", "amx"),
    ],
)
def test_the_isa_class_follows_from_the_flags(flags, isa):
    assert bars.class_of(flags.split()) == isa


def test_cpu_flags_are_read_from_the_kernels_file(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_int8\n")
    assert bars.class_of(bars.cpu_flags(file)) == "amx"


def test_bars_differ_by_case_and_end_with_the_issues_cases():
    assert bars.bar_of("avx512vnni", "resnet50", 1, 2) == 0.92
    assert bars.bar_of("avx512vnni", "resnet50", 8, 1) == 0.95
    assert bars.bar_of("avx2", "kws", 8, 1) == 0.85
    assert bars.bar_of("amx", "resnet50", 8, 2) is None
    assert bars.bar_of("avxvnni", "resnet50", 1, 1) is None


def test_every_model_has_a_bar_in_every_class():
    models = set(bars.BARS["amx"])
    assert len(models) == 9
    assert all(set(of) == models for of in bars.BARS.values())


def test_the_bar_is_the_quickest_int8_peer_within_three_decibels():
    rows = [
        row("octile", "int8", 9.0),
        row("quick-and-wrong", "int8", 1.0, 26.9),
        row("loose", "int8", 2.0, held=False),
        row("half", "bf16", 3.0),
        row("right", "int8", 10.0, 27.1),
        row("slow", "int8", 20.0, 40.0),
    ]
    v = bars.verdict(rows, "avx512vnni")
    assert (v["peer"], v["correct"], v["met"]) == ("right", True, True)
    assert v["ratio"] == pytest.approx(0.9)
    assert bars.why_no_bar(rows[1], rows[0]) == "inaccurate"
    assert bars.why_no_bar(rows[2], rows[0]) == "not held to the ISA"


def test_without_a_correct_peer_the_quickest_is_named_as_such():
    rows = [row("octile", "int8", 9.0, 40.0), row("peer", "int8", 9.0, 30.0)]
    v = bars.verdict(rows, "amx")
    assert (v["peer"], v["correct"], v["met"]) == ("peer", False, False)
    assert "no peer is as accurate" in bars.text_of(v)
    assert bars.verdict(rows[:1], "amx") is None
    assert bars.verdict(rows[1:], "amx") is None


def test_products_have_no_sqnr_and_every_peer_counts():
    rows = [
        row("octile", "int8", 1.0, None, model="gemm_1024"),
        row("peer", "int8", 1.0, None, model="gemm_1024"),
    ]
    assert bars.verdict(rows, "amx")["met"]


def test_a_share_of_the_peak_does_instead_of_the_ratio_where_the_issue_says_so():
    rows = [row("octile", "int8", 9.9, share=0.87), row("peer", "int8", 10.0)]
    assert bars.verdict(rows, "avx512vnni")["met"]
    assert not bars.verdict(rows, "amx")["met"]
    rows[0]["share_of_peak"] = 0.85
    assert not bars.verdict(rows, "avx512vnni")["met"]


def test_tables_tell_ratios_marks_and_gains():
    rows = [
        row("octile", "float", 30.0, None),
        row("octile", "int8", 10.0),
        row("octile", "int8_affine", 11.0),
        row("peer", "float", 20.0, None),
        row("peer", "int8", 5.0, 20.0),
        row("other", "int8", 20.0),
    ]
    text = "\n".join(bars.group_table(rows, "avx512vnni", 8e9))
    assert "inaccurate" in text and "octile int8 over other int8: 0.50" in text
    assert "800.0" in text  # GOP/s: 8 in 10 ms
    text = "\n".join(bars.summary(rows, "avx512vnni"))
    assert "0.50 / 0.92  ok" in text and "0.55 / 0.92  ok" in text
    assert "INT8 3.00x as quick as Octile's float, bar 3.3: MISSED" in text
    assert "float 1.50 of the best peer's, bar 1.05: MISSED" in text


def test_two_threads_are_held_against_one():
    rows = [row("octile", p, 10.0) for p in ("float", "int8")]
    rows.append(row("octile", "int8", 5.0, case=(1, 2)))
    assert bars.over_float(rows, "amx")[0].endswith("INT8 on 2 threads 2.00x as quick as on one")
    assert "threads" not in bars.over_float(rows[:2], "amx")[0]


def test_medians_and_bests_are_milliseconds():
    assert bars.summarize([3e6, 1e6, 2e6]) == (2.0, 1.0)
