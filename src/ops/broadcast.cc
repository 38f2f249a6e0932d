// NumPy broadcasting of shapes, with unknown extents.
#include <algorithm>

#include "ops/families.h"

namespace octile {

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out;
  const int rank = std::max(a.rank(), b.rank());
  for (int axis = 0; axis < rank; ++axis) {
    const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
    const int64_t x = in_a < 0 ? 1 : a[in_a], y = in_b < 0 ? 1 : b[in_b];
    check(may_equal(x, y) || x == 1 || y == 1, ErrorCode::kInvalidArgument,
          "shapes {} and {} do not broadcast: extents {} and {} differ and neither is 1",
          a.to_string(), b.to_string(), x, y);
    if (x == 1) {
      out.push_back(y);
    } else if (y == 1) {
      out.push_back(x);
    } else {
      out.push_back(x == kDynamic ? y : x);
    }
  }
  return out;
}

}  // namespace octile
