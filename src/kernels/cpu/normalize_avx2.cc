// AVX2 row of normalize_kernel.h: three walks over a row that level 1 holds. A row's last floats go
// through a vector of their own, zeros (or the mean) beside them.
#include <immintrin.h>

#include "kernels/cpu/normalize_kernel.h"

namespace octile {
namespace {

constexpr int64_t kLanes = 8;

inline float total(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/// `count` < 8 floats; `fill` in the other lanes.
inline __m256 load_some(const float* x, int64_t count, float fill) {
  alignas(32) float lanes[kLanes] = {fill, fill, fill, fill, fill, fill, fill, fill};
  __builtin_memcpy(lanes, x, static_cast<size_t>(count) * sizeof(float));
  return _mm256_load_ps(lanes);
}

/// Σ f(x) over a row; f(fill) is 0.
template <typename F>
float sum_of(const float* x, int64_t count, float fill, const F& f) {
  __m256 parts[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      parts[p] = _mm256_add_ps(parts[p], f(_mm256_loadu_ps(x + i + p * kLanes)));
    }
  }
  for (; i + kLanes <= count; i += kLanes) {
    parts[0] = _mm256_add_ps(parts[0], f(_mm256_loadu_ps(x + i)));
  }
  if (i < count) parts[1] = _mm256_add_ps(parts[1], f(load_some(x + i, count - i, fill)));
  return total(_mm256_add_ps(_mm256_add_ps(parts[0], parts[1]), _mm256_add_ps(parts[2], parts[3])));
}

void one_row(const float* x, const NormalizeArguments& a, float* y) {
  const auto count = static_cast<float>(a.count);
  const float mean = sum_of(x, a.count, 0.0f, [](__m256 v) { return v; }) / count;
  const __m256 means = _mm256_set1_ps(mean);
  const float squares = sum_of(x, a.count, mean, [&](__m256 v) {
    const __m256 d = _mm256_sub_ps(v, means);
    return _mm256_mul_ps(d, d);
  });
  const __m128 spread = _mm_set_ss(squares / count + a.epsilon);
  const __m256 inverse = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(spread)));
  for (int64_t i = 0; i < a.count; i += kLanes) {
    const int64_t rest = a.count - i;
    const auto load = [&](const float* from) {
      return rest >= kLanes ? _mm256_loadu_ps(from + i) : load_some(from + i, rest, 0.0f);
    };
    __m256 v = _mm256_mul_ps(_mm256_sub_ps(load(x), means), inverse);
    if (a.scale != nullptr) v = _mm256_mul_ps(v, load(a.scale));
    if (a.shift != nullptr) v = _mm256_add_ps(v, load(a.shift));
    if (rest >= kLanes) {
      _mm256_storeu_ps(y + i, v);
    } else {
      alignas(32) float lanes[kLanes];
      _mm256_store_ps(lanes, v);
      __builtin_memcpy(y + i, lanes, static_cast<size_t>(rest) * sizeof(float));
    }
  }
}

void run(const float* x, int64_t rows, const NormalizeArguments& a, float* y) {
  for (int64_t r = 0; r < rows; ++r) one_row(x + r * a.count, a, y + r * a.count);
}

}  // namespace

const NormalizeKernel kNormalizeAvx2{run};

}  // namespace octile
