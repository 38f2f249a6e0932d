"""This CPU, the ISA class that is measured, and the environment of children."""

import os
import sys
from pathlib import Path

import bars

import octile


def environment(path, isa, forced):
    """For children: where modules lie, and the ISA that engines with a switch are held to."""
    made = {**os.environ, "PEERS_PATH": os.pathsep.join(path)}
    if forced:
        made |= {"OCTILE_FORCE_ISA": isa, "ONEDNN_MAX_CPU_ISA": bars.ONEDNN[isa]}
    return made


def physical_cores():
    """One allowed logical CPU a core; the first, which interrupts like, comes last."""
    allowed, seen, cores = sorted(os.sched_getaffinity(0)), set(), []
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings = path.read_text().strip() if path.exists() else str(cpu)
        if siblings not in seen:
            seen.add(siblings)
            cores.append(cpu)
    return cores[::-1]


class Machine:
    def __init__(self, isa, path):
        flags = bars.cpu_flags()
        self.own = bars.class_of(flags) or sys.exit(
            "this CPU has none of AVX2, AVX-VNNI, AVX-512 VNNI, AMX"
        )
        self.isa = isa or self.own
        if bars.CLASSES.index(self.isa) > bars.CLASSES.index(self.own):
            sys.exit(f"--isa {isa}: this CPU is of class {self.own}")
        self.forced = self.isa != self.own
        self.bf16 = not self.forced and ("avx512_bf16" in flags or "amx_bf16" in flags)
        self.cores = physical_cores()
        self.env = environment(path, self.isa, self.forced)
        self.name = octile.devices()[0].name
