#!/usr/bin/env bash
# octile-serve's tests: server processes driven by tritonclient (python/tests/test_serve_*.py).
# KServe's and tritonclient's protobuf descriptors clash in one process, so that the tests of the
# server's parts run in another one. Without PyPI they are told as skipped; on CI that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! tools/serve_venv.sh; then
  echo "skipped: python/tests/test_serve_*.py: KServe and tritonclient are missing"
  [ "${CI:-}" != true ]
  exit
fi
run() {
  OMP_WAIT_POLICY=passive PYTHONPATH=$PWD/build/release/python build/serve-venv/bin/python3 -m pytest \
    -q --no-header --tb=short -o addopts= -rs -p no:cacheprovider "$@"
}
run python/tests/test_serve_units.py
run python/tests/test_serve_*.py --deselect python/tests/test_serve_units.py
