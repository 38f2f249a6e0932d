// See tensor_proto.h. Bytes are taken as little-endian, which ONNX prescribes.
#include "formats/onnx/tensor_proto.h"

#include <cstring>
#include <filesystem>
#include <limits>

#include "base/bytes.h"
#include "base/error.h"

namespace octile {
namespace {

using onnx::TensorProto;

/// How the elements of one ONNX type lie in raw bytes.
struct Storage {
  int onnx_type;
  DataType stored;  // unsigned types wider than 8 bits: the signed type of the same size
  bool is_unsigned;
};

constexpr Storage kStorages[] = {
    {TensorProto::FLOAT, DataType::kFloat32, false},
    {TensorProto::DOUBLE, DataType::kFloat64, false},
    {TensorProto::FLOAT16, DataType::kFloat16, false},
    {TensorProto::BFLOAT16, DataType::kBFloat16, false},
    {TensorProto::INT8, DataType::kInt8, false},
    {TensorProto::UINT8, DataType::kUInt8, false},
    {TensorProto::INT16, DataType::kInt16, false},
    {TensorProto::UINT16, DataType::kInt16, true},
    {TensorProto::INT32, DataType::kInt32, false},
    {TensorProto::UINT32, DataType::kInt32, true},
    {TensorProto::INT64, DataType::kInt64, false},
    {TensorProto::UINT64, DataType::kInt64, true},
    {TensorProto::BOOL, DataType::kBool, false},
};

const Storage* find_storage(int onnx_type) {
  for (const Storage& row : kStorages) {
    if (row.onnx_type == onnx_type) return &row;
  }
  return nullptr;
}

Shape read_shape(const TensorProto& proto) {
  check(proto.dims_size() <= kMaxRank, ErrorCode::kUnsupported,
        "it has {} axes, but Octile handles at most {}", proto.dims_size(), kMaxRank);
  Shape shape;
  for (const int64_t extent : proto.dims()) {
    check(extent >= 0 && extent <= kMostExtent, ErrorCode::kInvalidFile,
          "it has an extent of {}; the file is damaged", extent);
    shape.push_back(extent);
  }
  return shape;
}

/// Bytes of the tensor's volume; checks the product.
size_t byte_count(const Shape& shape, DataType type) {
  int64_t bytes = 0;
  check(!__builtin_mul_overflow(shape.volume(), static_cast<int64_t>(size_of(type)), &bytes),
        ErrorCode::kInvalidFile, "its shape {} has too many elements; the file is damaged",
        shape.to_string());
  return static_cast<size_t>(bytes);
}

Tensor from_raw(const Shape& shape, DataType type, const void* data, size_t size) {
  check(size == byte_count(shape, type), ErrorCode::kInvalidFile,
        "its data has {} bytes, but {} {} needs {}; the file is damaged", size, name_of(type),
        shape.to_string(), byte_count(shape, type));
  return Tensor(type, shape, {static_cast<const std::byte*>(data), size});
}

template <typename T, typename Field>
Tensor from_field(const Shape& shape, DataType type, const Field& field) {
  check(field.size() == shape.volume(), ErrorCode::kInvalidFile,
        "it has {} values, but its shape {} needs {}; the file is damaged", field.size(),
        shape.to_string(), shape.volume());
  Tensor tensor(type, shape);
  for (int i = 0; i < field.size(); ++i) tensor.as<T>()[i] = static_cast<T>(field.Get(i));
  return tensor;
}

/// The typed field that ONNX prescribes for each type.
Tensor from_typed(const TensorProto& proto, const Shape& shape, const Storage& storage) {
  const DataType type = storage.stored;
  switch (storage.onnx_type) {
    case TensorProto::FLOAT: return from_field<float>(shape, type, proto.float_data());
    case TensorProto::DOUBLE: return from_field<double>(shape, type, proto.double_data());
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16: return from_field<uint16_t>(shape, type, proto.int32_data());
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::BOOL: return from_field<uint8_t>(shape, type, proto.int32_data());
    case TensorProto::INT16:
    case TensorProto::UINT16: return from_field<int16_t>(shape, type, proto.int32_data());
    case TensorProto::INT32: return from_field<int32_t>(shape, type, proto.int32_data());
    case TensorProto::UINT32: return from_field<int32_t>(shape, type, proto.uint64_data());
    case TensorProto::UINT64: return from_field<int64_t>(shape, type, proto.uint64_data());
    default: return from_field<int64_t>(shape, type, proto.int64_data());
  }
}

int64_t external_number(const std::string& key, const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 18 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  check(digits, ErrorCode::kInvalidFile, "its external data has the {} '{}', which is no number",
        key, text);
  return std::stoll(text);
}

Tensor from_external(const TensorProto& proto, const Shape& shape, DataType type,
                     const std::string& folder) {
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = external_number(entry.key(), entry.value());
    if (entry.key() == "length") length = external_number(entry.key(), entry.value());
  }
  check(!folder.empty(), ErrorCode::kUnsupported,
        "its data lies in the external file '{}', which a model from memory cannot name; import "
        "the model from its file",
        location);
  const std::filesystem::path path(location);
  bool inside = !location.empty() && path.is_relative();
  for (const auto& part : path) inside = inside && part != "..";
  check(inside, ErrorCode::kInvalidFile,
        "its external data is at '{}', which must be a path below the model's folder", location);
  const size_t needed = byte_count(shape, type);
  if (needed == 0) return Tensor(type, shape);
  const MappedFile file((std::filesystem::path(folder) / path).string());
  const size_t size = file.bytes().size(), start = static_cast<size_t>(offset);
  if (length < 0) length = static_cast<int64_t>(needed);
  check(static_cast<size_t>(length) == needed && start <= size && needed <= size - start,
        ErrorCode::kInvalidFile,
        "its external data ({} bytes from {} of '{}', which has {}) does not fit {} {}", length,
        offset, location, size, name_of(type), shape.to_string());
  return Tensor(type, shape, file.bytes().subspan(start, needed));
}

template <typename Narrow, typename Wide>
Tensor widen(const Tensor& from, DataType type) {
  Tensor result(type, from.shape());
  for (int64_t i = 0; i < from.volume(); ++i) {
    const Narrow value = from.as<Narrow>()[i];
    check(value <= static_cast<uint64_t>(std::numeric_limits<Wide>::max()), ErrorCode::kUnsupported,
          "its value {} does not fit {}", value, name_of(type));
    result.as<Wide>()[i] = static_cast<Wide>(value);
  }
  return result;
}

Tensor to_network_type(Tensor tensor, const Storage& storage) {
  const DataType type = *network_type(storage.onnx_type);
  switch (storage.onnx_type) {
    case TensorProto::UINT16: return widen<uint16_t, int32_t>(tensor, type);
    case TensorProto::UINT32: return widen<uint32_t, int64_t>(tensor, type);
    case TensorProto::UINT64: return widen<uint64_t, int64_t>(tensor, type);
    case TensorProto::BOOL:
      for (int64_t i = 0; i < tensor.volume(); ++i) {
        tensor.as<uint8_t>()[i] = tensor.as<uint8_t>()[i] != 0;
      }
      return tensor;
    default: return tensor.type() == type ? std::move(tensor) : tensor.cast(type);
  }
}

}  // namespace

std::optional<DataType> network_type(int onnx_type) {
  const Storage* storage = find_storage(onnx_type);
  if (storage == nullptr) return std::nullopt;
  switch (onnx_type) {
    case TensorProto::DOUBLE:
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16: return DataType::kFloat32;
    case TensorProto::UINT16: return DataType::kInt32;
    case TensorProto::UINT32:
    case TensorProto::UINT64: return DataType::kInt64;
    default: return storage->stored;
  }
}

std::string onnx_type_name(int onnx_type) {
  if (!onnx::TensorProto_DataType_IsValid(onnx_type)) return fmt::format("type {}", onnx_type);
  std::string name =
      onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(onnx_type));
  for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return name;
}

int onnx_type_bits(int onnx_type) {
  const Storage* storage = find_storage(onnx_type);
  return storage == nullptr ? 0 : static_cast<int>(size_of(storage->stored)) * 8;
}

Tensor read_tensor(const TensorProto& proto, const std::string& folder) {
  const Storage* storage = find_storage(proto.data_type());
  check(storage != nullptr, ErrorCode::kUnsupported, "its element type is {}, which Octile lacks",
        onnx_type_name(proto.data_type()));
  check(!proto.has_segment(), ErrorCode::kUnsupported, "it is stored in segments");
  const Shape shape = read_shape(proto);
  if (proto.data_location() == TensorProto::EXTERNAL) {
    return to_network_type(from_external(proto, shape, storage->stored, folder), *storage);
  }
  const std::string& raw = proto.raw_data();
  return to_network_type(raw.empty() ? from_typed(proto, shape, *storage)
                                     : from_raw(shape, storage->stored, raw.data(), raw.size()),
                         *storage);
}

}  // namespace octile
