"""The C++ layer benchmark (octile_bench_layers), where it was built: register peaks, layers."""

import json
import subprocess
import tempfile
from pathlib import Path

# What the ISA's dot products are made of, in octile_bench_layers' words: INT8 and float.
SEQUENCES = {
    "avx2": ("vpmaddubsw_ymm", "fp32_fma_ymm"),
    "avxvnni": ("vpdpbusd_ymm", "fp32_fma_ymm"),
    "avx512vnni": ("vpdpbusd_zmm", "fp32_fma_zmm"),
    "amx": ("tdpbusd", "fp32_fma_zmm"),
}


def program_of(octile):
    """Beside the `octile` program of a build directory; None: not built."""
    path = Path(octile).parent / "benchmarks/layers/octile_bench_layers"
    return path if path.exists() else None


def run(program, machine, *flags):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "layers.json"
        held = ["--isa", machine.isa] if machine.forced else []
        subprocess.run(
            [program, *flags, *held, "--json", file],
            check=True,
            env=machine.env,
            stdout=subprocess.DEVNULL,
        )
        return json.loads(file.read_text())


def peaks(octile, machine, threads, say):
    """{"int8": {threads: GOP/s}, "float": …} of the ISA's sequences; None without the program."""
    program = program_of(octile)
    if program is None:
        say("shares of the peak are left out: octile_bench_layers is not built")
        return None
    say("register peaks")
    try:
        found = run(
            program,
            machine,
            "--quick",
            "--filter",
            "gemm-1024x1024x1024",
            "--threads",
            str(max(threads)),
        )["peaks"]
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"shares of the peak are left out: {error}")
        return None
    int8, floats = (
        {int(n): v for n, v in found.get(name, {}).items()} for name in SEQUENCES[machine.isa]
    )
    return {"int8": int8, "float": floats}


def shares(octile, machine, say):
    """Layers: the quickest tactic with its share of its bound, oneDNN; [] without the program."""
    program = program_of(octile)
    if program is None:
        return []
    say("single layers (octile_bench_layers)")
    try:
        rows = run(program, machine, "--threads", "1")["layers"]
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"layers are left out: {error}")
        return []
    return [row for row in rows if row["engine"] != "octile" or row["chosen"]]


def share_of(peak, precision, gops, threads):
    """Of the measured peak on as many threads; None where it is not known."""
    by_threads = (peak or {}).get("float" if precision == "float" else "int8", {})
    at = by_threads.get(threads)
    return gops / at if at and precision != "bf16" else None
