// Tensors in host memory: an owning Tensor and a borrowed TensorView. Row-major, dense.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octile/types.h"

namespace octile {

/// A borrowed tensor: element type, shape and bytes owned by somebody else. Row-major, dense.
struct TensorView {
  DataType type = DataType::kFloat32;
  Shape shape;
  const void* data = nullptr;

  size_t bytes() const { return static_cast<size_t>(shape.volume()) * size_of(type); }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

/// A Tensor is an owned, 64-byte aligned, dense row-major array in host memory. Not thread-safe
/// for writing. Copying copies the bytes.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled. `shape` must be static.
  Tensor(DataType type, const Shape& shape);
  /// Copies `bytes`; their size must be what type and shape need.
  Tensor(DataType type, const Shape& shape, std::span<const std::byte> bytes);
  Tensor(const Tensor& other);
  Tensor& operator=(const Tensor& other);
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(Tensor&&) noexcept = default;

  template <typename T>
  static Tensor from(const Shape& shape, std::span<const T> values);
  static Tensor floats(const Shape& shape, const std::vector<float>& values);
  static Tensor int64s(const std::vector<int64_t>& values);  // rank 1
  static Tensor scalar(float value);                         // rank 0

  DataType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t volume() const { return shape_.volume(); }
  size_t bytes() const { return bytes_; }
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.get());
  }
  template <typename T>
  std::span<const T> span() const {
    return {as<T>(), static_cast<size_t>(volume())};
  }
  TensorView view() const { return {type_, shape_, data_.get()}; }
  /// The same bytes under another shape of equal volume.
  Tensor reshaped(const Shape& shape) const;
  /// Element-wise conversion to another type, as ONNX Cast: float to integer truncates (and
  /// saturates, NaN gives 0), anything to bool is "not zero".
  Tensor cast(DataType type) const;
  bool operator==(const Tensor& other) const;  // type, shape and bytes

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  DataType type_ = DataType::kFloat32;
  Shape shape_;
  size_t bytes_ = 0;
  std::unique_ptr<std::byte[], Free> data_;
};

/// The C++ type's DataType, for Tensor::from and the typed accessors of contexts.
template <typename T>
struct DataTypeOf;
template <>
struct DataTypeOf<float> {
  static constexpr DataType value = DataType::kFloat32;
};
template <>
struct DataTypeOf<double> {
  static constexpr DataType value = DataType::kFloat64;
};
template <>
struct DataTypeOf<int8_t> {
  static constexpr DataType value = DataType::kInt8;
};
template <>
struct DataTypeOf<uint8_t> {
  static constexpr DataType value = DataType::kUInt8;
};
template <>
struct DataTypeOf<int16_t> {
  static constexpr DataType value = DataType::kInt16;
};
template <>
struct DataTypeOf<int32_t> {
  static constexpr DataType value = DataType::kInt32;
};
template <>
struct DataTypeOf<int64_t> {
  static constexpr DataType value = DataType::kInt64;
};
template <>
struct DataTypeOf<bool> {
  static constexpr DataType value = DataType::kBool;
};

template <typename T>
Tensor Tensor::from(const Shape& shape, std::span<const T> values) {
  return Tensor(DataTypeOf<T>::value, shape, std::as_bytes(values));
}

}  // namespace octile
