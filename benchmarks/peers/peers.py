#!/usr/bin/env python3
"""Octile side by side with ONNX Runtime and OpenVINO on this CPU: float and INT8, in turns. `make bench-cpu`.

    PYTHONPATH=build/release/python benchmarks/peers/peers.py [--models resnet50,kws] [--quick] [--isa avx2]

Prints a table a model, batch and thread count, a summary beside the bars, and writes build/bench/cpu.json.
README.md says how models are made, how each engine quantizes them, and what is timed.
"""
import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda kind: lambda text: [kind(part) for part in text.split(",") if part]
    parser.add_argument("--models", type=listed(str), default=[], help="comma-separated (default: all)")
    parser.add_argument("--engines", type=listed(str), default=[], help="such as octile,openvino (default: all)")
    parser.add_argument("--batches", type=listed(int), default=[1, 8])
    parser.add_argument("--threads", type=listed(int), default=[1, 2])
    parser.add_argument("--rounds", type=int, default=0, help="turns of every engine (default: 7, quick 3)")
    parser.add_argument("--seconds", type=float, default=0, help="of one turn (default: 0.5, quick 0.15)")
    parser.add_argument("--quick", action="store_true", help="short turns, no build time")
    parser.add_argument("--isa", choices=("avx2", "avxvnni", "avx512vnni", "amx"), help="hold engines to this")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/cpu.json")
    parser.add_argument("--cache", type=Path, default=ROOT / "build/bench/models")
    parser.add_argument("--peers-path", action="append", default=[], metavar="DIR",
                        help="unpacked wheels, repeatable")
    parser.add_argument("--prepare", action="store_true", help="make and quantize models, time nothing")
    parser.add_argument("--program", type=Path, default=ROOT / "build/release/octile",
                        help="for the build's time; '' leaves it out")
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 7)
    args.seconds = args.seconds or (0.15 if args.quick else 0.5)
    return args


ARGS = arguments()
PATH = [os.path.abspath(p) for p in ARGS.peers_path]
sys.path[:0] = PATH
sys.path.append(str(HERE.parent / "accuracy"))  # engines.py, tasks.py

try:
    import numpy as np
    import octile
    import onnx  # noqa: F401  (models.py needs it)

    import bars
    import build_time
    import engines
    import layers
    import models
    from workers import Failed, Worker, environment, physical_cores, run_tool
except ImportError as error:
    sys.exit(f"{error}; `make bench-cpu` makes an environment with what is needed, "
             "--peers-path DIR names unpacked wheels")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Machine:
    """This CPU, the ISA class that is measured, and the environment of children."""

    def __init__(self, isa):
        flags = bars.cpu_flags()
        self.own = bars.class_of(flags) or sys.exit("this CPU has none of AVX2, AVX-VNNI, AVX-512 VNNI, AMX")
        self.isa = isa or self.own
        if bars.CLASSES.index(self.isa) > bars.CLASSES.index(self.own):
            sys.exit(f"--isa {isa}: this CPU is of class {self.own}")
        self.forced = self.isa != self.own
        self.bf16 = not self.forced and ("avx512_bf16" in flags or "amx_bf16" in flags)
        self.cores = physical_cores()
        self.env = environment(PATH, self.isa, self.forced)
        self.name = octile.devices()[0].name


def digest_of_octile():
    """Plans and timings belong to the kernels they were made with."""
    return hashlib.sha256(Path(octile._native.__file__).read_bytes()).hexdigest()[:10]


METHOD = "mse"  # how Octile's histograms become ranges


def digest_of_tool(package):
    """What a tool made belongs to its version and to how prepare.py asks."""
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = "missing"
    made_of = version.encode() + (HERE / "prepare.py").read_bytes()
    return hashlib.sha256(made_of).hexdigest()[:6]


class Subject:
    """A model with what every engine made of it."""

    def __init__(self, name, machine):
        self.name, self.machine, self.spec = name, machine, models.SPECS[name]
        self.folder = models.make(name, ARGS.cache)
        made = json.loads((self.folder / "made.json").read_text())
        self.operations, self.source = made["operations"], made["source"]
        self.failures = {}
        form = "-7bit" if machine.isa == "avx2" else ""
        names = {"float": "float.onnx", "reference": "reference.npy",
                 "onnxruntime": f"onnxruntime{form}-{digest_of_tool('onnxruntime')}.onnx",
                 "openvino": f"openvino{form}-{digest_of_tool('nncf')}.xml",
                 "ncnn": f"ncnn-{digest_of_tool('pnnx')}.param", "octile": f"octile-{METHOD}.json"}
        self.files = {tool: self.folder / name for tool, name in names.items()}

    def prepare(self, tool):
        target = self.files[tool]
        if target.exists():
            return
        say(f"{self.name}: {tool} prepares {target.name}")
        options = {"avx2": self.machine.isa == "avx2", "method": METHOD, "rows": models.rows(self.spec, 1),
                   "transformer": self.spec.transformer, "shape": self.spec.shape,
                   "threads": len(self.machine.cores)}
        begin = time.monotonic()
        try:
            run_tool([HERE / "prepare.py", tool, self.folder, target, json.dumps(options)], self.machine.env,
                     self.folder / f"{tool}.log")
            say(f"{self.name}: {target.name} made in {time.monotonic() - begin:.1f} s")
        except Failed as error:
            self.failures[tool] = str(error)
            say(f"{self.name}: {tool} failed: {error}")

    def contestants(self):
        """(engine, precision, what differs in the worker's spec)."""
        float_file, ort, nncf = (str(self.files[k]) for k in ("float", "onnxruntime", "openvino"))
        made = [("octile", p, {}) for p in ("float", "int8", "int8_affine")]
        made += [("onnxruntime", "float", {"file": float_file}), ("onnxruntime", "int8", {"file": ort}),
                 ("openvino", "float", {"file": float_file, "hint": "f32"}),
                 ("openvino", "int8", {"file": nncf, "hint": "f32"}),
                 ("openvino-qdq", "int8", {"file": ort, "hint": "f32"}),
                 ("ncnn", "float", {"file": str(self.files["ncnn"])})]
        if self.machine.bf16:
            made += [("openvino", "bf16", {"file": float_file, "hint": "bf16"}),
                     ("openvino-bf16", "int8", {"file": nncf, "hint": "bf16"})]
        return [c for c in made if not ARGS.engines or c[0].split("-")[0] in ARGS.engines]

    def spec_of(self, engine, precision, own, batch, threads):
        cores = self.machine.cores[:threads]
        if len(cores) < threads:
            raise Failed(f"{threads} threads want as many cores, here are {len(cores)}")
        spec = {"engine": engine, "precision": precision, "folder": str(self.folder), "threads": threads,
                "rows": models.rows(self.spec, batch), "cores": cores, "gemm": self.spec.gemm,
                **own}
        if engine == "octile":
            digest, isa = digest_of_octile(), self.machine.isa
            plan = f"octile-{precision}-b{batch}t{threads}-{isa}-{METHOD}-{digest}.plan"
            cache = ARGS.cache / f"timing-{isa}-{digest}.cache"
            spec |= {"file": str(self.folder / plan), "table": str(self.files["octile"]),
                     "timing_cache": str(cache)}
        wanted = [self.files["octile"]] if engine == "octile" and precision != "float" else []
        wanted += [Path(own["file"])] if "file" in own else []
        for tool, error in self.failures.items():
            if self.files[tool] in wanted:
                raise Failed(error)
        return spec


def accuracy(subject, reference, outputs):
    """SQNR in dB; None for a single product, which has to be no more than right."""
    found = float(engines.sqnr([reference], [outputs]))
    if not subject.spec.gemm:
        return found
    if not found > 20:
        raise Failed(f"its outputs are wrong: SQNR {found:.1f} dB")
    return None


class Bench:
    def __init__(self, machine, peak):
        self.machine, self.peak, self.rows, self.failures = machine, peak, [], []
        self.build, self.layers = None, []

    def fail(self, subject, batch, threads, engine, precision, error):
        text = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        self.failures.append({"model": subject.name, "batch": batch, "threads": threads, "engine": engine,
                              "precision": precision, "error": text})
        print(f"  {engine:16} {precision:12} failed: {text}", flush=True)

    def start(self, subject, batch, threads):
        """Workers by (engine, precision), each loaded and asked for its outputs."""
        workers, reference = {}, np.load(subject.files["reference"])
        for engine, precision, own in subject.contestants():
            say(f"{subject.name} b{batch} t{threads}: {engine} {precision} loads")
            outputs, worker = subject.folder / f"outputs-{os.getpid()}.npy", None
            try:
                spec = subject.spec_of(engine, precision, own, batch, threads)
                log = subject.folder / f"{engine}-{precision}.log"
                worker = Worker(spec, self.machine.env, log)
                worker.ask(outputs=str(outputs))
                found = np.load(outputs)
                worker.sqnr = accuracy(subject, reference[:len(found)], found)
                worker.ask(seconds=min(0.2, ARGS.seconds))  # warm
                workers[engine, precision] = worker
            except Failed as error:
                self.fail(subject, batch, threads, engine, precision, error)
                if worker:
                    worker.end()
            outputs.unlink(missing_ok=True)
        return workers

    def turns(self, subject, batch, threads, workers):
        """Every engine in turns, so that what disturbs the machine disturbs all."""
        for turn in range(ARGS.rounds):
            say(f"{subject.name} b{batch} t{threads}: turn {turn + 1} of {ARGS.rounds}")
            for (engine, precision), worker in list(workers.items()):
                try:
                    worker.times += worker.ask(seconds=ARGS.seconds)["times"]
                except Failed as error:
                    self.fail(subject, batch, threads, engine, precision, error)
                    del workers[engine, precision]

    def row(self, subject, batch, threads, key, worker):
        middle, best = bars.summarize(worker.times)
        engine, precision = key
        share = layers.share_of(self.peak, precision, subject.operations * batch / middle / 1e6, threads)
        held = not self.machine.forced or engine.startswith(("octile", "openvino"))
        return {"model": subject.name, "batch": batch, "threads": threads, "engine": engine,
                "precision": precision, "median_ms": middle, "best_ms": best, "sqnr_db": worker.sqnr,
                "share_of_peak": share, "held_to_isa": held, "isa": worker.isa}

    def group(self, subject, batch, threads):
        print(f"\n{subject.name}, batch {batch}, {threads} thread{'s' * (threads > 1)}: "
              f"{subject.operations / 1e9:.3f} GOP a sample, {subject.source}", flush=True)
        workers = self.start(subject, batch, threads)
        try:
            self.turns(subject, batch, threads, workers)
            rows = [self.row(subject, batch, threads, key, w) for key, w in workers.items()]
        finally:
            for worker in workers.values():
                worker.end()
        self.rows += rows
        print("\n".join(bars.group_table(rows, self.machine.isa, subject.operations)), flush=True)
        self.save()

    def save(self):
        rows = [{**row, "sqnr_db": None if row["sqnr_db"] == np.inf else row["sqnr_db"]} for row in self.rows]
        made = {"machine": self.machine.name, "isa": self.machine.isa, "date": DATE,
                "build_s": self.build and self.build["empty_cache"], "build": self.build,
                "host": platform.platform(), "peak_gops": self.peak, "rows": rows, "failures": self.failures,
                "layers": self.layers}
        ARGS.json.parent.mkdir(parents=True, exist_ok=True)
        partial = ARGS.json.with_suffix(".partial")
        partial.write_text(json.dumps(made, indent=1) + "\n")
        partial.rename(ARGS.json)


DATE = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def prepared(names, machine):
    subjects = []
    for name in names:
        say(f"{name}: model and samples")
        subject = Subject(name, machine)
        for tool in ("reference", "octile", "onnxruntime", "openvino", "ncnn"):
            if tool == "reference" or not ARGS.engines or tool in ARGS.engines:
                subject.prepare(tool)
        if "reference" not in subject.failures:
            subjects.append(subject)
    return subjects


def main():
    unknown = set(ARGS.models) - set(models.SPECS)
    if unknown:
        sys.exit(f"no model is called {', '.join(sorted(unknown))}; there are {', '.join(models.SPECS)}")
    machine = Machine(ARGS.isa)
    say(f"{machine.name}, class {machine.own}" + (f", held to {machine.isa}" if machine.forced else ""))
    subjects = prepared(ARGS.models or list(models.SPECS), machine)
    if ARGS.prepare:
        return
    bench = Bench(machine, layers.peaks(ARGS.program, machine, ARGS.threads, say))
    for subject in subjects:
        for batch in ARGS.batches if not subject.spec.gemm else [1]:
            for threads in ARGS.threads:
                bench.group(subject, batch, threads)
    resnet50 = next((s for s in subjects if s.name == "resnet50"), None)
    if not ARGS.quick:
        bench.layers = layers.shares(ARGS.program, machine, say)
        if resnet50 and ARGS.program.exists():
            bench.build = build_time.measure(ARGS.program, resnet50.folder, machine, say)
    bench.save()
    print("\n" + "\n".join(bars.summary(bench.rows, machine.isa)))
    if bench.build:
        print(build_time.text_of(bench.build))
    print(f"\n{len(bench.rows)} rows in {ARGS.json}; {len(bench.failures)} failures")


if __name__ == "__main__":
    main()
