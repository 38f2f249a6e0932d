#!/usr/bin/env python3
"""Histograms of the activations of one ResNet-50 image: Octile beside NumPy, in turns, and the search
of all thresholds. Prints medians and the ratio; `make bench-calibration` runs it.

    benchmarks/calibration/compare.py build/release/benchmarks/calibration/octile_bench_calibration

NumPy does what NumPy-based calibrators do: the extremes, then np.histogram of |x| with 2048 bins.
"""
import statistics
import subprocess
import sys
import time

try:
    import numpy as np
except ImportError:
    sys.exit("compare.py needs NumPy: apt-get install python3-numpy, or pip install numpy")

ROUNDS = 5


def tensor_sizes():
    sizes = []

    def add(channels, extent, relu):
        sizes.append((channels * extent * extent, False))
        if relu:
            sizes.append((channels * extent * extent, True))

    add(64, 112, True)
    extent, middle = 56, 64
    for blocks in (3, 4, 6, 3):
        for block in range(blocks):
            first = block == 0
            add(middle, 2 * extent if first and middle > 64 else extent, True)
            add(middle, extent, True)
            add(4 * middle, extent, False)
            if first:
                add(4 * middle, extent, False)
            add(4 * middle, extent, True)
        extent //= 2
        middle *= 2
    return sizes


def numpy_tensors():
    random = np.random.default_rng(1)
    tensors = []
    for size, relu in tensor_sizes():
        values = random.standard_normal(size, dtype=np.float32)
        tensors.append(np.maximum(values, 0) if relu else values)
    return tensors


def numpy_ms(tensors):
    start = time.perf_counter()
    for values in tensors:
        low, high = values.min(), values.max()
        np.histogram(np.abs(values), bins=2048, range=(0, max(abs(low), abs(high))))
    return 1e3 * (time.perf_counter() - start)


def octile_ms(program):
    """Lines 'name<TAB>ms' that the program prints."""
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: float(ms) for name, ms in (line.split("\t") for line in output.splitlines())}


def main():
    tensors = numpy_tensors()
    total = sum(t.size for t in tensors)
    rounds, peer = [], []
    for i in range(ROUNDS):
        print(f"round {i + 1} of {ROUNDS}", file=sys.stderr)
        rounds.append(octile_ms(sys.argv[1]))
        peer.append(numpy_ms(tensors))
    numpy = statistics.median(peer)
    print(f"{len(tensors)} tensors, {total} values an image; medians of {ROUNDS} turns")
    print(f"{'NumPy ' + np.__version__ + ', 1 thread':<40}{numpy:9.1f} ms  {1e6 * numpy / total:6.2f} ns a value")
    for name in rounds[0]:
        ms = statistics.median(r[name] for r in rounds)
        search = name.startswith("search")
        rest = "" if search else f"  {1e6 * ms / total:6.2f} ns a value  {numpy / ms:6.2f} x NumPy's rate"
        print(f"{name:<40}{ms:9.1f} ms{rest}")


if __name__ == "__main__":
    main()
