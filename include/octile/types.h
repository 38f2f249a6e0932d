// Value types that every other header uses: data types, shapes, quantization parameters, errors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace octile {

/// Version of the library, for example "0.1.0".
std::string_view version();

/// What went wrong, coarse enough to act on. The CLI maps kUnsupported to exit code 3.
enum class ErrorCode : uint8_t {
  kInvalidArgument,  // an argument, shape or value the caller passed
  kInvalidFile,      // bytes on disk are not what they claim to be
  kIo,               // a file or directory cannot be read or written
  kUnsupported,      // a valid request that Octile cannot fulfil
  kInternal,         // a broken invariant of Octile itself
  kDevice,           // a GPU that is not there, is full, or failed; the CPU is as usable as before
};

/// The one exception type. The message names the file, layer or tensor, and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

enum class DataType : uint8_t {
  kFloat32,
  kFloat64,
  kFloat16,
  kBFloat16,
  kInt8,
  kUInt8,
  kInt16,
  kInt32,
  kInt64,
  kBool,
};

/// Bytes of one element.
size_t size_of(DataType type);
/// Lower-case name: "float32", "int8", …
std::string_view name_of(DataType type);
/// The type with that name; throws kInvalidArgument when there is none.
DataType data_type_from_name(std::string_view name);

/// An extent not known before run time (network inputs and what follows from them).
inline constexpr int64_t kDynamic = -1;
inline constexpr int kMaxRank = 8;

/// A Shape is a list of at most 8 extents, outermost first. Value type, no allocation.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(std::span<const int64_t> dims);
  explicit Shape(const std::vector<int64_t>& dims) : Shape(std::span<const int64_t>(dims)) {}

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  void push_back(int64_t extent);
  /// True when no extent is kDynamic.
  bool is_static() const;
  /// Product of the extents; 1 for a scalar. REQUIRES: is_static().
  int64_t volume() const;
  /// "(1, 3, 224, 224)"; a dynamic extent prints as -1.
  std::string to_string() const;
  std::vector<int64_t> to_vector() const { return {begin(), end()}; }
  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// The two ends of the values that a tensor takes (or is meant to be quantized for).
struct Range {
  float min = 0.0f;
  float max = 0.0f;
  bool operator==(const Range&) const = default;
};

/// How activations are quantized (docs/arithmetic.md, "Quantization").
enum class Scheme : uint8_t { kStaticSymmetric, kStaticAffine, kDynamicSymmetric, kDynamicAffine };
/// "static-symmetric", "static-affine", "dynamic-symmetric", "dynamic-affine".
std::string_view name_of(Scheme scheme);
Scheme scheme_from_name(std::string_view name);
inline bool is_dynamic(Scheme s) {
  return s == Scheme::kDynamicSymmetric || s == Scheme::kDynamicAffine;
}
inline bool is_affine(Scheme s) {
  return s == Scheme::kStaticAffine || s == Scheme::kDynamicAffine;
}

/// Precision asked for a layer; kAuto leaves it to the builder.
enum class Precision : uint8_t { kAuto, kFloat32, kInt8, kFloat16 };
std::string_view name_of(Precision precision);
Precision precision_from_name(std::string_view name);

/// The instruction-set levels, weakest first within x86, within ARM and within NVIDIA's GPUs: kDp4a
/// is four products an instruction (sm_61 on), kMma tensor cores by the warp (sm_80 on), kWgmma by
/// four warps (sm_90a).
enum class Isa : uint8_t {
  kPortable,
  kAvx2,
  kAvxVnni,
  kAvx512Vnni,
  kAmx,
  kNeon,
  kNeonDot,
  kDp4a,
  kMma,
  kWgmma,
};
/// "portable", "avx2", "avxvnni", "avx512vnni", "amx", "neon", "neondot", "dp4a", "mma", "wgmma".
std::string_view name_of(Isa isa);
Isa isa_from_name(std::string_view name);

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
/// The library never prints: messages go to a callback that the caller's options hold.
using LogFunction = void (*)(void* user, LogLevel level, std::string_view message);

}  // namespace octile
