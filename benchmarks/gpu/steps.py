"""A network step by step, by `octile bench --layers`: all of it as text, and what counts."""

import json
import subprocess


def profile(program, plan_file, batch):
    """The program's JSON."""
    command = [program, "bench", plan_file, "--layers", "--json", "--device", "cuda:0"]
    command += ["--batch", batch, "--duration", 0.5]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"{program} ended with {done.returncode}")
    return json.loads(done.stdout)


def all_steps(workload, found):
    lines = [f"== {workload}: {found['latency_ms']['p50']:.4f} ms without the profiler"]
    for s in found["layers"]:
        lines.append(
            f"{s['us']:9.2f} us {s['percent']:5.1f} %  {s['step']:10} {s['precision']:6} "
            f"{s['tactic']:24} {s['name']}"
        )
    return "\n".join(lines)


def summary(workload, found):
    """The ten longest steps, and sums by kind and tactic."""
    steps = found["layers"]
    total = sum(s["us"] for s in steps)
    lines = [f"{workload}: {len(steps)} steps, {total:.0f} us with the profiler between them"]
    for s in sorted(steps, key=lambda s: -s["us"])[:10]:
        lines.append(
            f"  {s['us']:9.2f} us {s['percent']:5.1f} %  {s['tactic']:24} {s['name'][:60]}"
        )
    kinds = {}
    for s in steps:
        kind = kinds.setdefault((s["step"], s["precision"], s["tactic"]), [0, 0.0])
        kind[0] += 1
        kind[1] += s["us"]
    lines.append("  by kind:")
    for (step, precision, tactic), (count, us) in sorted(kinds.items(), key=lambda k: -k[1][1]):
        lines.append(f"  {us:9.2f} us {us / total:6.1%}  {count:3} × {step} {precision} {tactic}")
    return "\n".join(lines)
