"""The three engines of a model: how they are built, timed in turns, scored."""
import json
from dataclasses import dataclass
from pathlib import Path

import engines
import numpy as np
import tasks

NAMES = ("float", "int8", "chosen")


@dataclass
class Goal:
    """What `octile build --max-loss` is given: samples and a metric of the program's own, for the same labels that
    the task's score() knows."""
    data: Path  # what is evaluated
    preprocess: str  # how data become what the network wants
    flags: list


def goal_of(task, folder):
    """None: no row with --max-loss for this model."""
    if task.name == "resnet56":
        np.save(folder / "labels.npy", tasks.cifar_arrays()[2])
        return Goal(folder / "samples.npy", "fit=none", ["--labels", folder / "labels.npy", "--metric", "top1"])
    if task.name == "yolox-nano":
        pictures, prepared = tasks.MODELS / "coco-detect", "fit=letterbox,letterbox=top-left,color=bgr"
        return Goal(pictures / "val2017_cc/images", prepared,
                    ["--calibrate", pictures / "train2017_cc_calib/images", "--cache", folder / "pictures.json",
                     "--preprocess", prepared, "--metric", "ap50", "--boxes", "yolox"])
    return None


def middle(values):
    return float(np.median(values))


class Trio:
    """One timing cache for all engines: what is chosen differs in precision alone, not in luck."""

    def __init__(self, args, task, folder):
        self.args, self.task, self.folder = args, task, folder
        self.octile = engines.Octile(args.octile, task, folder, tactics="timed",
                                     session=("--device", args.device, "--threads", str(args.threads)))
        shape = "x".join(map(str, (args.batch, *task.samples.shape[1:])))
        if args.batch > 1 and "--dynamic-batch" not in self.octile.model_flags:
            self.octile.model_flags.append("--dynamic-batch")
        self.flags = ["--profile", "/".join([shape] * 3), "--timing-cache", folder / "timing.cache"]
        self.goal = goal_of(task, folder)

    def has_goal(self):
        return self.goal is not None

    # --- building ---

    def build(self, scheme, max_loss):
        recipe = [*self.flags, "--scheme", scheme]
        if scheme.startswith("static"):
            recipe += ["--method", self.args.method]
        chosen = [] if max_loss is None else ["--max-loss", f"{max_loss}pt", "--evaluate", self.goal.data,
                                              *self.goal.flags]
        if "--calibrate" in chosen:
            self.octile.build("--int8", *recipe, *chosen, name="chosen")
        else:
            self.octile.int8(*recipe, *chosen, name="chosen")
        self.octile.int8(*recipe, "--int8-layers", "all", name="int8")
        self.octile.build(*self.flags, name="float")
        return {name: self.folder / f"{name}.plan" for name in NAMES}

    def inspected(self, plan):
        return json.loads(self.octile.command("inspect", plan, "--json"))

    # --- timing ---

    def times(self, plans):
        """{name: report of octile bench}; turns are medians of 20 ms, engine after engine."""
        reports = json.loads(self.octile.command(
            "bench", *plans.values(), "--batch", self.args.batch, "--duration", self.args.seconds, "--json"))
        return dict(zip(plans, reports))

    # --- scores ---

    def scores(self, plans, data, preprocess):
        """{name: (points, SQNR of all outputs in dB)}, by Python's metrics."""
        outputs = {name: self.octile.run(plan, "--preprocess", preprocess, data=data)
                   for name, plan in plans.items()}
        reference = outputs["float"]
        return {name: (self.task.score(o, reference),
                       engines.sqnr(reference.values(), (o[key] for key in reference)))
                for name, o in outputs.items()}

    def row(self, scheme, max_loss=None):
        plans = self.build(scheme, max_loss)
        times = self.times(plans)
        # A word about pictures is judged on the pixels that the program decoded; else on the task's arrays.
        judged = ("samples.npy", "fit=none") if max_loss is None else (self.goal.data.resolve(), self.goal.preprocess)
        scores = self.scores(plans, *judged)
        chosen = self.inspected(plans["chosen"])
        precision = chosen.get("precision") or {}
        row = {"model": self.task.name, "device": self.args.device}
        for name in NAMES:
            row[f"{name}_ms"] = times[name]["latency_ms"]["p50"]
        for name in NAMES:
            row[f"{name}_metric"] = scores[name][0]
        row["predicted_ms"] = precision.get("predicted_ms")
        row["asked_loss"] = max_loss
        row["got_loss"] = None if max_loss is None else scores["float"][0] - scores["chosen"][0]
        better = min(("float", "int8"), key=lambda name: row[f"{name}_ms"])
        ratios = np.divide(*(np.array(times[name]["turns_ms"]) for name in ("chosen", better)))
        best = {name: times[name]["latency_ms"]["min"] for name in NAMES}
        weighted = engines.weighted_steps(chosen["layers"])
        return row | {
            "metric": self.task.metric, "scheme": scheme, "batch": self.args.batch,
            "threads": self.args.threads, "isa": times["chosen"]["isa"],
            "ratio": middle(ratios), "ratio_of_bests": best["chosen"] / best[better],
            **{f"{name}_best_ms": best[name] for name in NAMES},
            "int8_sqnr_db": finite(scores["int8"][1]), "chosen_sqnr_db": finite(scores["chosen"][1]),
            "weighted_int8": weighted[0], "weighted": weighted[1],
            "kept": next((e["name"] for e in precision.get("engines", []) if e["kept"]), None),
            "explanation": precision.get("explanation", "")}


def finite(value):
    return None if np.isinf(value) else float(value)
