"""How long `octile build --int8` takes: ResNet-50 from ONNX, 100 calibration images, 2 threads.

First with an empty timing cache, then with the full one; the float engine's forward passes over the
same images, timed by `octile bench`, tell how much of it is inference.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import models
import numpy as np

IMAGES, THREADS = 100, 2


def images(folder):
    """100 samples beside the model's own."""
    path = folder / f"calibration-{IMAGES}.npy"
    if not path.exists():
        partial = folder / "calibration.partial.npy"
        np.save(partial, models.drawn(models.SPECS["resnet50"], IMAGES, np.random.default_rng(2)))
        os.replace(partial, path)
    return path


def measure(program, folder, machine, say):
    """Seconds: {"empty_cache", "full_cache", "float_passes", "beyond_float"}; None: it failed."""
    program = Path(program).resolve()
    cores = machine.cores[:THREADS]

    def run(*args, **how):
        return subprocess.run(
            [program, "--threads", str(THREADS), *map(str, args)],
            check=True,
            env=machine.env,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            **how,
        )

    model, data = folder / "float.onnx", images(folder)
    shape = "x".join(map(str, models.SPECS["resnet50"].shape))
    profile = f"input:1x{shape}/1x{shape}/1x{shape}"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            scratch, took = Path(name), {}
            for kind in ("empty_cache", "full_cache"):
                say(f"octile build --int8: ResNet-50, {IMAGES} images, {kind.replace('_', ' ')}")
                begin = time.monotonic()
                run(
                    "build",
                    model,
                    "--int8",
                    "--calibrate",
                    data,
                    "--profile",
                    profile,
                    "--timing-cache",
                    scratch / "timing.cache",
                    "-o",
                    scratch / "int8.plan",
                    stdout=subprocess.DEVNULL,
                )
                took[kind] = time.monotonic() - begin
            run(
                "-q",
                "build",
                model,
                "--profile",
                profile,
                "--timing-cache",
                scratch / "timing.cache",
                "-o",
                scratch / "float.plan",
                stdout=subprocess.DEVNULL,
            )
            done = run(
                "-q", "bench", scratch / "float.plan", "--json", stdout=subprocess.PIPE, text=True
            )
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"the build's time is left out: {error}")
        return None
    passes = IMAGES * json.loads(done.stdout)["latency_ms"]["p50"] / 1e3
    return {**took, "float_passes": passes, "beyond_float": took["full_cache"] - passes}


def text_of(took):
    empty, full, beyond = took["empty_cache"], took["full_cache"], took["beyond_float"]
    return (
        f"octile build --int8, ResNet-50, {IMAGES} images, {THREADS} threads: "
        f"{empty:.1f} s with an empty timing cache (bar 60); with a full one {full:.1f} s, "
        f"{beyond:.1f} s beyond the float passes (bar 15)"
    )
