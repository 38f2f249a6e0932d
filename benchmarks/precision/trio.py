"""The three engines of a model: how they are built, timed in turns, scored."""

import json
from dataclasses import dataclass
from pathlib import Path

import engines
import numpy as np
import tasks

NAMES = ("float", "int8", "chosen")
LOADS = 3


@dataclass
class Goal:
    """What `octile build --max-loss` is given: samples and a metric of the program's own, for the
    same labels that the task's score() knows."""

    data: Path  # what is evaluated
    preprocess: str  # how data become what the network wants
    flags: list


def goal_of(task, folder):
    """None: no row with --max-loss for this model."""
    if task.name == "resnet56":
        np.save(folder / "labels.npy", tasks.cifar_arrays()[2])
        flags = ["--labels", folder / "labels.npy", "--metric", "top1"]
        return Goal(folder / "samples.npy", "fit=none", flags)
    if task.name == "yolox-nano":
        pictures = tasks.MODELS / "coco-detect"
        prepared = "fit=letterbox,letterbox=top-left,color=bgr"
        flags = ["--calibrate", pictures / "train2017_cc_calib/images", "--preprocess", prepared]
        flags += ["--cache", folder / "pictures.json", "--metric", "ap50", "--boxes", "yolox"]
        return Goal(pictures / "val2017_cc/images", prepared, flags)
    return None


class Trio:
    """One timing cache for all engines: what is chosen differs in precision alone, not in luck."""

    def __init__(self, args, task, folder):
        self.args, self.task, self.folder = args, task, folder
        session = ("--device", args.device, "--threads", str(args.threads))
        self.octile = engines.Octile(args.octile, task, folder, "timed", session)
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
        chosen = []
        if max_loss is not None:
            chosen = ["--max-loss", f"{max_loss}pt", "--evaluate", self.goal.data, *self.goal.flags]
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
        """{name: report of octile bench}; turns are medians of 20 ms, engine after engine. They are
        loaded LOADS times: where an engine's memory lies is worth some percent of short runs."""
        flags = ["--batch", self.args.batch, "--duration", self.args.seconds / LOADS, "--json"]
        loads = [
            json.loads(self.octile.command("bench", *plans.values(), *flags)) for _ in range(LOADS)
        ]
        return dict(zip(plans, map(merged, zip(*loads))))

    # --- scores ---

    def scores(self, plans, data, preprocess):
        """{name: (points, SQNR of all outputs in dB)}, by Python's metrics."""
        outputs = {
            name: self.octile.run(plan, "--preprocess", preprocess, data=data)
            for name, plan in plans.items()
        }
        reference = outputs["float"]
        return {
            name: (
                self.task.score(o, reference),
                engines.sqnr(reference.values(), (o[key] for key in reference)),
            )
            for name, o in outputs.items()
        }

    def row(self, scheme, max_loss=None):
        plans = self.build(scheme, max_loss)
        times = self.times(plans)
        if max_loss is None:
            scores = self.scores(plans, "samples.npy", "fit=none")
        else:  # a word about pictures is judged on the pixels that the program decoded
            scores = self.scores(plans, self.goal.data.resolve(), self.goal.preprocess)
        plan = self.inspected(plans["chosen"])
        precision = plan.get("precision") or {}
        lost = scores["float"][0] - scores["chosen"][0]
        return {
            "model": self.task.name,
            "device": self.args.device,
            **{f"{name}_ms": times[name]["latency_ms"]["p50"] for name in NAMES},
            **{f"{name}_metric": scores[name][0] for name in NAMES},
            "predicted_ms": precision.get("predicted_ms"),
            "asked_loss": max_loss,
            "got_loss": None if max_loss is None else lost,
            "metric": self.task.metric,
            "scheme": scheme,
            "batch": self.args.batch,
            "threads": self.args.threads,
            "isa": times["chosen"]["isa"],
            **ratios(times),
            **{f"{name}_best_ms": times[name]["latency_ms"]["min"] for name in NAMES},
            "int8_sqnr_db": finite(scores["int8"][1]),
            "chosen_sqnr_db": finite(scores["chosen"][1]),
            **dict(zip(("weighted_int8", "weighted"), engines.weighted_steps(plan["layers"]))),
            "kept": next((e["name"] for e in precision.get("engines", []) if e["kept"]), None),
            "explanation": precision.get("explanation", ""),
        }


def merged(reports):
    """One report of an engine that was loaded several times."""
    latency = {
        "p50": float(np.median([report["latency_ms"]["p50"] for report in reports])),
        "min": min(report["latency_ms"]["min"] for report in reports),
    }
    turns = [turn for report in reports for turn in report["turns_ms"]]
    return {**reports[0], "latency_ms": latency, "turns_ms": turns}


def ratios(times):
    """The chosen engine's time over the better of the others', turn by turn."""
    better = min(("float", "int8"), key=lambda name: times[name]["latency_ms"]["p50"])
    chosen, other = (np.array(times[name]["turns_ms"]) for name in ("chosen", better))
    best = times["chosen"]["latency_ms"]["min"] / times[better]["latency_ms"]["min"]
    return {"ratio": float(np.median(chosen / other)), "ratio_of_bests": best}


def finite(value):
    return None if np.isinf(value) else float(value)
