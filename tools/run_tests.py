#!/usr/bin/env python3
"""Runs the tests of one build directory, tells every skip with its reason, closes with the counts.

    tools/run_tests.py build/release

Sanitizer builds get the runtime options that make their findings fatal. Exits with 1 on a failure.
"""
import ast
import collections
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(build):
    env = dict(os.environ)
    # Several test programs share the cores: threads that wait must not spin them away.
    env.setdefault("OMP_WAIT_POLICY", "passive")
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    env.setdefault("LSAN_OPTIONS", f"suppressions={ROOT}/tools/lsan.supp:print_suppressions=0")
    if "tsan" in build.name:  # one-threaded oneDNN: its OpenMP runtime is not understood
        env["OMP_NUM_THREADS"] = "1"
        env.setdefault("TSAN_OPTIONS",
                       f"halt_on_error=1:second_deadlock_stack=1:suppressions={ROOT}/tools/tsan.supp")
    return env


def run_ctest(build):
    report = build / "junit.xml"
    report.unlink(missing_ok=True)
    process = subprocess.Popen(
        ["ctest", "--test-dir", str(build), "-j", str(os.cpu_count() or 2), "--output-on-failure",
         "--no-tests=error", "--output-junit", str(report.resolve())],
        env=environment(build), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if re.match(r"^\s*\d+/\d+ Test\s+#\d+: .* Passed ", line) or line.lstrip().startswith("Start "):
            continue
        sys.stdout.write(line)
    code = process.wait()
    return code, report


def skip_reason(output):
    """GoogleTest prints 'file:line: Skipped' and then the reason."""
    match = re.search(r"Skipped\n(.*?)\n(?:\n|\[)", output or "", re.S)
    return " ".join(match.group(1).split()) if match else "no reason given"


def cached(build, name):
    """A variable of the build directory's CMake cache, "" where it is not set."""
    match = re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)
    return match.group(1) if match else ""


def pytest_reason(skip):
    if skip.get("message") == "collection skipped":  # a module's: ('file', line, 'Skipped: why')
        return ast.literal_eval(skip.text)[2].removeprefix("Skipped: ")
    return skip.get("message") or "no reason given"


def python_tests(build):
    """python/tests against the module of this build; (passed, failed, skipped)."""
    if "tsan" in build.name or "asan" in build.name:
        return 0, 0, 0  # the sanitizers' builds have no Python module
    if cached(build, "OCTILE_PYTHON") != "ON":
        print("skipped: python/tests: built without the Python module (tools/python_venv.sh says why)")
        return 0, 0, 1
    report = build / "pytest.xml"
    report.unlink(missing_ok=True)
    env = dict(environment(build), PYTHONPATH=str((build / "python").resolve()))
    code = subprocess.run(
        [cached(build, "Python_EXECUTABLE"), "-m", "pytest", "python/tests", "-q", "--no-header",
         "--tb=short", "-o", "addopts=", "-p", "no:cacheprovider", f"--junitxml={report}"],
        cwd=ROOT, env=env).returncode
    passed = failed = 0
    skips = collections.Counter()
    for case in ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ():
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skip is not None:
            skips[case.get("classname") or case.get("name"), pytest_reason(skip)] += 1
        else:
            passed += 1
    for (module, reason), count in sorted(skips.items()):
        print(f"skipped: {module}{f' ({count} tests)' if count > 1 else ''}: {reason}")
    if code != 0 and failed == 0:  # pytest did not come to an end, or found nothing to run
        print(f"FAILED: python/tests: pytest's exit code is {code}")
        failed = 1
    return passed, failed, sum(skips.values())


def own_checks(build):
    checks = [["tools/check_includes.py"], ["tools/check_includes.py", "--self-test"]]
    if "tsan" not in build.name and "asan" not in build.name:
        checks.append(["tools/check_isa_leaks.py", str(build)])
    failed = 0
    for check in checks:
        code = subprocess.run([sys.executable] + check, cwd=ROOT).returncode
        print(f"{'ok' if code == 0 else 'FAILED'}: {' '.join(check)}")
        failed += code != 0
    return len(checks) - failed, failed


def main():
    build = Path(sys.argv[1])
    code, report = run_ctest(build)
    passed = failed = skipped = 0
    if not report.exists():
        sys.exit("ctest wrote no report")
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        skip = case.find("skipped")
        if skip is not None and "SKIP" not in skip.get("message", "").upper():
            failed += 1  # "Unable to find executable": it was not built
            print(f"FAILED: {case.get('name')}: {skip.get('message')}")
        elif skip is not None:
            skipped += 1
            output = case.findtext("system-out")
            print(f"skipped: {case.get('name')}: {skip_reason(output)}")
        elif case.find("failure") is not None or case.get("status") == "fail":
            failed += 1
        else:
            passed += 1
            if case.get("name") == "onnx_nodes":  # a program of many tests tells its own counts
                print(f"onnx_nodes: {(case.findtext('system-out') or '').rstrip().splitlines()[-1]}")
    ok, bad, left_out = python_tests(build)
    passed, failed, skipped = passed + ok, failed + bad, skipped + left_out
    ok, bad = own_checks(build)
    passed, failed = passed + ok, failed + bad
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or code != 0 else 0)


if __name__ == "__main__":
    main()
