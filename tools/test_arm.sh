#!/usr/bin/env bash
# Cross-builds the runtime for 64-bit ARM and tests it under qemu (tools/test_arm.py). Where the cross
# compiler or qemu cannot be had, it says so and counts as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! tools/install_dependencies.sh arm; then
  echo "skipped: the ARM build: packages are missing (above)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
jobs=${JOBS:-$(nproc)}
cmake --build build/release -j "$jobs" --target octile_cli octile_mnist_write_onnx
cmake --preset aarch64 >build/aarch64.configure.log || { cat build/aarch64.configure.log; exit 1; }
cmake --build build/aarch64 -j "$jobs" --target octile_conformance_test octile_run_plan
tools/check_isa_leaks.py build/aarch64
tools/test_arm.py build/aarch64 build/release
