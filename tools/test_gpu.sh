#!/usr/bin/env bash
# Tests of the GPU backend, on a machine with a GPU: kernels, conformance of every tactic on every
# level, contexts and streams, calibration, timing, and whole models against the CPU (DATA: a folder
# with .onnx files).
# SANITIZE=1: under compute-sanitizer (memcheck, racecheck, synccheck), with fewer models and one case
# in eight of each tactic, in 64 for racecheck, which takes its time.
# Without a GPU it says so and counts as skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
tests=build/release/tests
if [ ! -x $tests/octile_gpu_check ]; then
  echo "skipped: the GPU tests: this build has no CUDA (nvcc 13 is missing)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
if reason=$($tests/octile_gpu_check); [ $? -eq 77 ]; then
  echo "skipped: the GPU tests: ${reason#SKIP: }"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
mapfile -t models < <(find -L "${DATA:-../shared/data}" -name '*.onnx' 2>/dev/null | sort)
passed=0 failed=0
step() {
  local name=$1
  shift
  echo "== $name"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name"; fi
}
if [ "${SANITIZE:-0}" = 1 ]; then
  sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  small=()
  for model in "${models[@]}"; do
    case $model in *mnist* | *resnet20* | *kws*) small+=("$model") ;; esac
  done
  every=${OCTILE_CONFORMANCE_EVERY:-}
  for tool in memcheck racecheck synccheck; do
    export OCTILE_CONFORMANCE_EVERY=${every:-$([ $tool = racecheck ] && echo 64 || echo 8)}
    check=("$sanitizer" --tool $tool --error-exitcode 9 --print-limit 20)
    step "$tool, conformance" "${check[@]}" $tests/octile_conformance_test \
      --gtest_filter='*DeviceConformance*' --gtest_brief=1
    step "$tool, contexts" "${check[@]}" $tests/octile_runtime_test --gtest_filter='OnGpu*' \
      --gtest_brief=1
    [ ${#small[@]} -gt 0 ] && step "$tool, models" "${check[@]}" $tests/octile_gpu_check "${small[@]}"
  done
else
  step "kernels" $tests/octile_kernels_test --gtest_filter='*Conv*:*Cuda*' --gtest_brief=1
  step "conformance" $tests/octile_conformance_test --gtest_filter='*Device*' --gtest_brief=1
  step "contexts" $tests/octile_runtime_test --gtest_filter='OnGpu*:Device*' --gtest_brief=1
  step "calibration" $tests/octile_calibrate_test --gtest_filter='*AGpu*' --gtest_brief=1
  step "timing and precisions" $tests/octile_tune_test --gtest_filter='*AGpu*' --gtest_brief=1
  for level in dp4a mma wgmma; do
    if $tests/octile_gpu_check --isa $level >/dev/null; [ $? -eq 77 ]; then
      echo "skipped: models on $level: the GPU lacks it"
      continue
    fi
    [ ${#models[@]} -gt 0 ] && step "models, $level" $tests/octile_gpu_check --isa $level "${models[@]}"
  done
  step "program" build/release/octile devices
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
