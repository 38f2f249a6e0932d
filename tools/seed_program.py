#!/usr/bin/env python3
"""Runs the TensorRT program that Octile began with, on Octile.

The program is a published one (not ours, so not in this repository): main.py trains a CNN on MNIST
with PyTorch, rebuilds it by TensorRT's network API, calibrates, builds and runs an INT8 engine;
calibrator.py holds its calibrator. SEED names the text that holds both. This script

1. takes the two files out of the text and changes their import lines, as a user would (and, where
   PyTorch has no GPU, `.cuda()` and "cuda:0"); it shortens the training;
2. writes the JPEG files that the program reads from IDX files;
3. runs it in a temporary directory (the program removes files), then once more without its first
   `rm`, so that it finds its calibration cache;
4. writes class (of the picture 8.png), cache_reused and nio to build/demo/seed.json.

    make seed-program [SEED=text] [DATA=directory with IDX files]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = 77  # exit code: something that the program needs is absent


def skip(why: str) -> None:
    print(f"skipped: seed program: {why}")
    sys.exit(SKIPPED)


def program(text: str) -> tuple[str, str]:
    """(main.py, calibrator.py) as they stand in the text."""
    start = text.index("import os\nfrom datetime")
    last = 'print("Succeeded running model in TensorRT!")\n'
    end = text.index(last) + len(last)
    calibrator = text.index("import os\nfrom glob", end)
    stop = re.compile(r'\n(?=\n+[^\s#a-zA-Z@])').search(text, calibrator)
    return text[start:end], text[calibrator : stop.end() if stop else len(text)]


def ported(source: str, gpu: bool) -> str:
    """The source with Octile's import lines; without a GPU PyTorch stays on the CPU."""
    source = source.replace("import tensorrt as trt", "import octile.tensorrt as trt")
    source = source.replace("from cuda import cudart", "from octile import cudart")
    if not gpu:
        source = source.replace(".cuda()", "").replace('.to("cuda:0")', "")
    return source


def read_idx(path: Path) -> np.ndarray:
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    rank = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def find(data: Path, *patterns: str) -> Path:
    for pattern in patterns:
        for path in sorted(data.glob(pattern)):
            return path
    skip(f"{data} has no {patterns[0]}")


def write_pictures(data: Path, target: Path, train: int, test: int) -> None:
    """target/{train,test}/00000-5.0.jpg (number, label) and 8.png, a test picture of class 8."""
    import cv2

    for name, count, first in (("train", train, "train*"), ("test", test, "t10k*")):
        images = read_idx(find(data, f"{first}images-idx3*"))
        labels = read_idx(find(data, f"{first}labels-idx1*"))
        (target / name).mkdir(parents=True)
        for i in range(min(count, len(images))):
            cv2.imwrite(str(target / name / f"{i:05d}-{labels[i]}.0.jpg"), images[i])
        if name == "test":
            cv2.imwrite(str(target / "8.png"), images[int(np.argmax(labels == 8))])


def run(folder: Path, source: str) -> str:
    (folder / "main.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "main.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ, PYTHONWARNINGS="default"),
    )
    print(done.stdout, end="")
    if done.returncode != 0:
        sys.exit(f"the program ended with exit code {done.returncode}")
    return done.stdout


def result(first: str, second: str) -> dict:
    """What the two runs printed, as facts."""
    output = re.search(r"\n[^\n]*TopK\]_output_2\n\[\[(\d+)\]\]", first)
    nio = re.search(r"nIO== (\d+)", first)
    if output is None or nio is None or "Succeeded running model" not in first:
        sys.exit("the program did not print its result")
    return {
        "class": int(output.group(1)),
        "cache_reused": "> calibration 0" in first
        and "Succeed saving int8 cache" in first
        and "Succeed finding cahce file" in second
        and "> calibration" not in second,
        "nio": int(nio.group(1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default=os.environ.get("SEED", ""), help="the text")
    parser.add_argument("--data", default=os.environ.get("DATA", ""), help="folder with IDX files")
    parser.add_argument("--out", default=str(ROOT / "build/demo/seed.json"))
    parser.add_argument("--train", type=int, default=10000, help="training pictures")
    parser.add_argument("--epochs", type=int, default=2)
    flags = parser.parse_args()

    texts = [Path(flags.seed)] if flags.seed else sorted((ROOT / "../shared/seed").glob("*.txt"))
    if not texts or not texts[0].is_file():
        skip("its text is not here; name it by SEED=file")
    try:
        import cv2  # noqa: F401
        import torch
    except ImportError as error:
        skip(f"{error} (Debian: python3-torch python3-opencv)")
    data = Path(flags.data or ROOT / "../shared/data/mnist")
    if not data.is_dir():
        data = Path("/usr/share/datasets/fashion-mnist")
    if not data.is_dir():
        skip("no IDX files; name their folder by DATA=folder")

    source, calibrator = program(texts[0].read_text(encoding="utf-8"))
    source = ported(source, torch.cuda.is_available())
    again = re.sub(r'os\.system\("rm [^"]*"\)', "pass", source).replace("range(10)", "range(1)")
    source = source.replace("range(10)", f"range({flags.epochs})")
    temporary = Path(tempfile.mkdtemp(prefix="octile-seed-"))
    try:
        folder = temporary / "cookbook" / "example"
        folder.mkdir(parents=True)
        write_pictures(data, temporary / "00-MNISTData", flags.train, 1000)
        (folder / "calibrator.py").write_text(ported(calibrator, torch.cuda.is_available()))
        first = run(folder, source)
        second = run(folder, again)
    finally:
        shutil.rmtree(temporary)
    facts = result(first, second)
    out = Path(flags.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".tmp").write_text(json.dumps(facts, indent=2) + "\n")
    out.with_suffix(".tmp").replace(out)
    print(f"{out}: {json.dumps(facts)}")


if __name__ == "__main__":
    main()
