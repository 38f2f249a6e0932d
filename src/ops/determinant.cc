// Determinant of square matrices: elimination with row pivots, in binary64.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/families.h"

namespace octile {
namespace {

/// Destroys the m × m matrix `a`.
double determinant(std::vector<double>& a, int64_t m) {
  const auto row = [&](int64_t i) { return a.begin() + i * m; };
  double product = 1.0;
  for (int64_t k = 0; k < m; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < m; ++i) {
      if (std::fabs(row(i)[k]) > std::fabs(row(pivot)[k])) pivot = i;
    }
    if (pivot != k) {
      std::swap_ranges(row(k), row(k) + m, row(pivot));
      product = -product;
    }
    const double head = row(k)[k];
    product *= head;
    if (head == 0.0) return product;
    for (int64_t i = k + 1; i < m; ++i) {
      const double factor = row(i)[k] / head;
      for (int64_t j = k; j < m; ++j) row(i)[j] -= factor * row(k)[j];
    }
  }
  return product;
}

}  // namespace

Inferred infer_op(const Determinant&, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32});
  const Shape& x = in[0].shape;
  const int rank = x.rank();
  check(rank >= 2 && may_equal(x[rank - 2], x[rank - 1]), ErrorCode::kInvalidArgument,
        "x {} must be square matrices", x.to_string());
  Shape out;
  for (int a = 0; a + 2 < rank; ++a) out.push_back(x[a]);
  return {{DataType::kFloat32, out, nullptr}};
}

void evaluate_op(const Determinant&, Views in, Outs out) {
  const int64_t m = in[0].shape[in[0].shape.rank() - 1], size = m * m;
  std::vector<double> matrix(static_cast<size_t>(size));
  const float* x = in[0].as<float>();
  for (int64_t i = 0; i < out[0].shape.volume(); ++i, x += size) {
    std::copy_n(x, size, matrix.begin());
    out[0].as<float>()[i] = static_cast<float>(determinant(matrix, m));
  }
}

}  // namespace octile
