"""What `make demo-cluster` shows: calibration on a Ray cluster that loses a worker, then the INT8
engine made from that table behind KServe.

    python demo.py --ray PYTHON --serve PYTHON --data /usr/share/datasets/fashion-mnist

calibrate.py beside this file runs in a Python that has octile[ray],
examples/serving/fashion_mnist.py in one that has octile[serve]: the packages pin protobufs of their
own. Prints and writes cluster.json: same_bits (of the tables), workers_killed, top1_served,
top1_local, requests_per_s, errors.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURES = ("same_bits", "workers_killed", "top1_served", "top1_local", "requests_per_s", "errors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ray", default=sys.executable, help="a Python that has octile[ray]")
    parser.add_argument("--serve", default=sys.executable, help="a Python that has octile[serve]")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="IDX files")
    parser.add_argument("--out", default="build/demo", type=Path)
    parser.add_argument("--samples", default=60000, type=int, help="training pictures")
    arguments = parser.parse_args()
    common = ["--data", arguments.data, "--out", arguments.out]

    found, table = arguments.out / "cluster-calibration.json", arguments.out / "cluster.cache"
    path = arguments.out / "cluster.json"
    for old in (found, table, path):  # what an earlier run found is not this one's
        old.unlink(missing_ok=True)
    calibrate = [arguments.ray, HERE / "calibrate.py", *common, "--samples", arguments.samples]
    calibrated = subprocess.run([str(word) for word in calibrate]).returncode
    if calibrated not in (0, 1) or not found.exists() or not table.exists():
        sys.exit(f"calibrate.py ended with {calibrated}; what went wrong stands above")
    figures = json.loads(found.read_text())

    print("serving the INT8 engine of the cluster's table", flush=True)
    serve = [arguments.serve, HERE.parent / "serving" / "fashion_mnist.py", *common]
    serve += ["--table", table]
    served = subprocess.run([str(word) for word in serve], stdout=subprocess.PIPE, text=True)
    if served.returncode not in (0, 1) or not served.stdout:
        sys.exit(f"fashion_mnist.py ended with {served.returncode}")
    serving = json.loads(served.stdout)
    figures["served_same_bits"] = serving.pop("same_bits")
    figures.update(serving)

    written = path.with_suffix(".json.new")
    written.write_text(json.dumps(figures, indent=2) + "\n")
    written.replace(path)
    for name in FIGURES:
        print(f"{name}: {figures[name]}")
    print(f"all figures: {path}")
    sys.exit(max(calibrated, served.returncode))


if __name__ == "__main__":
    main()
