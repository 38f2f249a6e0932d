// Samples for the tests of detectors, whose number of boxes depends on values.
#pragma once

#include "octile/tensor.h"

namespace octile::test {

/// (count, 5, 4, 4): y1, x1, y2, x2 and score of 16 boxes. Sample i has i boxes that score `least`
/// or more, all apart; the others score −1.
inline Tensor boxes_and_scores(int64_t count, float least) {
  Tensor t(DataType::kFloat32, {count, 5, 4, 4});
  for (int64_t s = 0; s < count; ++s) {
    float* x = t.as<float>() + s * 80;
    for (int64_t p = 0; p < 16; ++p) {
      x[p] = float(p);
      x[32 + p] = float(p) + 1.0f;
      x[48 + p] = 1.0f;
      x[64 + p] = p < s ? least + float(p) : -1.0f;
    }
  }
  return t;
}

}  // namespace octile::test
