"""A counterpart of pycuda as TensorRT programs use it, on the CPU device.

`octile.pycuda.driver`, `.autoinit`, `.gpuarray` (arrays that are copied, without arithmetic) and
`.tools`. There is no compiler: kernels need a GPU.
"""

VERSION = (2026, 1)
VERSION_STATUS = ""
VERSION_TEXT = "2026.1"
