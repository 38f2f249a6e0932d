"""octile.cudart: cuda-python's calling convention, and wrong pointers found on the CPU device."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from octile._native import host_memory

import octile
from octile import cudart
from octile.cudart import cudaError_t, cudaMemcpyKind

OK = cudaError_t.cudaSuccess
BAD = cudaError_t.cudaErrorInvalidValue
TO_DEVICE = cudaMemcpyKind.cudaMemcpyHostToDevice
TO_HOST = cudaMemcpyKind.cudaMemcpyDeviceToHost
ANY = cudaMemcpyKind.cudaMemcpyDefault


def malloc(nbytes):
    error, where = cudart.cudaMalloc(nbytes)
    assert error == OK
    return where


def fails(code, text, call, *arguments):
    """The call returns the code, warns at this file with the text, and sets the last error."""
    with pytest.warns(RuntimeWarning, match=text) as seen:
        result = call(*arguments)
    assert result[0] is code
    assert all(value is None for value in result[1:])
    assert seen[0].filename == __file__
    assert code.name in str(seen[0].message)
    assert re.search(text, cudart.last_error_message())
    assert cudart.cudaPeekAtLastError() == (code,)
    assert cudart.cudaGetLastError() == (code,)
    assert cudart.cudaGetLastError() == (OK,)


def test_a_program_as_cuda_python_runs_it():
    there = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    back = np.zeros_like(there)
    error, d = cudart.cudaMalloc(there.nbytes)
    assert (error, type(d)) == (OK, int)
    assert cudart.cudaMemcpy(d, there.ctypes.data, there.nbytes, TO_DEVICE) == (OK,)
    assert cudart.cudaMemcpy(back.ctypes.data, d, there.nbytes, TO_HOST) == (OK,)
    np.testing.assert_array_equal(back, there)
    assert cudart.cudaMemset(d, 0x101, 5) == (OK,)
    assert cudart.cudaMemcpy(back.ctypes.data, d, there.nbytes, TO_HOST) == (OK,)
    assert back.view(np.uint8).ravel()[:8].tolist() == [1, 1, 1, 1, 1, 0, 128, 63]
    assert cudart.cudaDeviceSynchronize() == (OK,)
    assert cudart.cudaFree(d) == (OK,)


def test_a_program_on_a_stream():
    there, back = np.arange(8, dtype=np.int8), np.zeros(8, np.int8)
    _, stream = cudart.cudaStreamCreate()
    assert int(stream) > 2 and isinstance(stream, cudart.cudaStream_t)
    _, d = cudart.cudaMallocAsync(8, stream)
    assert cudart.cudaMemsetAsync(d, 0, 8, stream) == (OK,)
    assert cudart.cudaMemcpyAsync(d, there.data, 8, TO_DEVICE, int(stream)) == (OK,)
    assert cudart.cudaMemcpyAsync(back.data, d, 8, TO_HOST, stream) == (OK,)
    assert cudart.cudaStreamSynchronize(stream) == (OK,)
    assert back.tolist() == list(range(8))
    assert cudart.cudaFreeAsync(d, stream) == (OK,)
    assert cudart.cudaStreamDestroy(stream) == (OK,)


# Seen on an H100 with CUDA 13.0: zero bytes are no error, whatever the pointers are.
def test_zero_bytes():
    assert cudart.cudaMalloc(0) == (OK, 0)
    assert cudart.cudaFree(0) == (OK,)
    assert cudart.cudaFree(None) == (OK,)
    assert cudart.cudaFreeHost(0) == (OK,)
    assert cudart.cudaMemcpy(0, 0, 0, ANY) == (OK,)
    assert cudart.cudaMemset(0, 0, 0) == (OK,)
    assert cudart.cudaMemcpy2D(0, 4, 0, 4, 4, 0, ANY) == (OK,)


def test_new_memory_is_zero_and_aligned():
    for nbytes in (1, 511, 4096, 4097):
        d = malloc(nbytes)
        assert d % 512 == 0
        back = np.ones(nbytes, np.uint8)
        assert cudart.cudaMemcpy(back, d, nbytes, TO_HOST) == (OK,)
        assert not back.any()
        assert cudart.cudaFree(d) == (OK,)


def test_every_kind_of_argument_that_is_an_address():
    d, a = malloc(16), np.arange(16, dtype=np.uint8)
    from octile.cuda.bindings.driver import CUdeviceptr

    class Tensor:
        def data_ptr(self):
            return a.ctypes.data

    pointer = ctypes.cast(a.ctypes.data, ctypes.POINTER(ctypes.c_uint8))
    sources = (a, a.data, bytes(range(16)), bytearray(range(16)), a.ctypes.data,
               np.uint64(a.ctypes.data),
               np.int64(a.ctypes.data), ctypes.c_void_p(a.ctypes.data), pointer, Tensor(),
               CUdeviceptr(a.ctypes.data))  # fmt: skip
    for source in sources:
        assert cudart.cudaMemset(CUdeviceptr(d), 9, 16) == (OK,)
        assert cudart.cudaMemcpy(np.int64(d), source, np.int32(16), TO_DEVICE) == (OK,), source
        back = bytearray(16)
        assert cudart.cudaMemcpy(back, d, 16, TO_HOST) == (OK,)
        assert back == bytes(range(16)), source
    cudart.cudaFree(d)


def test_arguments_of_a_wrong_type_raise():
    for call in (lambda: cudart.cudaMemcpy("x", 1, 2, ANY), lambda: cudart.cudaFree(1.5)):
        with pytest.raises(TypeError, match="Buffer Protocol"):
            call()
    with pytest.raises(TypeError, match="contiguous"):
        cudart.cudaMemcpy(np.zeros((4, 4))[:, 1], 0, 8, ANY)
    with pytest.raises(TypeError):
        cudart.cudaMalloc(4.0)
    with pytest.raises(OverflowError):
        cudart.cudaMalloc(-1)


def test_bytes_beyond_an_allocation():
    d, a = malloc(100), np.zeros(8192, np.uint8)
    fails(
        BAD,
        "101 bytes .* exceed the allocation of 100 bytes",
        cudart.cudaMemcpy,
        d,
        a,
        101,
        TO_DEVICE,
    )
    fails(BAD, "exceed .* 40 are left", cudart.cudaMemcpy, d + 60, a, 41, TO_DEVICE)
    fails(BAD, "dst: .* exceed .* 0 are left", cudart.cudaMemcpy, d + 4096, a, 1, TO_DEVICE)
    fails(BAD, "src: .* exceed", cudart.cudaMemcpy, a, d, 101, TO_HOST)
    fails(BAD, "cudaMemset: .* exceed", cudart.cudaMemset, d, 0, 101)
    fails(BAD, "exceed", cudart.cudaMemcpyAsync, d, a, 1 << 40, TO_DEVICE, 0)
    fails(BAD, "exceed", cudart.cudaMemcpy2D, d, 60, a, 60, 41, 2, TO_DEVICE)
    assert cudart.cudaMemcpy2D(d, 60, a, 60, 40, 2, TO_DEVICE) == (OK,)
    cudart.cudaFree(d)


def test_use_after_free_and_double_free():
    d, a = malloc(100), np.zeros(100, np.uint8)
    assert cudart.cudaFree(d) == (OK,)
    fails(
        BAD,
        "allocation of 100 bytes that was freed.*use after free",
        cudart.cudaMemcpy,
        d,
        a,
        100,
        TO_DEVICE,
    )
    fails(BAD, "use after free", cudart.cudaMemcpy, a, d + 50, 1, TO_HOST)
    fails(BAD, "use after free", cudart.cudaMemset, d, 0, 1)
    fails(BAD, "double free", cudart.cudaFree, d)
    assert host_memory.find(d) == (d, 100, "freed")


def test_freeing_what_is_no_allocation():
    d, a = malloc(100), np.zeros(100, np.uint8)
    fails(BAD, "lies 8 bytes inside the allocation", cudart.cudaFree, d + 8)
    fails(BAD, "unknown pointer", cudart.cudaFree, a.ctypes.data)
    fails(BAD, "unknown pointer 0x7b", cudart.cudaFree, 123)
    fails(BAD, "device memory; free it with cudaFree", cudart.cudaFreeHost, d)
    _, pinned = cudart.cudaMallocHost(100)
    fails(BAD, "pinned memory; free it with cudaFreeHost", cudart.cudaFree, pinned)
    assert cudart.cudaFreeHost(pinned) == (OK,)
    fails(BAD, "double free", cudart.cudaFreeHost, pinned)
    assert cudart.cudaFree(d) == (OK,)


def test_pointers_to_nowhere():
    d = malloc(100)
    for nowhere in (1, 4096, 0xDEADBEEF00, 2**63, 2**64 - 1):
        fails(BAD, "unknown pointer", cudart.cudaMemcpy, d, nowhere, 100, ANY)
        fails(BAD, "unknown pointer", cudart.cudaMemcpy, nowhere, d, 100, ANY)
    fails(BAD, "null pointer", cudart.cudaMemcpy, d, 0, 100, ANY)
    cudart.cudaFree(d)


def test_host_memory_must_be_mapped_to_its_end():
    pages = mmap.mmap(-1, 3 * mmap.PAGESIZE)
    view = (ctypes.c_char * len(pages)).from_buffer(pages)
    start, d = ctypes.addressof(view), malloc(3 * mmap.PAGESIZE)
    assert cudart.cudaMemcpy(d, start, len(pages), ANY) == (OK,)
    libc = ctypes.CDLL(None, use_errno=True)
    last = ctypes.c_void_p(start + 2 * mmap.PAGESIZE)
    assert libc.mprotect(last, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    assert cudart.cudaMemcpy(d, start, 2 * mmap.PAGESIZE, ANY) == (OK,)
    if populates():
        fails(
            BAD,
            "not 8193 bytes of host memory that can be read",
            cudart.cudaMemcpy,
            d,
            start,
            8193,
            ANY,
        )
    assert libc.munmap(last, ctypes.c_size_t(mmap.PAGESIZE)) == 0
    if host_memory.find(last.value)[2] == "unknown":
        fails(BAD, "unknown pointer", cudart.cudaMemcpy, d, start, 8193, ANY)
    assert libc.mmap(last, ctypes.c_size_t(mmap.PAGESIZE), 3, 0x32, -1, ctypes.c_long(0)) != -1
    cudart.cudaFree(d)


def populates():
    """True on kernels (5.14) that tell pages which may not be read or written."""
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (5, 14)


@pytest.mark.skipif(not populates(), reason="kernel older than 5.14: only what is mapped is known")
def test_a_read_only_host_array_is_not_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"octile" * 1000)
    a, d = np.memmap(path, dtype=np.uint8, mode="r"), malloc(6000)
    assert cudart.cudaMemcpy(d, a, 6000, TO_DEVICE) == (OK,)
    fails(BAD, "host memory that can be written", cudart.cudaMemcpy, a, d, 6000, TO_HOST)
    assert path.read_bytes() == b"octile" * 1000
    cudart.cudaFree(d)


def test_a_host_range_that_runs_into_an_allocation():
    d = malloc(4096)
    before = d - mmap.PAGESIZE
    if host_memory.find(before)[2] == "freed":
        pytest.skip("the pages before belong to a freed allocation")
    fails(BAD, "run into the allocation|unknown pointer", cudart.cudaMemset, before, 0, 4097)
    cudart.cudaFree(d)


def test_what_the_engine_uses():
    d, a = malloc(100), np.arange(100, dtype=np.uint8)
    host_memory.copy(d, a.ctypes.data, 100)
    assert host_memory.read(d + 90, 10) == a[90:].tobytes()
    assert host_memory.read(a.ctypes.data, 100) == a.tobytes()
    assert host_memory.read(0, 0) == b""
    host_memory.check(d, 100, "input 'x'", True)
    host_memory.check(a.ctypes.data, 100, "input 'x'")
    cudart.cudaFree(d)
    for call in (host_memory.check, host_memory.read):
        with pytest.raises(octile.InvalidArgument, match="input 'x': .*use after free"):
            call(d, 1, "input 'x'")
        with pytest.raises(octile.InvalidArgument, match="input 'x': unknown pointer 0x5"):
            call(5, 1, "input 'x'")


def test_directions():
    d, a = malloc(16), np.zeros(16, np.uint8)
    fails(
        BAD,
        "cudaMemcpyHostToDevice, but src .* is device memory",
        cudart.cudaMemcpy,
        a,
        d,
        16,
        TO_DEVICE,
    )
    fails(
        BAD,
        "cudaMemcpyDeviceToHost, but dst .* is device memory",
        cudart.cudaMemcpy,
        d,
        a,
        16,
        TO_HOST,
    )
    code = cudaError_t.cudaErrorInvalidMemcpyDirection
    fails(code, "no cudaMemcpyKind 5", cudart.cudaMemcpy, d, a, 16, 5)
    # Host memory is legal where the device's is meant: TensorRT programs pass data_ptr() of a CPU.
    assert cudart.cudaMemcpy(a, np.ones(16, np.uint8), 16, TO_DEVICE) == (OK,)
    assert a.all()
    cudart.cudaFree(d)


def test_out_of_memory():
    code = cudaError_t.cudaErrorMemoryAllocation
    fails(code, "cudaMalloc: no memory for 1125899906842624 bytes", cudart.cudaMalloc, 1 << 50)
    fails(code, "cudaMallocHost: no memory", cudart.cudaMallocHost, 2**64 - 1)
    _, free, total = cudart.cudaMemGetInfo()
    assert 0 < free <= total
    assert total == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_last_error_belongs_to_its_thread():
    with pytest.warns(RuntimeWarning):
        cudart.cudaFree(1)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(cudart.cudaPeekAtLastError()))
    thread.start()
    thread.join()
    assert seen == [(OK,)]
    assert cudart.cudaMalloc(0)[0] == OK  # a success does not clear it
    assert cudart.cudaGetLastError() == (BAD,)


def test_warnings_as_errors_stop_the_program():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(RuntimeWarning, match="unknown pointer"):
            cudart.cudaFree(1)


def test_streams_and_events():
    bad_handle = cudaError_t.cudaErrorInvalidResourceHandle
    _, stream = cudart.cudaStreamCreateWithPriority(cudart.cudaStreamNonBlocking, -1)
    assert cudart.cudaStreamGetFlags(stream) == (OK, 1)
    assert cudart.cudaStreamGetPriority(stream) == (OK, 0)
    assert repr(stream) == f"<CUstream {int(stream):#x}>"
    for default in (0, None, cudart.cudaStreamLegacy, cudart.cudaStreamPerThread):
        assert cudart.cudaStreamSynchronize(default) == (OK,)
    _, start = cudart.cudaEventCreate()
    _, end = cudart.cudaEventCreateWithFlags(cudart.cudaEventBlockingSync)
    fails(bad_handle, "was not recorded", cudart.cudaEventElapsedTime, start, end)
    assert cudart.cudaEventRecord(start, stream) == (OK,)
    assert cudart.cudaStreamWaitEvent(stream, start, cudart.cudaEventWaitDefault) == (OK,)
    assert cudart.cudaEventRecord(end, stream) == (OK,)
    assert cudart.cudaEventSynchronize(end) == cudart.cudaEventQuery(end) == (OK,)
    error, milliseconds = cudart.cudaEventElapsedTime(start, end)
    assert error == OK and 0 < milliseconds < 60000
    _, untimed = cudart.cudaEventCreateWithFlags(cudart.cudaEventDisableTiming)
    cudart.cudaEventRecord(untimed, 0)
    fails(bad_handle, "without timing", cudart.cudaEventElapsedTime, start, untimed)
    for event in (start, end, untimed):
        assert cudart.cudaEventDestroy(event) == (OK,)
    fails(bad_handle, "is no event, or was destroyed", cudart.cudaEventDestroy, start)
    fails(bad_handle, "is no event", cudart.cudaEventRecord, start, 0)
    assert cudart.cudaStreamDestroy(stream) == (OK,)
    fails(bad_handle, "was destroyed", cudart.cudaStreamDestroy, stream)
    fails(bad_handle, "is no stream", cudart.cudaStreamSynchronize, stream)
    fails(bad_handle, "no created stream", cudart.cudaStreamDestroy, 0)


def test_the_device():
    assert cudart.cudaGetDeviceCount() == (OK, 1)
    assert cudart.cudaSetDevice(0) == (OK,)
    assert cudart.cudaGetDevice() == (OK, 0)
    code = cudaError_t.cudaErrorInvalidDevice
    fails(code, "no device 99", cudart.cudaSetDevice, 99)
    fails(code, "no device 1", cudart.cudaGetDeviceProperties, 1)
    _, properties = cudart.cudaGetDeviceProperties(0)
    assert isinstance(properties.name, bytes) and properties.name
    assert properties.totalGlobalMem == cudart.cudaMemGetInfo()[2]
    assert properties.multiProcessorCount == len(os.sched_getaffinity(0))
    attribute = cudart.cudaDeviceAttr.cudaDevAttrMultiProcessorCount
    assert cudart.cudaDeviceGetAttribute(attribute, 0) == (OK, properties.multiProcessorCount)
    fails(BAD, "no attribute 99999", cudart.cudaDeviceGetAttribute, 99999, 0)
    assert cudart.cudaRuntimeGetVersion()[1] >= 12000


def test_pointer_attributes():
    kinds = cudart.cudaMemoryType
    _, d = cudart.cudaMalloc(8)
    _, managed = cudart.cudaMallocManaged(8, cudart.cudaMemAttachGlobal)
    _, pinned = cudart.cudaHostAlloc(8, cudart.cudaHostAllocWriteCombined)
    a = np.zeros(8, np.uint8)
    expected = {d: kinds.cudaMemoryTypeDevice, managed: kinds.cudaMemoryTypeManaged,
                pinned: kinds.cudaMemoryTypeHost,
                a.ctypes.data: kinds.cudaMemoryTypeUnregistered}  # fmt: skip
    for where, kind in expected.items():
        assert cudart.cudaPointerGetAttributes(where)[1].type == kind
    ctypes.memset(managed, 7, 8)  # the host sees all of it
    assert cudart.cudaHostRegister(a, 8, cudart.cudaHostRegisterDefault) == (OK,)
    assert cudart.cudaPointerGetAttributes(a)[1].type == kinds.cudaMemoryTypeHost
    fails(
        cudaError_t.cudaErrorHostMemoryAlreadyRegistered,
        "already",
        cudart.cudaHostRegister,
        a,
        8,
        0,
    )
    assert cudart.cudaHostUnregister(a) == (OK,)
    fails(
        cudaError_t.cudaErrorHostMemoryNotRegistered, "not registered", cudart.cudaHostUnregister, a
    )
    fails(BAD, "no memory", cudart.cudaHostRegister, a, 0, 0)
    assert cudart.cudaFree(d) == cudart.cudaFree(managed) == cudart.cudaFreeHost(pinned) == (OK,)


def test_rows():
    a = np.arange(12, dtype=np.uint8).reshape(3, 4)
    _, d, pitch = cudart.cudaMallocPitch(3, 3)
    assert pitch >= 3
    assert cudart.cudaMemcpy2D(d, pitch, a, 4, 3, 3, TO_DEVICE) == (OK,)
    back = np.zeros((3, 3), np.uint8)
    assert cudart.cudaMemcpy2DAsync(back, 3, d, pitch, 3, 3, TO_HOST, 0) == (OK,)
    np.testing.assert_array_equal(back, a[:, :3])
    code = cudaError_t.cudaErrorInvalidPitchValue
    fails(code, "width 5 exceeds a pitch", cudart.cudaMemcpy2D, d, pitch, a, 4, 5, 3, TO_DEVICE)
    cudart.cudaFree(d)


def test_names_and_texts():
    assert cudart.cudaGetErrorName(BAD) == (OK, b"cudaErrorInvalidValue")
    assert cudart.cudaGetErrorString(BAD) == (OK, b"invalid argument")
    assert cudart.cudaGetErrorString(cudaError_t.cudaErrorMemoryAllocation) == (
        OK,
        b"out of memory",
    )
    assert cudart.cudaGetErrorString(OK) == (OK, b"no error")
    for code in cudaError_t:
        assert re.fullmatch(r"[\w ,()-]+", cudart.cudaGetErrorString(code)[1].decode())
    # repr, str and format are cuda-python's
    assert f"{cudart.cudaFree(0)}" == "(<cudaError_t.cudaSuccess: 0>,)"
    assert str(BAD) == f"{BAD}" == "<cudaError_t.cudaErrorInvalidValue: 1>"
    assert "%d" % BAD == f"{BAD:d}" == "1"
    assert BAD == 1 and cudaError_t(1) is BAD and int(TO_HOST) == 2


def test_what_needs_a_gpu_is_absent_by_name():
    with pytest.raises(
        AttributeError, match="octile.cudart has no cudaGraphLaunch: the CPU device"
    ):
        cudart.cudaGraphLaunch  # noqa: B018
    with pytest.raises(ImportError):
        from octile.cudart import cudaIpcGetMemHandle  # noqa: F401
    assert not hasattr(cudart, "cudaStreamBeginCapture")


def resident_kib():
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_100000_allocations_leave_nothing():
    live, megabyte = host_memory.live_count(), 1 << 20
    for _ in range(100):
        cudart.cudaFree(malloc(megabyte))
    before = resident_kib()
    for index in range(100000):
        d = malloc(megabyte)
        if index % 100 == 0:
            cudart.cudaMemset(d, 1, megabyte)
        assert cudart.cudaFree(d) == (OK,)
    assert resident_kib() - before < 32 * 1024
    assert host_memory.live_count() == live
    with open("/proc/self/maps", encoding="utf-8") as lines:
        assert sum(1 for _ in lines) < 12000  # the quarantine is bounded


def test_many_live_allocations():
    live = [malloc(1) for _ in range(70000)]  # more than Linux has mappings for a process
    assert len(set(live)) == len(live)
    fails(BAD, "exceed the allocation of 1 bytes", cudart.cudaMemset, live[-2], 0, 2)
    assert all(cudart.cudaFree(d) == (OK,) for d in reversed(live))


def test_threads():
    failed = []

    def work(seed):
        try:
            source = np.full(50000, seed, np.uint8)
            back = np.zeros_like(source)
            for _ in range(100):
                d = malloc(source.nbytes)
                cudart.cudaMemcpy(d, source, source.nbytes, TO_DEVICE)
                cudart.cudaMemcpy(back, d, source.nbytes, TO_HOST)
                assert (back == seed).all()
                assert cudart.cudaFree(d) == (OK,)
        except BaseException as error:
            failed.append(error)

    live = host_memory.live_bytes()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert host_memory.live_bytes() == live


def test_freeing_while_another_thread_copies():
    """Either the copy is done or it is told; the process lives."""
    nbytes = 1 << 24
    a = np.zeros(nbytes, np.uint8)
    for _ in range(20):
        d = malloc(nbytes)
        results = []

        def copy(d=d, results=results):
            for _ in range(10):
                results.append(host_memory_copy(d, a.ctypes.data, nbytes))

        def host_memory_copy(*arguments):
            try:
                return host_memory.copy(*arguments)
            except ValueError as error:
                return str(error)

        thread = threading.Thread(target=copy)
        thread.start()
        host_memory.free(d)
        thread.join()
        assert len(results) == 10
        assert all(result is None or "use after free" in result for result in results)


AT_EXIT = """
import os
import sys
from octile import cudart
class Holder:
    def __init__(self):
        self.d = cudart.cudaMalloc(1 << 20)[1]
        self.stream = cudart.cudaStreamCreate()[1]
    def __del__(self, write=os.write, free=cudart.cudaFree, end=cudart.cudaStreamDestroy,
                OK=cudart.cudaError_t.cudaSuccess):  # Python may have cleared the globals
        assert free(self.d) == (OK,)
        assert end(self.stream) == (OK,)
        write(1, b"freed ")
        free(self.d)  # wrong, and nobody is left to be told
class Late:
    free = staticmethod(cudart.cudaFree)
    def __init__(self):
        self.d = cudart.cudaMalloc(10)[1]
    def __del__(self):
        self.free(self.d)
in_main = Holder()
cycle = Holder()
cycle.itself = cycle
sys.holder = Holder()
late = Late()
kept = cudart.cudaMalloc(1 << 20)
"""


def test_frees_at_interpreter_exit():
    run = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("freed") == 3


def test_a_fork_has_its_own_memory():
    d = malloc(4)
    cudart.cudaMemset(d, 5, 4)
    child = os.fork()
    if child == 0:
        back = bytearray(4)
        cudart.cudaMemcpy(back, d, 4, TO_HOST)
        ok = back == b"\5\5\5\5" and cudart.cudaFree(d) == (OK,) and cudart.cudaMalloc(9)[0] == OK
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert cudart.cudaFree(d) == (OK,)
