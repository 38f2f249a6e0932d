// cuBLASLt's matrix products, timed beside ours: int8 → int32 and fp16.
#pragma once

#include <cstdint>
#include <functional>

namespace octile::benchmark {

/// Seconds of one call: (call(set) enqueues on the null stream with operand set `set`).
using Timer = std::function<double(const std::function<void(int set)>&)>;

/// The fastest of the algorithms that cuBLASLt proposes, or 0. a (m, k), b (n, k), c (m, n), all
/// row-major; operand set i lies `a_step`, `c_step` bytes behind set i − 1.
double cublaslt_seconds(bool half, int64_t m, int64_t n, int64_t k, const uint8_t* a,
                        const uint8_t* b, uint8_t* c, int64_t a_step, int64_t c_step,
                        void* workspace, const Timer& timer);

}  // namespace octile::benchmark
