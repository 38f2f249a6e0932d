// .npy: magic, version, a Python dictionary as text, then the elements.
#include "formats/data/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"
#include "octile/data.h"

namespace octile {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran = false;
  Shape shape;
  size_t data_begin = 0;
};

[[noreturn]] void bad(const std::string& origin, std::string_view what) {
  fail(ErrorCode::kInvalidFile, "{}: {}; it is no readable .npy array", origin, what);
}

/// The text behind 'key': up to the end of the dictionary.
std::string_view value_of(std::string_view dictionary, std::string_view key,
                          const std::string& origin) {
  for (const char quote : {'\'', '"'}) {
    const std::string quoted = std::string(1, quote) + std::string(key) + quote;
    const size_t at = dictionary.find(quoted);
    if (at == std::string_view::npos) continue;
    size_t begin = at + quoted.size();
    while (begin < dictionary.size() && (dictionary[begin] == ' ' || dictionary[begin] == ':')) {
      ++begin;
    }
    return dictionary.substr(begin);
  }
  bad(origin, "its header lacks '" + std::string(key) + "'");
}

Shape parse_tuple(std::string_view text, const std::string& origin) {
  if (text.empty() || text[0] != '(') bad(origin, "its shape is no tuple");
  const size_t end = text.find(')');
  if (end == std::string_view::npos) bad(origin, "its shape does not end");
  text = text.substr(1, end - 1);
  Shape shape;
  while (!text.empty()) {
    while (!text.empty() && (text[0] == ' ' || text[0] == ',')) text.remove_prefix(1);
    if (text.empty()) break;
    int64_t extent = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc{} || extent < 0) bad(origin, "its shape holds no number");
    if (shape.rank() == kMaxRank) bad(origin, "it has more than 8 axes");
    shape.push_back(extent);
    text.remove_prefix(size_t(at - text.data()));
    if (!text.empty() && text[0] == 'L') text.remove_prefix(1);
  }
  return shape;
}

Header parse_npy_header(std::string_view bytes, const std::string& origin) {
  if (bytes.size() < 10 || bytes.substr(0, kMagic.size()) != kMagic) bad(origin, "no .npy magic");
  const auto byte = [&](size_t i) { return size_t(static_cast<unsigned char>(bytes[i])); };
  const size_t major = byte(6);
  if (major < 1 || major > 3) bad(origin, fmt::format("version {} is unknown", major));
  size_t length = byte(8) | byte(9) << 8, begin = 10;
  if (major >= 2) {
    if (bytes.size() < 12) bad(origin, "the header ends early");
    length |= byte(10) << 16 | byte(11) << 24;
    begin = 12;
  }
  if (length > bytes.size() - begin) bad(origin, "the header ends early");
  const std::string_view dictionary = bytes.substr(begin, length);
  const std::string_view descr = value_of(dictionary, "descr", origin);
  if (descr.size() < 4 || (descr[0] != '\'' && descr[0] != '"')) {
    bad(origin, "structured arrays are not supported");
  }
  const size_t end = descr.find(descr[0], 1);
  if (end == std::string_view::npos) bad(origin, "its type does not end");
  if (end < 3 || std::string_view("<>|=").find(descr[1]) == std::string_view::npos) {
    bad(origin, "its type has no byte order");
  }
  return {std::string(descr.substr(1, end - 1)),
          value_of(dictionary, "fortran_order", origin).substr(0, 4) == "True",
          parse_tuple(value_of(dictionary, "shape", origin), origin), begin + length};
}

DataType type_of(const std::string& descr, const std::string& origin) {
  static constexpr std::pair<std::string_view, DataType> kTypes[] = {
      {"f4", DataType::kFloat32}, {"f8", DataType::kFloat64}, {"f2", DataType::kFloat16},
      {"i1", DataType::kInt8},    {"u1", DataType::kUInt8},   {"i2", DataType::kInt16},
      {"i4", DataType::kInt32},   {"i8", DataType::kInt64},   {"b1", DataType::kBool}};
  for (const auto& [name, type] : kTypes) {
    if (std::string_view(descr).substr(1) == name) return type;
  }
  static constexpr std::pair<char, std::string_view> kKinds[] = {
      {'O', "Python objects"}, {'c', "complex numbers"}, {'U', "text"},
      {'S', "text"},           {'u', "unsigned"},        {'M', "dates"}};
  std::string_view what = "of an unknown kind";
  for (const auto& [letter, name] : kKinds) {
    if (descr[1] == letter) what = name;
  }
  fail(ErrorCode::kInvalidFile,
       "{}: its elements are {} (type '{}'), which no network takes; save it as float32, "
       "float64, float16, int8, uint8, int16, int32, int64 or bool",
       origin, what, descr);
}

void swap_bytes(Tensor& tensor) {
  const size_t size = size_of(tensor.type());
  auto* bytes = static_cast<std::byte*>(tensor.data());
  for (size_t i = 0; i < tensor.bytes(); i += size) std::reverse(bytes + i, bytes + i + size);
}

/// Elements stored with the first axis fastest, put into row-major order.
Tensor from_fortran(const Tensor& stored) {
  Tensor result(stored.type(), stored.shape());
  const int rank = stored.shape().rank();
  const size_t size = size_of(stored.type());
  std::array<int64_t, kMaxRank> index{};
  const int64_t count = stored.volume();
  for (int64_t i = 0; i < count; ++i) {
    int64_t from = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      from = from * stored.shape()[axis] + index[size_t(axis)];
    }
    std::memcpy(static_cast<std::byte*>(result.data()) + size_t(i) * size,
                static_cast<const std::byte*>(stored.data()) + size_t(from) * size, size);
    for (int axis = rank - 1; axis >= 0; --axis) {
      if (++index[size_t(axis)] < stored.shape()[axis]) break;
      index[size_t(axis)] = 0;
    }
  }
  return result;
}

std::string_view descr_of(DataType type) {
  switch (type) {
    case DataType::kFloat64: return "<f8";
    case DataType::kFloat16: return "<f2";
    case DataType::kInt8: return "|i1";
    case DataType::kUInt8: return "|u1";
    case DataType::kInt16: return "<i2";
    case DataType::kInt32: return "<i4";
    case DataType::kInt64: return "<i8";
    case DataType::kBool: return "|b1";
    default: return "<f4";
  }
}

}  // namespace

Tensor parse_npy(std::string_view bytes, const std::string& origin) {
  const Header header = parse_npy_header(bytes, origin);
  const DataType type = type_of(header.descr, origin);
  int64_t elements = 1;
  bool fits = true;
  for (int64_t extent : header.shape) {
    fits = fits && !__builtin_mul_overflow(elements, extent, &elements);
  }
  const std::string_view data = bytes.substr(header.data_begin);
  if (!fits || uint64_t(elements) != data.size() / size_of(type) ||
      data.size() % size_of(type) != 0) {
    bad(origin, fmt::format("shape {} needs other than its {} bytes", header.shape.to_string(),
                            data.size()));
  }
  Tensor tensor(type, header.shape, std::as_bytes(std::span(data)));
  if (header.descr[0] == '>') swap_bytes(tensor);
  return header.fortran && header.shape.rank() > 1 ? from_fortran(tensor) : tensor;
}

std::string format_npy(const Tensor& array) {
  const Tensor stored =
      array.type() == DataType::kBFloat16 ? array.cast(DataType::kFloat32) : array;
  std::string shape;
  for (int64_t extent : stored.shape()) shape += fmt::format("{}, ", extent);
  if (stored.shape().rank() > 1) shape.resize(shape.size() - 2);
  if (stored.shape().rank() == 1) shape.pop_back();
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   descr_of(stored.type()), shape);
  const size_t total = (10 + header.size() + 1 + 63) / 64 * 64;
  header.append(total - 10 - header.size() - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += '\x01';
  bytes += '\0';
  bytes += char(header.size() & 0xff);
  bytes += char(header.size() >> 8);
  bytes += header;
  bytes.append(static_cast<const char*>(stored.data()), stored.bytes());
  return bytes;
}

Tensor load_npy(const std::string& path) { return parse_npy(read_file(path), path); }

void save_npy(const std::string& path, const Tensor& array) { write_file(path, format_npy(array)); }

void save_text(const std::string& path, std::string_view text) { write_file(path, text); }

}  // namespace octile
