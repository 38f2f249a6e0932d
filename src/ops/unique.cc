// Unique: slices along an axis (or elements), each once, with the three lists that go with them.
#include <algorithm>
#include <numeric>
#include <vector>

#include "ops/families.h"

namespace octile {
namespace {

/// What was found: of each different slice where it first stands and how often it occurs; of each
/// slice of x which one it is.
struct Found {
  std::vector<int64_t> first, count, inverse;
};

/// −1, 0, 1; NaN equals NaN and comes last.
template <typename T>
int order(T a, T b) {
  if (is_nan(a) || is_nan(b)) return int(is_nan(a)) - int(is_nan(b));
  return a < b ? -1 : int(b < a);
}

template <typename T>
Found find(const TensorView& x, const Slices& s, bool sorted) {
  const T* data = x.as<T>();
  const auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < s.outer; ++o) {
      for (int64_t i = 0; i < s.inner; ++i) {
        const T* base = data + o * s.slices * s.inner + i;
        if (const int c = order(base[a * s.inner], base[b * s.inner]); c != 0) return c;
      }
    }
    return 0;
  };
  std::vector<int64_t> ranked(static_cast<size_t>(s.slices));
  std::iota(ranked.begin(), ranked.end(), 0);
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
  Found found;
  found.inverse.resize(ranked.size());
  for (size_t i = 0; i < ranked.size(); ++i) {
    if (i == 0 || compare(ranked[i - 1], ranked[i]) != 0) {
      found.first.push_back(ranked[i]);
      found.count.push_back(0);
    }
    ++found.count.back();
    found.inverse[static_cast<size_t>(ranked[i])] = static_cast<int64_t>(found.first.size()) - 1;
  }
  if (sorted) return found;
  std::vector<size_t> appearing(found.first.size());
  std::iota(appearing.begin(), appearing.end(), size_t{0});
  std::sort(appearing.begin(), appearing.end(),
            [&](size_t a, size_t b) { return found.first[a] < found.first[b]; });
  Found result;
  std::vector<int64_t> place(appearing.size());
  for (size_t i = 0; i < appearing.size(); ++i) {
    result.first.push_back(found.first[appearing[i]]);
    result.count.push_back(found.count[appearing[i]]);
    place[appearing[i]] = static_cast<int64_t>(i);
  }
  for (const int64_t i : found.inverse) result.inverse.push_back(place[static_cast<size_t>(i)]);
  return result;
}

Slices slices_in(const Unique& op, const Shape& x) {
  return op.flat ? Slices{1, x.volume(), 1} : slices_of(x, resolve_axis(op.axis, x.rank(), "axis"));
}

Found find(const Unique& op, const TensorView& x) {
  const Slices s = slices_in(op, x.shape);
  switch (x.type) {
    case DataType::kInt8: return find<int8_t>(x, s, op.sorted);
    case DataType::kUInt8:
    case DataType::kBool: return find<uint8_t>(x, s, op.sorted);
    case DataType::kInt16: return find<int16_t>(x, s, op.sorted);
    case DataType::kInt32: return find<int32_t>(x, s, op.sorted);
    case DataType::kInt64: return find<int64_t>(x, s, op.sorted);
    default: return find<float>(x, s, op.sorted);
  }
}

}  // namespace

Inferred infer_op(const Unique& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0,
               {DataType::kFloat32, DataType::kInt8, DataType::kUInt8, DataType::kInt16,
                DataType::kInt32, DataType::kInt64, DataType::kBool});
  const TensorView x = known(in[0]);
  const int64_t count =
      x.data != nullptr ? static_cast<int64_t>(find(op, x).first.size()) : kDynamic;
  Shape out{count};
  int64_t all = in[0].shape.is_static() ? in[0].shape.volume() : kDynamic;
  if (!op.flat) {
    const auto axis = static_cast<int>(resolve_axis(op.axis, in[0].shape.rank(), "axis"));
    out = in[0].shape;
    all = std::exchange(out[axis], count);
  }
  const TensorInfo list{DataType::kInt64, Shape{count}, nullptr};
  return {{in[0].type, out, nullptr}, list, {DataType::kInt64, Shape{all}, nullptr}, list};
}

void evaluate_op(const Unique& op, Views in, Outs out) {
  const Found found = find(op, in[0]);
  const Slices s = slices_in(op, in[0].shape);
  const auto count = static_cast<int64_t>(found.first.size());
  check(out[1].shape == Shape{count}, ErrorCode::kInternal, "{} slices differ, not {}", count,
        out[1].shape.to_string());
  by_size(in[0].type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t o = 0; o < s.outer; ++o) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t from = o * s.slices + found.first[static_cast<size_t>(i)];
        std::copy_n(in[0].as<T>() + from * s.inner, s.inner,
                    out[0].as<T>() + (o * count + i) * s.inner);
      }
    }
  });
  std::copy(found.first.begin(), found.first.end(), out[1].as<int64_t>());
  std::copy(found.inverse.begin(), found.inverse.end(), out[2].as<int64_t>());
  std::copy(found.count.begin(), found.count.end(), out[3].as<int64_t>());
}

}  // namespace octile
