#!/usr/bin/env python3
"""Tests the ARM build under qemu: the conformance tests on a CPU with dot products and on one without, and
a plan that was built on this machine, which must give the same bytes there.

    tools/test_arm.py build/aarch64 build/release

Each part fails unless the instruction set that it is about has really run.
"""
import array
import gzip
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEVELS = {"max": "neondot", "cortex-a53": "neon"}  # qemu's CPU: the strongest level that it has
DIGITS = ROOT / "examples/mnist/digits/images-idx3-ubyte.gz"
SAMPLES, PIXELS = 20, 28 * 28


def on_arm(cpu, words):
    env = {k: v for k, v in os.environ.items() if k != "OCTILE_FORCE_ISA"}
    env.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin take the cores from qemu
    emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", cpu]
    return subprocess.run(emulator + words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def conformance(build, cpu, level):
    """What is wrong with the conformance tests of `level` on `cpu`, [] when nothing is."""
    ran = on_arm(cpu, [str(build / "tests/octile_conformance_test"),
                       f"--gtest_filter=*Conformance*/{level}:*ForceIsa*:ForcedIsaName*:Tactics*"])
    print("\n".join(line for line in ran.stdout.splitlines()
                    if re.match(r"  \S+ +\S+ +\d+ cases|.*(Failure|FAILED|PASSED)", line)))
    wrong = []
    if ran.returncode != 0:
        print(ran.stdout)
        wrong.append(f"conformance on {cpu}: exit code {ran.returncode}")
    for name in (f"Isa/Conformance.EveryTacticEqualsPortable/{level}",
                 f"Isa/ForceIsa.DecidesTheDeviceAndTheTactic/{level}"):
        if f"[       OK ] {name}" not in ran.stdout:
            wrong.append(f"{name} did not run on {cpu}")
    return wrong


def npz_bytes(path):
    """The data of an archive's one array."""
    with zipfile.ZipFile(path) as archive:
        npy = archive.read(archive.namelist()[0])
    return npy[10 + int.from_bytes(npy[8:10], "little"):]


def write_samples(folder):
    """The first digits as float32, raw and as .npz."""
    images = gzip.decompress(DIGITS.read_bytes())[16:16 + SAMPLES * PIXELS]
    data = array.array("f", (pixel / 255 for pixel in images)).tobytes()
    (folder / "samples.raw").write_bytes(data)
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({SAMPLES}, 1, 28, 28), }}"
    header = text.ljust(117) + "\n"
    with zipfile.ZipFile(folder / "samples.npz", "w") as archive:
        archive.writestr("data.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") +
                         header.encode() + data)


def plan_tests(build, host, cpus):
    folder = build / "plans"
    folder.mkdir(exist_ok=True)
    write_samples(folder)
    octile = str(host / "octile")
    call = dict(cwd=folder, check=True, stdout=subprocess.DEVNULL)
    writer = host / "examples/mnist/octile_mnist_write_onnx"
    subprocess.run([str(writer), str(ROOT / "examples/mnist/para.npz"), "mnist.onnx"], **call)
    wrong = []
    for scheme in ("static-symmetric", "static-affine"):
        plan = f"{scheme}.plan"
        subprocess.run([octile, "build", "mnist.onnx", "--int8", "--int8-layers", "all",
                        "--scheme", scheme, "-q", "--calibrate", "samples.npz", "--method", "minmax", "-o", plan], **call)
        subprocess.run([octile, "run", plan, "--data", "samples.npz", "-q", "-o", "x86.npz"], **call)
        for cpu, level in cpus.items():
            ran = on_arm(cpu, [str(build / "tests/octile_run_plan"), str(folder / plan),
                               str(folder / "samples.raw"), str(folder / "arm.raw")])
            same = ran.returncode == 0 and (folder / "arm.raw").read_bytes() == npz_bytes(folder / "x86.npz")
            used = f"isa {level}\n" in ran.stdout and f"tactic int8.gemm.{level}\n" in ran.stdout
            print(f"  {plan} on {cpu}: {'the same bytes' if same else 'OTHER BYTES'}, {level} "
                  f"{'ran' if used else 'DID NOT RUN'}")
            if not (same and used):
                wrong.append(f"{plan} on {cpu}:\n{ran.stdout}")
    return wrong


def main():
    build, host = (Path(folder).resolve() for folder in sys.argv[1:3])
    tests = [(f"conformance on {cpu}", lambda c=cpu, l=level: conformance(build, c, l))
             for cpu, level in LEVELS.items()]
    tests.append(("plans", lambda: plan_tests(build, host, LEVELS)))
    failed = 0
    for name, test in tests:
        wrong = test()
        print("\n".join(wrong))
        print(f"{'FAILED' if wrong else 'ok'}: {name}")
        failed += bool(wrong)
    print(f"{len(tests) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
