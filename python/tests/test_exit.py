"""The interpreter's end while daemon threads are still at work: quiet, with exit code 0."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import sys, threading, time
import numpy as np
import octile
from octile import cudart

network = octile.Network("n")
x = network.add_input("x", "float32", (64, 64))
network.mark_output(network.softmax(x), "y")
batch = np.zeros((64, 64), np.float32)

def batches():
    while True:
        yield batch

{work}

thread = threading.Thread(target=lambda: [work() for _ in iter(int, 1)], daemon=True)
thread.start()
time.sleep(0.2)
"""

WORK = {
    "runs": """
context = octile.Engine(octile.build(network, tactics="first")).create_context()
work = lambda: context.run(batch)
""",
    "calibrations": """
work = lambda: octile.calibrate(network, batches(), progress=lambda *a: None)
""",
    "copies": """
kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
memory = cudart.cudaMalloc(batch.nbytes)[1]
work = lambda: cudart.cudaMemcpy(memory, batch.ctypes.data, batch.nbytes, kind)
""",
}


@pytest.mark.parametrize("what", WORK)
def test_daemon_threads_do_not_disturb_the_end(what):
    program = START.format(work=WORK[what])
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")
