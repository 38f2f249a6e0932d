#!/usr/bin/env python3
"""The peer of calibration_rate.cc: what NumPy-based calibrators do for each activation of one
ResNet-50 image: the extremes, then np.histogram of |x| with 2048 bins. Needs NumPy."""
import time

import numpy as np


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


def main():
    random = np.random.default_rng(1)
    tensors = []
    for size, relu in tensor_sizes():
        values = random.standard_normal(size, dtype=np.float32)
        tensors.append(np.maximum(values, 0) if relu else values)
    total = sum(t.size for t in tensors)
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        for values in tensors:
            low, high = values.min(), values.max()
            greatest = max(abs(low), abs(high))
            np.histogram(np.abs(values), bins=2048, range=(0, greatest))
        best = min(best, time.perf_counter() - start)
    print(f"NumPy {np.__version__}: {len(tensors)} tensors, {total} values: "
          f"{1e3 * best:.1f} ms an image, {1e9 * best / total:.2f} ns a value")


if __name__ == "__main__":
    main()
