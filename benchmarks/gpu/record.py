"""What a run has measured so far, and its progress as lines of text."""

import datetime
import json
import time

import bars

BEGIN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGIN:4.0f} s] {text}", flush=True)


class Bench:
    """What was measured so far, in the file after every workload."""

    def __init__(self, args):
        self.args = args
        self.made = {
            "device": "",
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "rows": [],
            "ceilings": {},
            "failures": [],
        }
        self.floors, self.wanted = {}, []

    def add(self, rows):
        bars.add_shares(rows, self.floors)
        self.made["rows"] += rows
        partial = self.args.json.with_suffix(".partial")
        partial.write_text(json.dumps(self.made, indent=1, ensure_ascii=False) + "\n")
        partial.rename(self.args.json)

    def fail(self, what, error):
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        self.made["failures"].append(f"{what}: {text}")
        say(f"{what}: left out: {text}")
