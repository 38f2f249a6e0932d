// Marks functions that run on the host and, where nvcc compiles them, on the device too.
#pragma once

#ifdef __CUDACC__
#define OCTILE_HOST_DEVICE __host__ __device__
#else
#define OCTILE_HOST_DEVICE
#endif
