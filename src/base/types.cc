// Names of the public enums, and Shape.
#include "octile/types.h"

#include <algorithm>

#include "base/error.h"

namespace octile {
namespace {

template <typename T>
struct Named {
  T value;
  std::string_view name;
};

template <typename T, size_t N>
std::string_view name_in(const Named<T> (&table)[N], T value) {
  for (const Named<T>& row : table) {
    if (row.value == value) return row.name;
  }
  return "?";
}

template <typename T, size_t N>
T value_in(const Named<T> (&table)[N], std::string_view name, std::string_view what) {
  std::string known;
  for (const Named<T>& row : table) {
    if (row.name == name) return row.value;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  }
  fail(ErrorCode::kInvalidArgument, "unknown {} '{}': use one of {}", what, name, known);
}

constexpr Named<DataType> kDataTypes[] = {
    {DataType::kFloat32, "float32"}, {DataType::kFloat64, "float64"},
    {DataType::kFloat16, "float16"}, {DataType::kBFloat16, "bfloat16"},
    {DataType::kInt8, "int8"},       {DataType::kUInt8, "uint8"},
    {DataType::kInt16, "int16"},     {DataType::kInt32, "int32"},
    {DataType::kInt64, "int64"},     {DataType::kBool, "bool"}};
constexpr Named<Scheme> kSchemes[] = {{Scheme::kStaticSymmetric, "static-symmetric"},
                                      {Scheme::kStaticAffine, "static-affine"},
                                      {Scheme::kDynamicSymmetric, "dynamic-symmetric"},
                                      {Scheme::kDynamicAffine, "dynamic-affine"}};
constexpr Named<Precision> kPrecisions[] = {{Precision::kAuto, "auto"},
                                            {Precision::kFloat32, "float32"},
                                            {Precision::kInt8, "int8"},
                                            {Precision::kFloat16, "float16"}};
constexpr Named<Isa> kIsas[] = {{Isa::kPortable, "portable"}, {Isa::kAvx2, "avx2"},
                                {Isa::kAvxVnni, "avxvnni"},   {Isa::kAvx512Vnni, "avx512vnni"},
                                {Isa::kAmx, "amx"},           {Isa::kNeon, "neon"},
                                {Isa::kNeonDot, "neondot"},   {Isa::kDp4a, "dp4a"},
                                {Isa::kMma, "mma"},           {Isa::kWgmma, "wgmma"}};

}  // namespace

std::string_view version() { return OCTILE_VERSION; }

size_t size_of(DataType type) {
  switch (type) {
    case DataType::kFloat64:
    case DataType::kInt64: return 8;
    case DataType::kFloat32:
    case DataType::kInt32: return 4;
    case DataType::kFloat16:
    case DataType::kBFloat16:
    case DataType::kInt16: return 2;
    case DataType::kInt8:
    case DataType::kUInt8:
    case DataType::kBool: return 1;
  }
  fail(ErrorCode::kInternal, "data type {} has no size", static_cast<int>(type));
}

std::string_view name_of(DataType type) { return name_in(kDataTypes, type); }
DataType data_type_from_name(std::string_view name) {
  return value_in(kDataTypes, name, "data type");
}
std::string_view name_of(Scheme scheme) { return name_in(kSchemes, scheme); }
Scheme scheme_from_name(std::string_view name) { return value_in(kSchemes, name, "scheme"); }
std::string_view name_of(Precision precision) { return name_in(kPrecisions, precision); }
Precision precision_from_name(std::string_view name) {
  return value_in(kPrecisions, name, "precision");
}
std::string_view name_of(Isa isa) { return name_in(kIsas, isa); }
Isa isa_from_name(std::string_view name) { return value_in(kIsas, name, "ISA"); }

Shape::Shape(std::initializer_list<int64_t> dims)
    : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const int64_t> dims) {
  for (int64_t extent : dims) push_back(extent);
}

void Shape::push_back(int64_t extent) {
  check(rank_ < kMaxRank, ErrorCode::kUnsupported, "a shape has more than {} axes", kMaxRank);
  dims_[static_cast<size_t>(rank_++)] = extent;
}

bool Shape::is_static() const {
  return std::all_of(begin(), end(), [](int64_t extent) { return extent >= 0; });
}

int64_t Shape::volume() const {
  int64_t volume = 1;
  for (int64_t extent : *this) {  // texts are made only on failure: kernels call this
    if (extent < 0) [[unlikely]] {
      fail(ErrorCode::kInternal, "volume of the dynamic shape {}", to_string());
    }
    if (__builtin_mul_overflow(volume, extent, &volume)) [[unlikely]] {
      fail(ErrorCode::kInvalidArgument, "shape {} has too many elements", to_string());
    }
  }
  return volume;
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (int axis = 0; axis < rank_; ++axis) {
    text += fmt::format("{}{}", axis == 0 ? "" : ", ", (*this)[axis]);
  }
  return text + ")";
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

}  // namespace octile
