"""Tools and engines as the driver sees them: processes of their own. A worker holds one engine and
is stopped while it is not its turn."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Failed(Exception):
    """An engine's or a tool's own words."""


def last_words(log):
    """The line that tells most of a failed process's output: its last that says anything."""
    lines = [
        line.strip() for line in Path(log).read_text(errors="replace").splitlines() if line.strip()
    ]
    return lines[-1][:300] if lines else "it ended without a word"


def run_tool(args, env, log):
    """A tool's process to its end; Failed with its last line."""
    with open(log, "w") as file:
        code = subprocess.run(
            [sys.executable, *map(str, args)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        ).returncode
    if code != 0:
        raise Failed(last_words(log))


class Worker:
    def __init__(self, spec, env, log):
        self.log, self.times = log, []
        with open(log, "w") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py"), json.dumps(spec)],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.isa = self.answer()["isa"]

    def answer(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": last_words(self.log)}
        if "error" in answer:
            self.end()
            raise Failed(answer["error"])
        os.kill(self.process.pid, signal.SIGSTOP)  # its threads neither spin nor wake now
        return answer

    def ask(self, **request):
        os.kill(self.process.pid, signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.end()
            raise Failed(last_words(self.log)) from None
        return self.answer()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
