"""python -m octile.tensorrt, octile.tensorrt.install(), and the modules that they stand in for."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import octile.tensorrt
from octile import cudart
from octile.cuda.bindings import driver as cu
from octile.pycuda import driver as pycuda
from octile.pycuda import gpuarray


def run(*arguments, cwd, code=0):
    """Runs this Python with arguments; (stdout, stderr)."""
    paths = [str(Path(octile.__file__).absolute().parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == code, result.stderr
    return result.stdout, result.stderr


def write(path, text):
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def test_all_names_give_octiles_modules(tmp_path):
    script = write(
        tmp_path / "names.py",
        """
        import tensorrt, tensorrt as trt
        from cuda import cudart, cuda
        from cuda.bindings import runtime, driver
        import cuda.bindings.runtime as again
        import pycuda.autoinit
        import pycuda.driver as drv
        from pycuda import gpuarray
        import octile.tensorrt, octile.cudart, octile.cuda.cudart, octile.pycuda.driver
        assert tensorrt is trt is octile.tensorrt is tensorrt.tensorrt
        assert tensorrt.__name__ == tensorrt.__spec__.name == "octile.tensorrt"
        assert cudart is octile.cuda.cudart and runtime is again
        assert cudart.cudaMalloc is runtime.cudaMalloc is octile.cudart.cudaMalloc
        assert cudart.cudaError_t is octile.cudart.cudaError_t
        assert cuda.cuMemAlloc is driver.cuMemAlloc
        assert drv is octile.pycuda.driver is pycuda.driver
        assert drv.Context.get_current() is pycuda.autoinit.context
        print("same")
        """,
    )
    assert run("-m", "octile.tensorrt", script, cwd=tmp_path) == ("same\n", "")


def test_a_script_runs_as_python_runs_it(tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    write(folder / "beside.py", "value = 7\n")
    script = write(
        folder / "script.py",
        """
        import __main__, sys, os, inspect
        import beside
        print(sys.argv, sys.path[0], __name__, __file__, beside.value, __spec__, __package__)
        print(__main__.beside is beside, sorted(k for k in globals() if k.startswith("__")))
        def function(): pass
        print(inspect.getsource(function).strip())
        class Thing: pass
        import pickle
        print(type(pickle.loads(pickle.dumps(Thing()))) is Thing)
        sys.exit(3)
        """,
    )
    name = script.relative_to(tmp_path)
    plain, _ = run(name, "-x", "--flag", cwd=tmp_path, code=3)
    ours, _ = run("-m", "octile.tensorrt", name, "-x", "--flag", cwd=tmp_path, code=3)
    for word in ("__annotations__", "__loader__"):  # they say how the source was read
        plain, ours = plain.replace(f"'{word}', ", ""), ours.replace(f"'{word}', ", "")
    assert ours == plain


def test_tracebacks_are_the_scripts_own(tmp_path):
    script = write(
        tmp_path / "script.py",
        """
        def inner():
            raise ZeroDivisionError("of the script")
        try:
            {}["key"]
        except KeyError:
            inner()
        """,
    )
    _, plain = run(script, cwd=tmp_path, code=1)
    _, ours = run("-m", "octile.tensorrt", script, cwd=tmp_path, code=1)
    assert ours == plain
    broken = write(tmp_path / "broken.py", "x = (1,\n")
    _, plain = run(broken, cwd=tmp_path, code=1)
    _, ours = run("-m", "octile.tensorrt", broken, cwd=tmp_path, code=1)
    assert ours == plain


def test_exit_codes(tmp_path):
    for text, code in (("exit(5)", 5), ("exit('told')", 1)):
        script = write(tmp_path / "script.py", text)
        _, told = run("-m", "octile.tensorrt", script, cwd=tmp_path, code=code)
        assert told == ("told\n" if "told" in text else "")
    _, told = run("-m", "octile.tensorrt", "absent.py", cwd=tmp_path, code=2)
    assert told == "octile.tensorrt: can't open 'absent.py': No such file or directory\n"
    _, told = run("-m", "octile.tensorrt", cwd=tmp_path, code=2)
    assert told.startswith("usage: python -m octile.tensorrt")


def test_modules_and_commands(tmp_path):
    write(tmp_path / "module.py", "import sys, cuda.cudart; print(sys.argv[1:], __name__)")
    out, _ = run("-m", "octile.tensorrt", "-m", "module", "a", "-m", cwd=tmp_path)
    assert out == "['a', '-m'] __main__\n"
    package = tmp_path / "package"
    package.mkdir()
    write(package / "__init__.py", "")
    write(package / "__main__.py", "from cuda import cudart; from . import other; other.fail()")
    write(package / "other.py", "def fail(): raise LookupError('of the package')")
    _, told = run("-m", "octile.tensorrt", "-m", "package", cwd=tmp_path, code=1)
    assert told.endswith("LookupError: of the package\n")
    assert "runpy" not in told and "octile" not in told
    command = "import sys; from cuda import cudart; print(sys.argv, cudart.cudaFree(0))"
    out, _ = run("-m", "octile.tensorrt", "-c", command, "x", cwd=tmp_path)
    assert out == "['-c', 'x'] (<cudaError_t.cudaSuccess: 0>,)\n"


def test_a_library_that_imports_cuda(tmp_path):
    write(tmp_path / "library.py", "from cuda import cudart\nimport tensorrt as trt")
    text = """
        import octile.tensorrt as trt
        trt.install()
        trt.install()
        import library
        from octile import cudart
        print(library.trt is trt, library.cudart.cudaMalloc is cudart.cudaMalloc)
        """
    out, _ = run("-c", textwrap.dedent(text), cwd=tmp_path)
    assert out == "True True\n"


def test_without_install_the_names_are_not_taken(tmp_path):
    (tmp_path / "cuda").mkdir()
    write(tmp_path / "cuda" / "__init__.py", "cudart = 'of somebody else'")
    text = "import octile.tensorrt, octile.cudart; from cuda import cudart; print(cudart)"
    assert run("-c", text, cwd=tmp_path)[0] == "of somebody else\n"
    text = "import cuda, octile.tensorrt as trt; trt.install(['tensorrt']); trt.install()"
    _, told = run("-c", text, cwd=tmp_path, code=1)
    assert told.endswith(
        "RuntimeError: cuda is imported already: call octile.tensorrt.install() before\n"
    )
    with pytest.raises(ValueError, match="no alias 'numpy'"):
        octile.tensorrt.install(["numpy"])


def test_what_octile_has_not_is_told_by_its_name(tmp_path):
    told = {
        "import pycuda.compiler": "Octile has no counterpart of pycuda.compiler",
        "import cuda.bindings.nvrtc": "Octile has no counterpart of cuda.bindings.nvrtc",
        "from cuda import nvrtc": "cannot import name 'nvrtc'",
        "from cuda import cudart; cudart.cudaGraphLaunch": "octile.cudart has no cudaGraphLaunch",
    }
    script = write(
        tmp_path / "script.py",
        f"""
        for text in {list(told)}:
            try:
                exec(text)
            except (ImportError, AttributeError) as error:
                print(error)
        """,
    )
    lines = run("-m", "octile.tensorrt", script, cwd=tmp_path)[0].splitlines()
    assert len(lines) == len(told)
    assert all(text in line for text, line in zip(told.values(), lines))


def test_warnings_name_the_line_of_the_script(tmp_path):
    script = write(tmp_path / "script.py", "from cuda import cudart\n\ncudart.cudaFree(5)\n")
    _, told = run("-m", "octile.tensorrt", script, cwd=tmp_path)
    assert told.startswith(f"{script}:3: RuntimeWarning: cudaFree: unknown pointer 0x5")


def test_the_driver_api():
    ok = cu.CUresult.CUDA_SUCCESS
    assert cu.cuInit(0) == (ok,)
    error, device = cu.cuDeviceGet(0)
    assert (error, int(device)) == (ok, 0)
    assert cu.cuDeviceGetCount() == (ok, 1)
    assert cu.cuDeviceGetName(8, device)[1] == cudart.cudaGetDeviceProperties(0)[1].name[:7]
    error, context = cu.cuCtxCreate(0, device)  # cuda-python 12
    assert (error, cu.cuCtxGetCurrent()[1]) == (ok, context)
    assert cu.cuCtxCreate(None, 0, device)[0] == ok  # cuda-python 13
    assert cu.cuCtxPopCurrent()[0] == ok
    assert cu.cuCtxGetCurrent()[1] == context
    assert cu.cuCtxDestroy(context) == (ok,)
    assert int(cu.cuCtxGetCurrent()[1]) == 0
    with pytest.warns(RuntimeWarning, match="no context, or was destroyed"):
        assert cu.cuCtxSetCurrent(context) == (cu.CUresult.CUDA_ERROR_INVALID_CONTEXT,)

    a, back = np.arange(6, dtype=np.float32), np.zeros(6, np.float32)
    error, d = cu.cuMemAlloc(a.nbytes)
    assert error == ok and isinstance(d, cu.CUdeviceptr)
    _, stream = cu.cuStreamCreate(0)
    assert cu.cuMemcpyHtoDAsync(d, a.ctypes.data, a.nbytes, stream) == (ok,)
    assert cu.cuMemcpyDtoHAsync(back.ctypes.data, d, a.nbytes, stream) == (ok,)
    assert cu.cuStreamSynchronize(stream) == cu.cuStreamDestroy(stream) == (ok,)
    np.testing.assert_array_equal(a, back)
    with pytest.warns(RuntimeWarning, match="cuMemcpyHtoD: dst: 25 bytes .* exceed"):
        assert cu.cuMemcpyHtoD(d, bytes(25), 25) == (cu.CUresult.CUDA_ERROR_INVALID_VALUE,)
    assert cu.cuMemFree(d) == (ok,)
    with pytest.warns(RuntimeWarning, match="cuMemFree: .*double free"):
        assert cu.cuMemFree(d) == (cu.CUresult.CUDA_ERROR_INVALID_VALUE,)
    with pytest.warns(RuntimeWarning, match="0 bytes"):
        assert cu.cuMemAlloc(0) == (cu.CUresult.CUDA_ERROR_INVALID_VALUE, None)
    assert cu.cuGetErrorName(cu.CUresult(1)) == (ok, b"CUDA_ERROR_INVALID_VALUE")
    with pytest.raises(AttributeError, match="has no cuLaunchKernel"):
        cu.cuLaunchKernel  # noqa: B018


def test_pycuda_as_tensorrt_programs_use_it():
    stream = pycuda.Stream()
    host = pycuda.pagelocked_empty(12, np.float32)
    host[:] = np.arange(12)
    back = pycuda.pagelocked_zeros((3, 4), dtype=np.float32)
    d = pycuda.mem_alloc(host.nbytes)
    assert cudart.cudaPointerGetAttributes(int(d))[1].type == 2
    pycuda.memcpy_htod_async(d, host, stream)
    pycuda.memcpy_dtoh_async(back, d, stream)
    stream.synchronize()
    np.testing.assert_array_equal(back.ravel(), host)
    assert cudart.cudaStreamSynchronize(stream.handle) == cudart.cudaStreamSynchronize(stream)
    other = pycuda.to_device(host)
    pycuda.memset_d32(other, 0x3F800000, 6)
    pycuda.memcpy_dtod(int(d) + 24, other, 24)
    assert pycuda.from_device(d, (12,), np.float32).tolist() == [*range(6), *[1] * 6]
    where = int(d)
    d.free()
    with pytest.raises(pycuda.LogicError, match="use after free"):
        pycuda.memcpy_dtoh(back, d)
    with pytest.raises(pycuda.LogicError, match="use after free"):
        pycuda.memcpy_dtoh(back, where)
    with pytest.raises(pycuda.LogicError, match="exceed the allocation of 48 bytes"):
        pycuda.memcpy_htod(other, np.zeros(13, np.float32))
    with pytest.raises(ValueError, match="not contiguous"):
        pycuda.memcpy_htod(other, np.zeros((3, 8), np.float32)[:, ::2])
    with pytest.raises(pycuda.MemoryError, match="out of memory"):
        pycuda.mem_alloc(1 << 50)
    with pytest.raises(pycuda.LogicError, match="0 bytes"):
        pycuda.mem_alloc(0)
    with pytest.raises(AttributeError, match="octile.pycuda.driver has no module_from_file"):
        pycuda.module_from_file  # noqa: B018


def test_pycuda_memory_is_freed_with_its_object():
    d = pycuda.mem_alloc(100)
    where = int(d)
    assert cudart.cudaMemset(where, 0, 100)[0] == 0
    del d
    with pytest.warns(RuntimeWarning, match="use after free"):
        assert cudart.cudaMemset(where, 0, 100)[0] == 1


def test_pycuda_contexts_events_and_arrays():
    pycuda.init()
    assert pycuda.Device.count() == 1
    with pytest.raises(pycuda.LogicError, match="no device 3"):
        pycuda.Device(3)
    context = pycuda.Device(0).make_context()
    context.push()
    context.pop()
    pycuda.Context.pop()
    context.detach()
    with pytest.raises(pycuda.LogicError, match="no context is current"):
        pycuda.Context.pop()
    start, end = pycuda.Event(), pycuda.Event()
    with pytest.raises(pycuda.LogicError, match="not recorded"):
        end.time_since(start)
    start.record()
    assert end.record(pycuda.Stream()).synchronize().time_since(start) >= 0
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    array = gpuarray.to_gpu(a)
    np.testing.assert_array_equal(array.get(), a)
    assert (array.shape, array.dtype, array.nbytes, array.ptr) == (
        (2, 3),
        a.dtype,
        24,
        int(array.gpudata),
    )
    assert not gpuarray.zeros(5, np.float32).get().any()
    with pytest.raises(ValueError, match="float64"):
        array.set(a.astype(np.float64))
