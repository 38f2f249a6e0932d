#!/usr/bin/env bash
# The tests of what measures, with a clock that jumps (shaky_clock.c): none may hang on how quick this
# machine is, or how busy. First argument: the build.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
clock=$PWD/$build/shaky_clock.so
cc -O2 -Wall -shared -fPIC tools/shaky_clock.c -o "$clock" -ldl
passed=0
failed=0
for most in 2e6 5e7; do # ns; a step of these networks takes 1e3 to 1e5
  for name in compile tune report runtime end_to_end; do
    log=$(mktemp)
    if SHAKY_CLOCK_NS=$most LD_PRELOAD=$clock timeout 300 "$build/tests/octile_${name}_test" >"$log" 2>&1; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      grep -B 20 -E '^\[  FAILED  \]' "$log" || tail -n 20 "$log"
    fi
    rm -f "$log"
  done
done
echo "$passed passed, $failed failed, 0 skipped (programs of tests, with a clock that jumps)"
[ "$failed" -eq 0 ]
