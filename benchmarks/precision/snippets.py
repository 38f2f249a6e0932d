"""Measured parts of the documentation: what stands between <!-- NAME --> and <!-- /NAME --> is a
script's."""

import datetime
from pathlib import Path


def put(path, name, text):
    """Replaces what stands between the marks; both have to be there."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    page = Path(path).read_text()
    head, found, rest = page.partition(begin)
    old, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{path} has no {begin.strip()} … {end}")
    Path(path).write_text(head + begin + text.strip("\n") + "\n" + end + tail)


def today():
    return datetime.date.today().isoformat()


def machine(devices, device):
    """'AMD EPYC, family 25, model 17' of `octile devices --json`; a CPU's name may say little."""
    row = next(d for d in devices if d["id"] == device)
    if device != "cpu":
        return row["name"]
    info = dict(
        line.split(":", 1)
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        if ":" in line
    )
    info = {key.strip(): value.strip() for key, value in info.items()}
    return ", ".join(
        [row["name"]]
        + [
            f"{key.removeprefix('cpu ')} {info[key]}"
            for key in ("cpu family", "model")
            if key in info
        ]
    )
