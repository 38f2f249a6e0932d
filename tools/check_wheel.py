#!/usr/bin/env python3
"""Checks an installed wheel: it needs no library of the system but the C and C++ runtimes, runs,
starts the command-line program, and lives beside packages that bring libraries of the same names.

    ENV/bin/python3 -I tools/check_wheel.py ENV
"""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# What every manylinux system has (PEP 600); everything else must come with the wheel.
SYSTEM = re.compile(
    r"^(ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libutil|libstdc\+\+|libgcc_s|libz)\.so"
)
TINY = """
import numpy as np
import octile
net = octile.Network("tiny")
x = net.add_input("x", "float32", (-1, 3, 8, 8))
w = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
x = net.activation(net.convolution(x, w, padding=1), "relu")
net.mark_output(x, "y")
net = octile.import_onnx(octile.export_onnx_bytes(net))
data = np.random.default_rng(1).normal(size=(2, 8, 3, 8, 8)).astype(np.float32)
table = octile.calibrate(net, list(data), method="minmax")
profile = [{"x": ((1, 3, 8, 8), (8, 3, 8, 8), (8, 3, 8, 8))}]
runs = [octile.Engine(octile.build(net, t, int8=t is not None, int8_layers="all",
                                   profiles=profile)).create_context().run(data[0])["y"] for t in (None, table)]
error = abs(runs[0] - runs[1]).max() / abs(runs[0]).max()
assert runs[1].shape == (8, 4, 8, 8) and 0 < error < 0.05, error
"""
MAPPED = """
print("\\n".join({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}))
"""
# onnx's own protobuf at work.
PARSE = """
text = '<ir_version: 8, opset_import: ["" : 17]> g (float[N] x) => (float[N] y) {y = Relu(x)}'
onnx.checker.check_model(onnx.parser.parse_model(text))
"""


def python(code):
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"exit code {run.returncode} of:\n{code}\n{run.stdout}{run.stderr}")
    return run.stdout


def foreign(paths, environment):
    """Libraries from outside the environment that no manylinux system promises."""
    interpreter = Path(sys.base_prefix)
    found = []
    for path in paths:
        inside = path.is_relative_to(environment) or "/lib-dynload/" in str(path)
        if not inside and not SYSTEM.match(path.name) and not path.name.startswith("libpython"):
            found.append(str(path))
    return [path for path in found if not path.startswith(str(interpreter / "lib" / "python"))]


def check_serve(environment):
    """octile-serve is installed, and where KServe is not, who starts it is told the extra's name."""
    serve, program = environment / "bin" / "octile-serve", environment / "bin" / "octile"
    cases = [([serve, "--help"], 0, "MODEL_DIR")]
    if find_spec("kserve") is None:
        cases += [([*start, "."], 1, ".[serve]") for start in ([serve], [program, "serve"])]
    for command, code, text in cases:
        said = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.defpath})
        if said.returncode != code or text not in said.stdout + said.stderr:
            sys.exit(f"{command}: exit code {said.returncode}: {said.stdout}{said.stderr}")
    print("ok: octile-serve is there")


def main():
    environment = Path(sys.argv[1]).resolve()
    # What Python's own modules bring along is not ours.
    before = set(python("import bz2, ctypes, hashlib, lzma, numpy, ssl\n" + MAPPED).split())
    mapped = {Path(p) for p in set(python(TINY + MAPPED).split()) - before}
    program = environment / "bin" / "octile"
    binary = Path(find_spec("octile").origin).parent / "bin" / "octile"
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    needed = {Path(p).resolve() for p in re.findall(r"(/\S+) \(0x", listed)}
    for what, paths in (("octile._native", mapped), ("the program", needed)):
        outside = foreign(paths, environment)
        if outside:
            sys.exit(f"{what} needs libraries that are not in the wheel: {', '.join(outside)}")
        print(f"ok: {what} needs nothing but the wheel and the C and C++ runtimes")
    for command in ([program, "--version"], [sys.executable, "-I", "-m", "octile", "--version"]):
        said = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.defpath})
        if said.returncode != 0 or version("octile") not in said.stdout:
            sys.exit(f"{command}: exit code {said.returncode}: {said.stdout}{said.stderr}")
    print(f"ok: {said.stdout.strip()}")
    check_serve(environment)
    for other in ("onnx", "onnxruntime", "torch", "cv2"):
        if find_spec(other) is None:
            continue
        use = f"import {other}\n" + (PARSE if other == "onnx" else "")
        python(use + TINY)
        python(TINY + use)
        python("import octile\n" + use + TINY)
        print(f"ok: beside {other}, imported before or after it")


if __name__ == "__main__":
    main()
