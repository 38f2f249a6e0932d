"""Cuts the calibration digits of `make reproduce` out of MNIST: training images 50 to 549 (counted
from 0, original order) with their labels, as IDX files whose bytes do not depend on the clock.

    python3 make_digits.py --data DIR --out digits

--data holds train*-images-idx3-ubyte.gz and train*-labels-idx1-ubyte.gz.
"""

import argparse
import gzip
from pathlib import Path

FIRST, COUNT = 50, 500


def cut(path, header, item):
    data = gzip.decompress(path.read_bytes())
    if int.from_bytes(data[4:8], "big") < FIRST + COUNT:
        raise SystemExit(f"{path}: fewer than {FIRST + COUNT} items")
    body = data[header + FIRST * item : header + (FIRST + COUNT) * item]
    return data[:4] + COUNT.to_bytes(4, "big") + data[8:header] + body


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("digits"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for kind, header, item in (("images-idx3-ubyte", 16, 784), ("labels-idx1-ubyte", 8, 1)):
        source = sorted(args.data.glob(f"train*-{kind}.gz"))
        if not source:
            raise SystemExit(f"{args.data}: no train*-{kind}.gz")
        target = args.out / f"{kind}.gz"
        target.write_bytes(gzip.compress(cut(source[0], header, item), 9, mtime=0))
        print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
