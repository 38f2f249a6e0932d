"""What both examples share: Fashion-MNIST from Debian's dataset-fashion-mnist, and a calibrator.

The calibrator is written as one for TensorRT is; only the import lines are Octile's.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

import octile.tensorrt as trt
from octile import cudart

DATA = Path(os.environ.get("DATA", "/usr/share/datasets/fashion-mnist"))


def images(kind: str, count: int) -> np.ndarray:
    """(count, 1, 28, 28) float32, 0 to 255; kind is "train" or "t10k"."""
    with gzip.open(DATA / f"{kind}-images-idx3-ubyte.gz") as file:
        raw = np.frombuffer(file.read(), np.uint8, offset=16)
    return raw.reshape(-1, 1, 28, 28)[:count].astype(np.float32)


def labels(kind: str, count: int) -> np.ndarray:
    with gzip.open(DATA / f"{kind}-labels-idx1-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=8)[:count]


class Calibrator(trt.IInt8EntropyCalibrator2):
    """Feeds pictures through one device buffer and keeps TensorRT's cache file."""

    def __init__(self, pictures: np.ndarray, batch: int, cache: str):
        super().__init__()
        self.pictures, self.batch, self.cache, self.next = pictures, batch, cache, 0
        error, self.device = cudart.cudaMalloc(pictures[:batch].nbytes)
        assert error == cudart.cudaError_t.cudaSuccess

    def get_batch_size(self):
        return self.batch

    def get_batch(self, names):
        pictures = self.pictures[self.next : self.next + self.batch]
        if len(pictures) < self.batch:
            return None
        self.next += self.batch
        host = np.ascontiguousarray(pictures)
        cudart.cudaMemcpy(
            self.device,
            host.ctypes.data,
            host.nbytes,
            cudart.cudaMemcpyKind.cudaMemcpyHostToDevice,
        )
        return [int(self.device)]

    def read_calibration_cache(self):
        if os.path.exists(self.cache):
            with open(self.cache, "rb") as file:
                return file.read()
        return None

    def write_calibration_cache(self, cache):
        with open(self.cache, "wb") as file:
            file.write(cache)

    def __del__(self):
        cudart.cudaFree(self.device)


def accuracy(plan, count: int) -> float:
    """Share of the first `count` test pictures that the engine in `plan` names right."""
    runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
    engine = runtime.deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    pictures, right = images("t10k", count), 0
    for start in range(0, count, 100):
        batch = np.ascontiguousarray(pictures[start : start + 100])
        context.set_input_shape(names[0], batch.shape)
        output = np.empty(
            tuple(context.get_tensor_shape(names[1])),
            dtype=trt.nptype(engine.get_tensor_dtype(names[1])),
        )
        buffers = []
        for name, array in zip(names, (batch, output)):
            buffers.append(cudart.cudaMalloc(array.nbytes)[1])
            context.set_tensor_address(name, buffers[-1])
        kind = cudart.cudaMemcpyKind
        cudart.cudaMemcpy(buffers[0], batch.ctypes.data, batch.nbytes, kind.cudaMemcpyHostToDevice)
        context.execute_async_v3(0)
        cudart.cudaMemcpy(
            output.ctypes.data, buffers[1], output.nbytes, kind.cudaMemcpyDeviceToHost
        )
        for buffer in buffers:
            cudart.cudaFree(buffer)
        best = output.argmax(axis=1) if output.ndim == 2 and output.shape[1] > 1 else output[:, 0]
        right += int(np.sum(best == labels("t10k", count)[start : start + 100]))
    return right / count
