"""One model of the benchmark with what every engine's own tool made of it."""

import hashlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path

import models
from workers import Failed, run_tool

import octile

HERE = Path(__file__).resolve().parent
METHOD = "mse"  # how Octile's histograms become ranges


def say(text):
    print(text, file=sys.stderr, flush=True)


def digest_of_octile():
    """Plans and timings belong to the kernels they were made with."""
    return hashlib.sha256(Path(octile._native.__file__).read_bytes()).hexdigest()[:10]


def digest_of_tool(package):
    """What a tool made belongs to its version and to how prepare.py asks."""
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        version = "missing"
    made_of = version.encode() + models.code_of(HERE / "prepare.py")
    return hashlib.sha256(made_of).hexdigest()[:6]


class Subject:
    """A model with what every engine made of it."""

    def __init__(self, name, machine, cache, engines):
        self.cache, self.engines = cache, engines
        self.name, self.machine, self.spec = name, machine, models.SPECS[name]
        self.folder = models.make(name, cache)
        made = json.loads((self.folder / "made.json").read_text())
        self.operations, self.source = made["operations"], made["source"]
        self.failures = {}
        form = "-7bit" if machine.isa == "avx2" else ""
        names = {
            "float": "float.onnx",
            "reference": "reference.npy",
            "onnxruntime": f"onnxruntime{form}-{digest_of_tool('onnxruntime')}.onnx",
            "openvino": f"openvino{form}-{digest_of_tool('nncf')}.xml",
            "ncnn": f"ncnn-{digest_of_tool('pnnx')}.param",
            "octile": f"octile-{METHOD}.json",
        }
        self.files = {tool: self.folder / name for tool, name in names.items()}

    def prepare(self, tool):
        target = self.files[tool]
        if target.exists():
            return
        say(f"{self.name}: {tool} prepares {target.name}")
        options = {
            "avx2": self.machine.isa == "avx2",
            "method": METHOD,
            "rows": models.rows(self.spec, 1),
            "transformer": self.spec.transformer,
            "shape": self.spec.shape,
            "threads": len(self.machine.cores),
        }
        begin = time.monotonic()
        try:
            run_tool(
                [HERE / "prepare.py", tool, self.folder, target, json.dumps(options)],
                self.machine.env,
                self.folder / f"{tool}.log",
            )
            say(f"{self.name}: {target.name} made in {time.monotonic() - begin:.1f} s")
        except Failed as error:
            self.failures[tool] = str(error)
            say(f"{self.name}: {tool} failed: {error}")

    def contestants(self):
        """(engine, precision, what differs in the worker's spec)."""
        float_file, ort, nncf = (str(self.files[k]) for k in ("float", "onnxruntime", "openvino"))
        made = [("octile", p, {}) for p in ("float", "int8", "int8_affine")]
        made += [
            ("onnxruntime", "float", {"file": float_file}),
            ("onnxruntime", "int8", {"file": ort}),
            ("openvino", "float", {"file": float_file, "hint": "f32"}),
            ("openvino", "int8", {"file": nncf, "hint": "f32"}),
            ("openvino-qdq", "int8", {"file": ort, "hint": "f32"}),
            ("ncnn", "float", {"file": str(self.files["ncnn"])}),
        ]
        if self.machine.bf16:
            made += [
                ("openvino", "bf16", {"file": float_file, "hint": "bf16"}),
                ("openvino-bf16", "int8", {"file": nncf, "hint": "bf16"}),
            ]
        return [c for c in made if c[0].split("-")[0] in self.engines]

    def spec_of(self, engine, precision, own, batch, threads):
        cores = self.machine.cores[:threads]
        if len(cores) < threads:
            raise Failed(f"{threads} threads want as many cores, here are {len(cores)}")
        spec = {
            "engine": engine,
            "precision": precision,
            "folder": str(self.folder),
            "threads": threads,
            "rows": models.rows(self.spec, batch),
            "cores": cores,
            "gemm": self.spec.gemm,
            **own,
        }
        if engine == "octile":
            digest, isa = digest_of_octile(), self.machine.isa
            plan = f"octile-{precision}-b{batch}t{threads}-{isa}-{METHOD}-{digest}.plan"
            cache = self.cache / f"timing-{isa}-{digest}.cache"
            spec |= {
                "file": str(self.folder / plan),
                "table": str(self.files["octile"]),
                "timing_cache": str(cache),
            }
        wanted = [self.files["octile"]] if engine == "octile" and precision != "float" else []
        wanted += [Path(own["file"])] if "file" in own else []
        for tool, error in self.failures.items():
            if self.files[tool] in wanted:
                raise Failed(error)
        return spec
