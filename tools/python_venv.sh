#!/usr/bin/env bash
# Makes build/python-venv: the environment in which the Python module is built, tested and packed.
# It is the system's Python, not one that stands before it on PATH, and sees the system's packages:
# python3-torch and python3-opencv of Debian and Ubuntu come without PyPI's gigabytes that way. Pins
# (python/requirements-test.txt) lie over them. Without PyPI it exits with 1 and says so; OCTILE_PYTHON
# names another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/python-venv
pins=python/requirements-test.txt
if [ "$venv/ready" -nt "$pins" ] && "$venv/bin/python3" -c '' 2>/dev/null; then
  exit 0
fi
mkdir -p build
python=${OCTILE_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || python=$(command -v python3)
echo "the Python environment goes to $venv ($("$python" --version))"
rm -f "$venv/ready"
"$python" -m venv --clear --system-site-packages "$venv"
if ! "$venv/bin/pip" install -q --disable-pip-version-check -r "$pins" >build/python-venv.log 2>&1; then
  tail -n 3 build/python-venv.log >&2
  echo "build/python-venv lacks what $pins names (see build/python-venv.log): is PyPI reached?" >&2
  exit 1
fi
touch "$venv/ready"
