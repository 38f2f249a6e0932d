// See sum_tile.h. Vector types instead of intrinsics: the same source on every architecture.
#include "ops/sum_tile.h"

#include <cstring>

namespace octile {
namespace {

typedef float Lanes __attribute__((vector_size(16)));
constexpr int kLanes = 4, kVectors = kTile / kLanes;

inline Lanes load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

}  // namespace

void accumulate_tile(const float* a, const float* b, int64_t b_stride, int64_t depth, float* sums) {
  static_assert(kVectors == 8);
  Lanes s0 = load(sums), s1 = load(sums + 4), s2 = load(sums + 8), s3 = load(sums + 12);
  Lanes s4 = load(sums + 16), s5 = load(sums + 20), s6 = load(sums + 24), s7 = load(sums + 28);
  for (int64_t k = 0; k < depth; ++k, b += b_stride) {
    const Lanes w = {a[k], a[k], a[k], a[k]};
    s0 += w * load(b);
    s1 += w * load(b + 4);
    s2 += w * load(b + 8);
    s3 += w * load(b + 12);
    s4 += w * load(b + 16);
    s5 += w * load(b + 20);
    s6 += w * load(b + 24);
    s7 += w * load(b + 28);
  }
  const Lanes all[kVectors] = {s0, s1, s2, s3, s4, s5, s6, s7};
  std::memcpy(sums, all, sizeof(all));
}

}  // namespace octile
