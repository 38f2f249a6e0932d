#!/usr/bin/env python3
"""Accuracy of INT8 on real models: Octile by method and scheme, ONNX Runtime's quantize_static and NNCF's default
in OpenVINO, each with the same samples, in one run. `make accuracy` runs it.

    MODELS=DIR benchmarks/accuracy/accuracy.py build/release/octile [--out FILE] [model …]

Prints a table and writes FILE (build/bench/accuracy.json): rows of model, engine, recipe, metric, value
(points) and, beside the issue's fields, sqnr_db: the first output against the same engine's float output.
The recipe "float" is each engine's reference. README.md says what the recipes are.
Needs: pip install -r benchmarks/accuracy/requirements.txt
"""
import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import numpy as np

    import engines
    import tasks
    from recipes import RECIPES
except ImportError as error:
    sys.exit(f"{error}; pip install -r benchmarks/accuracy/requirements.txt")


class Table:
    def __init__(self, out):
        self.rows, self.out = [], Path(out)
        print(f"{'model':15} {'engine':12} {'recipe':34} {'metric':10} {'points':>7} {'SQNR dB':>8}")

    def add(self, task, engine, recipe, outputs, reference, note=""):
        value = task.score(outputs, reference)
        ratio = engines.sqnr(reference.values(), (outputs[name] for name in reference))
        self.rows.append({"model": task.name, "engine": engine, "recipe": recipe,
                          "metric": task.metric, "value": round(value, 4),
                          "sqnr_db": None if np.isinf(ratio) else round(ratio, 2)})
        print(f"{task.name:15} {engine:12} {recipe:34} {task.metric:10} {value:7.2f} {ratio:8.1f}  {note}",
              flush=True)
        self.save()

    def save(self):
        self.out.parent.mkdir(parents=True, exist_ok=True)
        partial = self.out.with_suffix(".partial")
        partial.write_text(json.dumps({"rows": self.rows}, indent=1) + "\n")
        partial.rename(self.out)

    def summary(self):
        """The best recipe of each model beside float and the better peer."""
        print(f"\n{'model':15} {'metric':10} {'float':>7} {'Octile':>7} {'peers':>7}  best recipe")
        short = 0
        for model in dict.fromkeys(r["model"] for r in self.rows):
            rows = [r for r in self.rows if r["model"] == model]
            floats = next((r["value"] for r in rows if r["engine"] == "octile" and r["recipe"] == "float"), None)
            ours = [r for r in rows if r["engine"] == "octile" and r["recipe"] != "float"]
            peers = [r for r in rows if r["engine"] != "octile" and r["recipe"] != "float"]
            if floats is None or not ours or not peers:
                continue
            best = max(ours, key=lambda r: r["value"])
            peer = max(peers, key=lambda r: r["value"])
            margin = {"top1": 0.3, "ap50": 1.0}.get(best["metric"])
            fails = best["value"] < peer["value"] or (margin and best["value"] < floats - margin)
            short += bool(fails)
            print(f"{model:15} {best['metric']:10} {floats:7.2f} {best['value']:7.2f} {peer['value']:7.2f}  "
                  f"{best['recipe']} (peer: {peer['engine']} {peer['recipe']}){'  SHORT' if fails else ''}")
        return short


def octile_rows(table, task, program, folder, wanted):
    octile = engines.Octile(program, task, folder)
    reference = octile.floats()
    table.add(task, "octile", "float", reference, reference)
    for name, flags in RECIPES:
        if wanted and name not in wanted:
            continue
        try:
            plan = octile.int8(*flags)
            int8, weighted = octile.steps(plan)
            table.add(task, "octile", name, octile.run(plan), reference, f"{int8}/{weighted} int8")
        except engines.Failed as error:
            print(f"{task.name:15} {'octile':12} {name:34} {error}", flush=True)


def onnxruntime_rows(table, task, folder):
    from onnxruntime.quantization import QuantType
    reference = engines.ort_run(task.model, task.samples)
    table.add(task, "onnxruntime", "float", reference, reference)
    forms = [("quantize_static", {}),
             ("quantize_static u8, per channel",
              {"per_channel": True, "activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8})]
    for name, options in forms:
        try:
            path = engines.ort_quantized(task, folder, **options)
            table.add(task, "onnxruntime", name, engines.ort_run(path, task.samples), reference)
        except Exception as error:
            print(f"{task.name:15} {'onnxruntime':12} {name:34} {type(error).__name__}: {str(error)[:150]}",
                  flush=True)


def openvino_rows(table, task):
    reference = engines.openvino_run(engines.openvino_model(task), task.samples)
    table.add(task, "openvino", "float", reference, reference)
    try:
        table.add(task, "openvino", "nncf", engines.openvino_run(engines.nncf_quantized(task), task.samples),
                  reference)
    except Exception as error:
        print(f"{task.name:15} {'openvino':12} {'nncf':34} {type(error).__name__}: {str(error)[:150]}",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octile", help="the program")
    parser.add_argument("models", nargs="*", help=f"of {', '.join(tasks.TASKS)} (default: all)")
    parser.add_argument("--out", default="build/bench/accuracy.json")
    parser.add_argument("--engines", default="octile,onnxruntime,openvino")
    parser.add_argument("--recipes", default="", help="comma-separated names (default: all)")
    args = parser.parse_intermixed_args()
    unknown = set(args.models) - set(tasks.TASKS)
    if unknown:
        parser.error(f"no model is called {', '.join(sorted(unknown))}; there are {', '.join(tasks.TASKS)}")
    chosen = args.engines.split(",")
    import logging
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    table = Table(args.out)
    for name in args.models or tasks.TASKS:
        try:
            task = tasks.TASKS[name]()
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error.filename} is missing; MODELS=DIR says where the models lie "
                  "(benchmarks/accuracy/README.md)", flush=True)
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if "octile" in chosen:
                octile_rows(table, task, args.octile, folder, set(filter(None, args.recipes.split(","))))
            if "onnxruntime" in chosen:
                onnxruntime_rows(table, task, folder)
            if "openvino" in chosen:
                openvino_rows(table, task)
    short = table.summary()
    print(f"\n{len(table.rows)} rows in {table.out}; {short} models short of their bar")


if __name__ == "__main__":
    main()
