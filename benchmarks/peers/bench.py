"""The measuring: workers of all engines in turns, rows of what they took, the JSON file."""

import datetime
import json
import os
import platform

import bars
import engines
import layers
import numpy as np
from subject import say
from workers import Failed, Worker


def accuracy(subject, reference, outputs):
    """SQNR in dB; None for a single product, which has to be no more than right."""
    if outputs.size != reference.size:
        raise Failed(f"its outputs have shape {outputs.shape}, wanted is {reference.shape}")
    found = float(engines.sqnr([reference], [outputs]))
    if not subject.spec.gemm:
        return found
    if not found > 20:
        raise Failed(f"its outputs are wrong: SQNR {found:.1f} dB")
    return None


class Bench:
    def __init__(self, machine, peak, rounds, seconds, file):
        self.machine, self.peak, self.file = machine, peak, file
        self.rounds, self.seconds = rounds, seconds
        self.rows, self.failures, self.build, self.layers = [], [], None, []
        self.date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

    def fail(self, subject, batch, threads, engine, precision, error):
        text = (
            str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        )
        self.failures.append(
            {
                "model": subject.name,
                "batch": batch,
                "threads": threads,
                "engine": engine,
                "precision": precision,
                "error": text,
            }
        )
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
                worker.sqnr = accuracy(subject, reference[: len(found)], found)
                worker.ask(seconds=min(0.2, self.seconds))  # warm
                workers[engine, precision] = worker
            except Failed as error:
                self.fail(subject, batch, threads, engine, precision, error)
                if worker:
                    worker.end()
            outputs.unlink(missing_ok=True)
        return workers

    def turns(self, subject, batch, threads, workers):
        """Every engine in turns, so that what disturbs the machine disturbs all."""
        for turn in range(self.rounds):
            say(f"{subject.name} b{batch} t{threads}: turn {turn + 1} of {self.rounds}")
            for (engine, precision), worker in list(workers.items()):
                try:
                    worker.times += worker.ask(seconds=self.seconds)["times"]
                except Failed as error:
                    self.fail(subject, batch, threads, engine, precision, error)
                    del workers[engine, precision]

    def row(self, subject, batch, threads, key, worker):
        middle, best = bars.summarize(worker.times)
        engine, precision = key
        share = layers.share_of(
            self.peak, precision, subject.operations * batch / middle / 1e6, threads
        )
        held = not self.machine.forced or engine.startswith(("octile", "openvino"))
        return {
            "model": subject.name,
            "batch": batch,
            "threads": threads,
            "engine": engine,
            "precision": precision,
            "median_ms": middle,
            "best_ms": best,
            "sqnr_db": worker.sqnr,
            "share_of_peak": share,
            "held_to_isa": held,
            "isa": worker.isa,
        }

    def group(self, subject, batch, threads):
        print(
            f"\n{subject.name}, batch {batch}, {threads} thread{'s' * (threads > 1)}: "
            f"{subject.operations / 1e9:.3f} GOP a sample, {subject.source}",
            flush=True,
        )
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
        rows = [
            {**row, "sqnr_db": None if row["sqnr_db"] == np.inf else row["sqnr_db"]}
            for row in self.rows
        ]
        made = {
            "machine": self.machine.name,
            "isa": self.machine.isa,
            "date": self.date,
            "build_s": self.build and self.build["empty_cache"],
            "build": self.build,
            "host": platform.platform(),
            "peak_gops": self.peak,
            "rows": rows,
            "failures": self.failures,
            "layers": self.layers,
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(made, indent=1) + "\n")
        partial.rename(self.file)
