#!/usr/bin/env bash
# Makes build/serve-venv: KServe, tritonclient and ONNX Runtime, for octile-serve's tests, benchmark
# and demo. Of build/python-venv's Python, for which the module in build/release is compiled. Without
# PyPI it exits with 1 and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/serve-venv
pins=python/requirements-serve.txt
if [ "$venv/ready" -nt "$pins" ] && "$venv/bin/python3" -c '' 2>/dev/null; then
  exit 0
fi
[ -x build/python-venv/bin/python3 ] || { echo "build/python-venv is missing" >&2; exit 1; }
echo "KServe, tritonclient and ONNX Runtime go to $venv"
rm -f "$venv/ready"
build/python-venv/bin/python3 -m venv --clear "$venv"
if ! "$venv/bin/pip" install -q --disable-pip-version-check -r "$pins" >build/serve-venv.log 2>&1; then
  tail -n 3 build/serve-venv.log >&2
  echo "$venv lacks what $pins names (see build/serve-venv.log): is PyPI reached?" >&2
  exit 1
fi
touch "$venv/ready"
