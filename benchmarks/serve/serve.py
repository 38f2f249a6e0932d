#!/usr/bin/env python3
"""What serving costs: Octile INT8, Octile float and ONNX Runtime INT8 behind the same KServe
server, at 1, 8 and 32 requests under way, in turns. `make bench-serve` runs it.

    MODELS=DIR benchmarks/serve/serve.py [--models mnist] [--quick]
    benchmarks/serve/serve.py --markdown    # --json's tables as docs/serving.md has them

Loopback only. Prints tables, writes build/bench/serve.json, with --docs the page's tables.
README.md says what is in them. Needs build/serve-venv (tools/extra_venv.sh) and the Python module.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SUBJECTS = ("octile-int8", "octile-float", "onnxruntime-int8")
CONCURRENCY = (1, 8, 32)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="", help="mnist, mobilenetv2 (default: what is here)")
    parser.add_argument("--ways", default="http,grpc", help="of http, grpc")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each case")
    parser.add_argument("--quick", action="store_true", help="one round of half a second")
    parser.add_argument("--json", type=Path, default=Path("build/bench/serve.json"))
    parser.add_argument("--markdown", action="store_true", help="measure nothing: print tables")
    parser.add_argument("--docs", type=Path, help="the page whose tables are written anew")
    flags = parser.parse_args()
    if flags.quick:
        flags.rounds, flags.seconds = 1, 0.5
    return flags


def local_results(path, inputs):
    """Each row alone, by the engine that is to be served, in this process."""
    if path.suffix == ".plan":
        import octile

        context = octile.Engine(path, threads=1).create_context()
        return np.stack([next(iter(context.run(x[None]).values()))[0] for x in inputs])
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.stack([session.run(None, {name: x[None]})[0][0] for x in inputs])


def measured(model, prepare, folder, flags):
    """All turns of one model: rows of (subject, way, concurrency, round)."""
    from subject import Subject

    inputs = prepare(folder)
    np.save(folder / "inputs.npy", inputs)
    for name in SUBJECTS:
        path = next((folder / name).glob("m/1/model.*"))
        np.save(folder / f"{name}.npy", local_results(path, inputs))
    subjects = [Subject(name, folder) for name in SUBJECTS]
    rows = []
    for turn in range(flags.rounds):
        for way in flags.ways.split(","):
            for concurrency in CONCURRENCY:
                for subject in subjects:
                    files = (folder / "inputs.npy", folder / f"{subject.name}.npy")
                    load = subject.load(way, files, concurrency, flags.seconds, flags.seconds / 5)
                    case = {"model": model, "engine": subject.name, "way": way}
                    rows.append({**case, "concurrency": concurrency, "turn": turn, **load})
                    rate = f"{load['requests_per_s']:.0f} requests/s"
                    print(model, way, concurrency, subject.name, rate, file=sys.stderr)
    if any(subject.close() != 0 for subject in subjects):
        sys.exit("a server did not end with 0")
    return rows


def main():
    sys.path.insert(0, str(HERE))
    import tables

    flags = arguments()
    if not flags.markdown:
        flags.json.parent.mkdir(parents=True, exist_ok=True)
        flags.json.write_text(json.dumps(measure(flags), indent=1))
    record = json.loads(flags.json.read_text())
    text = tables.markdown(record)
    print(text)
    if flags.docs:
        sys.path.insert(0, str(HERE.parent / "precision"))
        import snippets

        snippets.put(flags.docs, "serve-bench", text)
    failed = [row for row in record["rows"] if row["errors"]]
    if failed or tables.wrong(record):
        sys.exit(f"errors: {[r['first_error'] for r in failed]}, wrong: {tables.wrong(record)}")


def measure(flags):
    import prepare

    import octile

    found, missing = prepare.available()
    wanted = flags.models.split(",") if flags.models else list(found)
    for name, reason in missing.items():
        if not flags.models or name in wanted:
            print(f"left out: {name}: {reason}", file=sys.stderr)
    rows = []
    for name in wanted:
        if name not in found:
            sys.exit(f"--models {name}: {missing.get(name, 'no such model')}")
        folder = Path("build/bench/serve") / name
        folder.mkdir(parents=True, exist_ok=True)
        rows += measured(name, found[name], folder, flags)
    device = octile.devices()[0]
    return {
        "machine": device.name,
        "isa": octile.Engine(next(folder.glob("octile-int8/m/1/*"))).isa,
        "cores": len(os.sched_getaffinity(0)),
        "octile": octile.__version__,
        "rounds": flags.rounds,
        "seconds": flags.seconds,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
