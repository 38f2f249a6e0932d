#!/usr/bin/env python3
"""Compiles what a dp4a-level network runs for compute capability 6.1, where dp4a began.

nvcc 13 has no code for chips before 7.5. NVRTC 12 has, compiles to machine code without a GPU, and
comes from PyPI as one wheel (build/nvrtc). It knows neither the host nor the standard library:
whole .cu files are compiled as device code, launches and all, so that every kernel is instantiated
that the host's side uses; the few names of the standard library that they mention are declared
below.
Without PyPI it says so and counts as skipped.

    tools/check_sm61.py [FILE.cu …]
"""

import ctypes
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/nvrtc"
WHEEL = "nvidia-cuda-nvrtc-cu12==12.9.86"
KERNELS = ROOT / "src/kernels/cuda"
SOURCES = (
    "conv_dp4a conv_depthwise conv_direct window matmul quantize elementwise pool softmax movement "
    "histogram"
)

STAND_INS = {
    "cuda_runtime.h": """
        using cudaStream_t = struct CUstream_st*;
        #define INFINITY __int_as_float(0x7f800000)""",
    "cstdint": """
        using int8_t = signed char;
        using uint8_t = unsigned char;
        using uint16_t = unsigned short;
        using int32_t = int;
        using uint32_t = unsigned;
        using int64_t = long;
        using uint64_t = unsigned long;
        using uintptr_t = unsigned long;""",
    "cstddef": "namespace std { enum class byte : unsigned char {}; }",
    "cfloat": """
        #define FLT_MIN 1.175494351e-38f
        #define FLT_MAX 3.402823466e+38f""",
    "limits": """
        namespace std {
        template <class T> struct numeric_limits;
        template <> struct numeric_limits<float> {
          static constexpr float min() { return 1.175494351e-38f; }
          static constexpr float max() { return 3.402823466e+38f; }
          static constexpr float infinity() { return __int_as_float(0x7f800000); }
        };
        }""",
    "cmath": """
        namespace std { using ::exp; using ::fabs; }
        #define __builtin_rint rint""",
    "algorithm": """
        namespace std {
        template <class T> T min(T a, T b) { return b < a ? b : a; }
        template <class T> T max(T a, T b) { return a < b ? b : a; }
        }""",
    "cstring": "namespace std { using ::memcpy; using ::memset; }",
    "string": """
        namespace std { struct string { string(const char*); string(); bool empty() const; }; }""",
    "span": "namespace std { template <class T> struct span; }",
    "cuda_fp16.h": """
        struct __half { unsigned short bits; };
        __device__ inline float __half2float(__half h) {
          float v;
          asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(h.bits));
          return v;
        }
        __device__ inline __half __float2half_rn(float v) {
          __half h;
          asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
          return h;
        }
        __device__ inline unsigned short __half_as_ushort(__half h) { return h.bits; }""",
    "kernels/cuda/launch.h": """
        namespace octile::cuda {
        struct Launch {
          dim3 grid, block;
          int shared_bytes = 0;
          cudaStream_t stream = nullptr;
          unsigned cluster = 0;
        };
        template <class... Parameters, class... Arguments>
        void start_kernel(void (*)(Parameters...), const Launch&, Arguments&&...) {}
        }""",
    "exception": "namespace std { struct exception_ptr; }",
}


def enums_of_ops():
    """Of octile/ops.h kernels want the enumerations alone."""
    text = (ROOT / "include/octile/ops.h").read_text()
    enums = re.findall(r"^enum class [^;]*;", text, re.MULTILINE)
    return "namespace octile {\n" + "\n".join(enums) + "\n}"


def fetch():
    """The library's path, or None."""
    library = FOLDER / "libnvrtc.so.12"
    if library.exists():
        return library
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = ROOT / "build/python-venv/bin/python3"
    command = [str(python) if python.exists() else sys.executable, "-m", "pip", "download", "-q"]
    command += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    if subprocess.run([*command, "-d", str(FOLDER), WHEEL]).returncode != 0:
        return None
    for wheel in FOLDER.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):  # libnvrtc.so itself comes last
                if "/lib/" in name and ".alt." not in name:
                    (FOLDER / Path(name).name).write_bytes(archive.read(name))
        wheel.unlink()
    return library


class Compiler:
    """NVRTC by its C interface."""

    def __init__(self, library):
        self.nvrtc = ctypes.CDLL(str(library))
        self.nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        headers = {**STAND_INS, "octile/ops.h": enums_of_ops()}
        self.names = self.strings(headers)
        self.texts = self.strings(f"#pragma once\n{text}\n" for text in headers.values())
        self.options = self.strings(
            [
                "--gpu-architecture=sm_61",
                "--std=c++20",
                "--fmad=false",
                "--device-as-default-execution-space",
                "--relocatable-device-code=true",  # launches by device code are allowed there
                "--disable-warnings",
                f"--include-path={ROOT / 'src'}",
                f"--include-path={ROOT / 'include'}",
            ]
        )

    def version(self):
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def compile(self, name, text):
        """(machine code or b"", what the compiler said)"""
        program = ctypes.c_void_p()
        self.check(
            self.nvrtc.nvrtcCreateProgram(
                ctypes.byref(program),
                text.encode(),
                name.encode(),
                len(self.names),
                self.texts,
                self.names,
            )
        )
        done = self.nvrtc.nvrtcCompileProgram(program, len(self.options), self.options)
        said = self.read(program, "ProgramLog").rstrip(b"\0").decode()
        code = self.read(program, "CUBIN") if done == 0 else b""
        self.nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
        return code, said

    def read(self, program, what):
        size = ctypes.c_size_t()
        self.check(getattr(self.nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        text = ctypes.create_string_buffer(size.value)
        self.check(getattr(self.nvrtc, f"nvrtcGet{what}")(program, text))
        return text.raw

    def check(self, status):
        if status != 0:
            sys.exit(f"NVRTC: {self.nvrtc.nvrtcGetErrorString(status).decode()}")

    @staticmethod
    def strings(texts):
        encoded = [text.encode() for text in texts]
        return (ctypes.c_char_p * len(encoded))(*encoded)


def kernels_in(file):
    """The names that follow `__global__ void` and its attributes."""
    found = re.findall(
        r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(", file.read_text()
    )
    if len(found) != file.read_text().count("__global__ "):
        sys.exit(f"{file}: a kernel's name was not found")
    return found


def main():
    files = [Path(name) for name in sys.argv[1:]]
    files = files or [KERNELS / f"{name}.cu" for name in SOURCES.split()]
    library = fetch()
    if library is None:
        print(f"skipped: compute capability 6.1: pip cannot get PyPI's {WHEEL} here")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    compiler = Compiler(library)
    newer = '__global__ void waits() { asm volatile("nanosleep.u32 20;"); }'
    if compiler.compile("newer.cu", newer)[0]:
        sys.exit("an instruction of compute capability 7.0 was accepted: this checks nothing")
    failed = 0
    for file in files:
        code, said = compiler.compile(file.name, file.read_text())
        kernels = set(re.findall(rb"\.nv\.constant0\.(\w+)", code))  # of kernels, not functions
        missing = [
            name
            for name in kernels_in(file)
            if not any(f"{len(name)}{name}".encode() in kernel for kernel in kernels)
        ]
        if missing:
            failed += 1
            print(f"{file.name}: FAILED: no code for {', '.join(missing)}\n{said}")
        else:
            print(f"{file.name}: {len(kernels)} kernels")
    print(f"compute capability 6.1, NVRTC {compiler.version()} (compiled, not run)")
    print(f"{len(files) - failed} passed, {failed} failed, 0 skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
