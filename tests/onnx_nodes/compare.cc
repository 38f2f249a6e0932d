// See compare.h.
#include "onnx_nodes/compare.h"

#include <fmt/format.h>

#include <cmath>

namespace octile::onnx_nodes {
namespace {

bool close(double expected, double got, double relative) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
  if (std::isinf(expected) || std::isinf(got)) return expected == got;
  return std::fabs(expected - got) <= kAbsolute + relative * std::fabs(expected);
}

template <typename T, typename Equal>
std::string first_difference(const Tensor& expected, const Tensor& got, Equal equal) {
  int64_t count = 0, first = -1;
  for (int64_t i = 0; i < expected.volume(); ++i) {
    if (equal(expected.as<T>()[i], got.as<T>()[i])) continue;
    if (count++ == 0) first = i;
  }
  if (count == 0) return "";
  return fmt::format("{} of {} values differ, first at {}: expected {}, got {}", count,
                     expected.volume(), first, +expected.as<T>()[first], +got.as<T>()[first]);
}

template <typename T>
std::string exact(const Tensor& expected, const Tensor& got) {
  return first_difference<T>(expected, got, [](T a, T b) { return a == b; });
}

}  // namespace

std::string difference(const Tensor& expected, const Tensor& got, double relative) {
  if (expected.type() != got.type()) {
    return fmt::format("expected the type {}, got {}", name_of(expected.type()),
                       name_of(got.type()));
  }
  if (!(expected.shape() == got.shape())) {
    return fmt::format("expected the shape {}, got {}", expected.shape().to_string(),
                       got.shape().to_string());
  }
  switch (expected.type()) {
    case DataType::kFloat32:
      return first_difference<float>(expected, got,
                                     [&](float a, float b) { return close(a, b, relative); });
    case DataType::kInt8: return exact<int8_t>(expected, got);
    case DataType::kUInt8:
    case DataType::kBool: return exact<uint8_t>(expected, got);
    case DataType::kInt16: return exact<int16_t>(expected, got);
    case DataType::kInt32: return exact<int32_t>(expected, got);
    case DataType::kInt64: return exact<int64_t>(expected, got);
    default: return fmt::format("no rule compares {}", name_of(expected.type()));
  }
}

}  // namespace octile::onnx_nodes
