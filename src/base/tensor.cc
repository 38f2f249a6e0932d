// Tensor: aligned bytes with a shape and a type.
#include "octile/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/allocate.h"
#include "base/error.h"
#include "base/half.h"
#include "base/round_up.h"

namespace octile {
namespace {

double read_as_double(const Tensor& t, int64_t i) {
  switch (t.type()) {
    case DataType::kFloat32: return t.as<float>()[i];
    case DataType::kFloat64: return t.as<double>()[i];
    case DataType::kFloat16: return half_to_float(t.as<uint16_t>()[i]);
    case DataType::kBFloat16: return bfloat16_to_float(t.as<uint16_t>()[i]);
    case DataType::kInt8: return t.as<int8_t>()[i];
    case DataType::kUInt8: return t.as<uint8_t>()[i];
    case DataType::kInt16: return t.as<int16_t>()[i];
    case DataType::kInt32: return t.as<int32_t>()[i];
    case DataType::kInt64: return static_cast<double>(t.as<int64_t>()[i]);
    case DataType::kBool: return t.as<uint8_t>()[i] != 0 ? 1.0 : 0.0;
  }
  return 0.0;
}

template <typename T>
T saturate(double value) {
  if (std::isnan(value)) return 0;
  const double lo = static_cast<double>(std::numeric_limits<T>::min());
  const double hi = static_cast<double>(std::numeric_limits<T>::max());
  const double rounded = std::nearbyint(value);
  if (rounded <= lo) return std::numeric_limits<T>::min();
  if (rounded >= hi) return std::numeric_limits<T>::max();
  return static_cast<T>(rounded);
}

void write_double(Tensor& t, int64_t i, double value) {
  switch (t.type()) {
    case DataType::kFloat32: t.as<float>()[i] = static_cast<float>(value); break;
    case DataType::kFloat64: t.as<double>()[i] = value; break;
    case DataType::kFloat16: t.as<uint16_t>()[i] = float_to_half(static_cast<float>(value)); break;
    case DataType::kBFloat16:
      t.as<uint16_t>()[i] = float_to_bfloat16(static_cast<float>(value));
      break;
    case DataType::kInt8: t.as<int8_t>()[i] = saturate<int8_t>(value); break;
    case DataType::kUInt8: t.as<uint8_t>()[i] = saturate<uint8_t>(value); break;
    case DataType::kInt16: t.as<int16_t>()[i] = saturate<int16_t>(value); break;
    case DataType::kInt32: t.as<int32_t>()[i] = saturate<int32_t>(value); break;
    case DataType::kInt64: t.as<int64_t>()[i] = saturate<int64_t>(value); break;
    case DataType::kBool: t.as<uint8_t>()[i] = value != 0.0 ? 1 : 0; break;
  }
}

bool is_integer(DataType type) {
  return type == DataType::kInt64 || type == DataType::kInt32 || type == DataType::kInt16 ||
         type == DataType::kInt8 || type == DataType::kUInt8 || type == DataType::kBool;
}

}  // namespace

void Tensor::Free::operator()(std::byte* p) const { std::free(p); }

Tensor::Tensor(DataType type, const Shape& shape) : type_(type), shape_(shape) {
  check(shape.is_static(), ErrorCode::kInvalidArgument, "a tensor needs a static shape, not {}",
        shape.to_string());
  int64_t bytes = 0;
  check(!__builtin_mul_overflow(shape.volume(), static_cast<int64_t>(size_of(type)), &bytes) &&
            bytes < (int64_t{1} << 46),
        ErrorCode::kInvalidArgument, "a tensor of shape {} is too large", shape.to_string());
  bytes_ = static_cast<size_t>(bytes);
  const auto padded = size_t(aligned(int64_t(std::max<size_t>(bytes_, 1))));
  data_.reset(static_cast<std::byte*>(allocate_aligned(padded)));
  check(data_ != nullptr, ErrorCode::kInvalidArgument, "out of memory for a tensor of shape {}",
        shape.to_string());
  std::memset(data_.get(), 0, padded);
}

Tensor::Tensor(DataType type, const Shape& shape, std::span<const std::byte> bytes)
    : Tensor(type, shape) {
  check(bytes.size() == bytes_, ErrorCode::kInvalidArgument,
        "a {} tensor of shape {} needs {} bytes, got {}", name_of(type), shape.to_string(), bytes_,
        bytes.size());
  if (bytes_ > 0) std::memcpy(data_.get(), bytes.data(), bytes_);
}

Tensor::Tensor(const Tensor& other) { *this = other; }

Tensor& Tensor::operator=(const Tensor& other) {
  if (this == &other) return *this;
  if (other.data_ == nullptr) {
    type_ = other.type_;
    shape_ = other.shape_;
    bytes_ = 0;
    data_.reset();
    return *this;
  }
  return *this = Tensor(other.type_, other.shape_, {other.data_.get(), other.bytes_});
}

Tensor Tensor::floats(const Shape& shape, const std::vector<float>& values) {
  return from<float>(shape, values);
}

Tensor Tensor::int64s(const std::vector<int64_t>& values) {
  return from<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

Tensor Tensor::scalar(float value) { return from<float>(Shape{}, std::span(&value, 1)); }

Tensor Tensor::reshaped(const Shape& shape) const {
  check(shape.volume() == volume(), ErrorCode::kInvalidArgument,
        "cannot reshape {} into {}: the number of elements differs", shape_.to_string(),
        shape.to_string());
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

Tensor Tensor::cast(DataType type) const {
  if (type == type_) return *this;
  Tensor result(type, shape_);
  const int64_t count = volume();
  if (type_ == DataType::kInt64 && type == DataType::kInt32) {  // shapes: exact, no double
    for (int64_t i = 0; i < count; ++i) {
      result.as<int32_t>()[i] =
          static_cast<int32_t>(std::clamp<int64_t>(as<int64_t>()[i], INT32_MIN, INT32_MAX));
    }
    return result;
  }
  const bool truncate = !is_integer(type_) && is_integer(type) && type != DataType::kBool;
  for (int64_t i = 0; i < count; ++i) {
    const double value = read_as_double(*this, i);
    write_double(result, i, truncate ? std::trunc(value) : value);
  }
  return result;
}

bool Tensor::operator==(const Tensor& other) const {
  return type_ == other.type_ && shape_ == other.shape_ && bytes_ == other.bytes_ &&
         (bytes_ == 0 || std::memcmp(data_.get(), other.data_.get(), bytes_) == 0);
}

}  // namespace octile
