// Small helpers for tests over tensors: random values, comparing, reading error messages.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "octile/tensor.h"

namespace octile::test {

/// A reproducible stream of numbers; not for statistics.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}
  uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1dull;
  }
  /// In [lo, hi].
  int64_t integer(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(bits() % static_cast<uint64_t>(hi - lo + 1));
  }
  /// In [-1, 1), a multiple of 2^-20.
  float value() { return static_cast<float>(integer(-(1 << 20), (1 << 20) - 1)) * 0x1p-20f; }

 private:
  uint64_t state_;
};

/// 10 · log10(Σ a² / Σ (a − b)²) of floats; equal ones are far beyond any bar.
inline double sqnr(const Tensor& a, const Tensor& b) {
  double whole = 0, off = 1e-30;
  for (int64_t i = 0; i < a.volume(); ++i) {
    const double x = a.as<float>()[i], y = b.as<float>()[i];
    whole += x * x;
    off += (x - y) * (x - y);
  }
  return 10.0 * std::log10(whole / off);
}

inline Tensor zeros(const Shape& shape) { return Tensor(DataType::kFloat32, shape); }

inline Tensor random_floats(const Shape& shape, Random& random, float scale = 1.0f) {
  Tensor t(DataType::kFloat32, shape);
  for (int64_t i = 0; i < t.volume(); ++i) t.as<float>()[i] = scale * random.value();
  return t;
}

/// Random bytes of any type (bools are 0 or 1).
inline Tensor random_bits(DataType type, const Shape& shape, Random& random) {
  Tensor t(type, shape);
  for (size_t i = 0; i < t.bytes(); ++i) {
    const auto byte = static_cast<uint8_t>(random.bits());
    t.as<uint8_t>()[i] = type == DataType::kBool ? byte & 1 : byte;
  }
  return t;
}

/// 0, 1, 2, … in the type T.
template <typename T>
Tensor counting(const Shape& shape) {
  Tensor t(DataTypeOf<T>::value, shape);
  for (int64_t i = 0; i < t.volume(); ++i) t.as<T>()[i] = static_cast<T>(i);
  return t;
}

template <typename T>
Tensor values(const Shape& shape, const std::vector<T>& entries) {
  return Tensor::from<T>(shape, entries);
}

template <typename T>
std::vector<T> list(const Tensor& t) {
  EXPECT_EQ(t.type(), DataTypeOf<T>::value);
  return {t.as<T>(), t.as<T>() + t.volume()};
}

/// |a − e| <= absolute + relative · |e| everywhere; NaN equals NaN.
inline void expect_close(const Tensor& actual, const std::vector<double>& expected, double absolute,
                         double relative = 0.0) {
  ASSERT_EQ(actual.type(), DataType::kFloat32);
  ASSERT_EQ(actual.volume(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    const double a = actual.as<float>()[i], e = expected[i];
    if (a == e || (std::isnan(a) && std::isnan(e))) continue;
    ASSERT_LE(std::fabs(a - e), absolute + relative * std::fabs(e))
        << "at element " << i << ": " << a << " instead of " << e;
  }
}

/// The message that f() throws; "" (and a failure) when it throws nothing.
template <typename F>
std::string message_of(F&& f, ErrorCode code = ErrorCode::kInvalidArgument) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

/// True (with the text in the failure message) when `part` occurs in `text`.
inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

}  // namespace octile::test
