#!/usr/bin/env bash
# Tests of the package's extras, in environments of their own (tools/extra_venv.sh). Without PyPI they
# are told as skipped; on CI that is a failure.
#
#   tools/test_extra.sh ray     octile.ray on clusters of several nodes on this machine
#   tools/test_extra.sh serve   server processes driven by tritonclient; KServe's and tritonclient's
#                               protobuf descriptors clash in one process, so that the tests of the
#                               server's parts run in another one
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
if ! tools/extra_venv.sh "$name"; then
  echo "skipped: python/tests/test_${name}_*.py: what python/requirements-$name.txt names is missing"
  echo "0 passed, 0 failed, 1 skipped"
  [ "${CI:-}" != true ]
  exit
fi
export PYTHONPATH=$PWD/build/release/python
run() {
  "build/$name-venv/bin/python3" -m pytest -q --tb=short -rs "$@"
}
case $name in
  ray)
    RAY_USAGE_STATS_ENABLED=0 run -W ignore --show-capture=no python/tests/test_ray_*.py
    ;;
  serve)
    export OMP_WAIT_POLICY=passive
    options=(--no-header -o addopts= -p no:cacheprovider)
    run "${options[@]}" python/tests/test_serve_units.py
    run "${options[@]}" python/tests/test_serve_*.py --deselect python/tests/test_serve_units.py
    ;;
esac
