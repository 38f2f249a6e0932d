#!/usr/bin/env bash
# Fuzzes the ONNX importer (tests/fuzz): libFuzzer where Clang has it, else the same target under the
# sanitizers of GCC with a driver of our own. No crash, no input of more than a minute, no allocation
# above 1 GiB. What fails stays in build/fuzz-findings.
#
#   SECONDS_TO_RUN=60 FUZZ_SEED=1 tools/fuzz.sh   (tools/install_dependencies.sh fuzz brings Clang)
#
# Without FUZZ_SEED every run is another one; with it a run repeats itself.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${SECONDS_TO_RUN:-60}
seed=${FUZZ_SEED:-0}
corpus=/usr/share/libonnx-testdata/data/node
findings=build/fuzz-findings
mkdir -p build "$findings"

clang=$(command -v clang++ || command -v clang++-14 || command -v clang++-18 || true)

has_libfuzzer() {
  [ -n "$clang" ] && echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    "$clang" -std=c++20 -fsanitize=fuzzer,address -x c++ - -o "$findings/.probe" 2>/dev/null
}

build() {  # preset, more definitions
  [ -f "build/$1/build.ninja" ] || cmake --preset "$@" >"build/$1.configure.log" 2>&1 ||
    { cat "build/$1.configure.log"; exit 1; }
  cmake --build "build/$1" -j "${JOBS:-2}" --target octile_onnx_fuzz
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:max_allocation_size_mb=1024}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=tools/lsan.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
if has_libfuzzer; then
  build fuzz "-DCMAKE_CXX_COMPILER=$clang" "-DCMAKE_C_COMPILER=${clang/clang++/clang}"
  rm -rf build/fuzz-corpus  # of the last run
  mkdir build/fuzz-corpus
  seeds=()
  if [ -d "$corpus" ]; then  # in one order everywhere; the folder's own is the disk's
    find "$corpus" -name model.onnx | LC_ALL=C sort | paste -sd, | tr -d '\n' >build/fuzz-seeds
    seeds=(-seed_inputs=@build/fuzz-seeds)
  fi
  build/fuzz/tests/octile_onnx_fuzz -max_total_time="$time" -seed="$seed" -timeout=60 -malloc_limit_mb=1024 \
    -rss_limit_mb=4096 -max_len=20000 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$findings/" "${seeds[@]}" build/fuzz-corpus >"$findings/log" 2>&1 ||
    { tail -n 60 "$findings/log"; exit 1; }
  grep -E 'Done|stat::(number_of|average|peak)' "$findings/log"
else
  build asan
  code=0
  [ "$seed" -ne 0 ] || seed=$RANDOM
  build/asan/tests/octile_onnx_fuzz --seconds "$time" --seed "$seed" --write "$findings/crash.onnx" "$corpus" ||
    code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 77 ] || exit "$code"
fi
