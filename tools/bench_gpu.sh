#!/usr/bin/env bash
# Builds and runs benchmarks/gpu (make bench-gpu) with the Python that has PyTorch. What is missing is
# told, and what can be measured without it is measured. Packages are asked for only where CMake does
# not find what they bring: on some machines it came by other ways.
set -euo pipefail
cd "$(dirname "$0")/.."
stop() { echo "bench-gpu: $1; nothing is measured" >&2; exit 1; }
command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || stop "nvcc 13 is missing (CUDA toolkit)"
[ -e /dev/nvidiactl ] || stop "no NVIDIA GPU is visible (/dev/nvidiactl)"
python=$(command -v "${PYTHON:-python3}") || stop "${PYTHON:-python3} is missing (PYTHON=…)"
has() { "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)"; }

flags=(-DOCTILE_BENCHMARKS=ON -DOCTILE_CUDA=ON)
targets=(octile_gpu_kernels octile_kernels_test octile_cli)
mkdir -p build
if ! has torch; then
  echo "bench-gpu: $python has no PyTorch (PYTHON=… names another): no networks, no torch rows"
elif has nanobind || PYTHONPATH=build/bench-gpu-python has nanobind ||
  "$python" -m pip install -q --target build/bench-gpu-python "$(grep ^nanobind python/requirements-test.txt)"; then
  flags+=(-DOCTILE_PYTHON=ON "-DPython_EXECUTABLE=$python")
  targets+=(octile_python)
else
  echo "bench-gpu: $python has no nanobind: the Python module and its rows are left out"
fi
[ -d build/bench-gpu-python ] && export PYTHONPATH=$PWD/build/bench-gpu-python

configure() { cmake --preset release "${flags[@]}" ${CMAKE_FLAGS:-} >build/release.configure.log 2>&1; }
echo "bench-gpu: building"
configure || { tools/install_dependencies.sh python && configure; } || {
  cat build/release.configure.log
  stop "the build could not be configured"
}
# The module is this Python's now: the next `make build` makes build/python-venv's again.
[ ! -f build/python-venv/ready ] || touch build/python-venv/ready
cmake --build build/release -j "${JOBS:-$(nproc)}" --target "${targets[@]}" >build/release.bench.log 2>&1 || {
  grep -A 20 FAILED build/release.bench.log || tail -n 20 build/release.bench.log
  stop "the build failed"
}
PYTHONPATH=$PWD/build/release/python${PYTHONPATH:+:$PYTHONPATH} exec "$python" benchmarks/gpu/gpu.py "$@"
