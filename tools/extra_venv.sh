#!/usr/bin/env bash
# Makes build/NAME-venv with what python/requirements-NAME.txt names, for the tests, benchmarks and
# demos of the package's extra NAME (ray, serve). Of build/python-venv's Python, for which the module
# in build/release is compiled. Without PyPI it exits with 1 and says so.
#
#   tools/extra_venv.sh serve
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
venv=build/$name-venv
pins=python/requirements-$name.txt
if [ "$venv/ready" -nt "$pins" ] && "$venv/bin/python3" -c '' 2>/dev/null; then
  exit 0
fi
[ -x build/python-venv/bin/python3 ] || { echo "build/python-venv is missing" >&2; exit 1; }
echo "what $pins names goes to $venv"
rm -f "$venv/ready"
build/python-venv/bin/python3 -m venv --clear "$venv"
if ! "$venv/bin/pip" install -q --disable-pip-version-check -r "$pins" >"$venv.log" 2>&1; then
  tail -n 3 "$venv.log" >&2
  echo "$venv lacks what $pins names (see $venv.log): is PyPI reached?" >&2
  exit 1
fi
touch "$venv/ready"
