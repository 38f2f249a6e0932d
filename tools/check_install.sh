#!/usr/bin/env bash
# Installs to a temporary prefix and builds a program against the package: find_package(octile) with
# the full library and with the runtime-only one.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$PWD/build/install-check/prefix
rm -rf build/install-check
mkdir -p build/install-check
cmake --build build/release >/dev/null
cmake --install build/release --prefix "$prefix" >build/install-check/install.log
cmake -S tools/install_consumer -B build/install-check/consumer -G Ninja \
  -DCMAKE_PREFIX_PATH="$prefix" >build/install-check/configure.log
cmake --build build/install-check/consumer
build/install-check/consumer/consumer
build/install-check/consumer/runtime_consumer
"$prefix/bin/octile" --version
echo "runtime-only configuration:"
cmake -S . -B build/install-check/runtime -G Ninja -DCMAKE_BUILD_TYPE=Release -DOCTILE_CUDA=OFF \
  -DOCTILE_RUNTIME_ONLY=ON -DOCTILE_UNITY=OFF >build/install-check/runtime.log
cmake --build build/install-check/runtime
