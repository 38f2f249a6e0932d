// See node_case.h.
#include "onnx_nodes/node_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/error.h"

namespace octile::onnx_nodes {
namespace {

using onnx::TensorProto;
namespace fs = std::filesystem;

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  check(in.good() && !text.str().empty(), ErrorCode::kIo, "{}: cannot be read", file.string());
  return text.str();
}

/// Sign, exponent and mantissa of a small float (1 + exponent_bits + mantissa_bits).
float small_float(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int most = (1 << exponent_bits) - 1, bias = most / 2;
  const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
  if (exponent == most) {
    return mantissa != 0 ? std::numeric_limits<float>::quiet_NaN()
                         : static_cast<float>(sign * std::numeric_limits<double>::infinity());
  }
  const int significand = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
  return static_cast<float>(sign *
                            std::ldexp(significand, std::max(exponent, 1) - bias - mantissa_bits));
}

/// Elements as Stored (raw bytes, or the typed field), converted one by one to As.
template <typename Stored, typename As, typename Field, typename F>
Tensor elements(const TensorProto& proto, const Field& field, DataType type, F convert) {
  Shape shape;
  for (const int64_t extent : proto.dims()) shape.push_back(extent);
  Tensor result(type, shape);
  const auto count = static_cast<size_t>(shape.volume());
  const std::string& raw = proto.raw_data();
  const bool is_raw = field.empty() && count > 0;
  check(is_raw ? raw.size() == count * sizeof(Stored) : static_cast<size_t>(field.size()) == count,
        ErrorCode::kInvalidFile, "'{}' has not as many elements as its shape says", proto.name());
  for (size_t i = 0; i < count; ++i) {
    Stored value{};
    if (is_raw) {
      std::memcpy(&value, raw.data() + i * sizeof(Stored), sizeof(Stored));
    } else {
      value = static_cast<Stored>(field.Get(static_cast<int>(i)));
    }
    result.as<As>()[i] = convert(value);
  }
  return result;
}

template <typename As>
auto to() {
  return [](auto value) { return static_cast<As>(value); };
}

int64_t from_uint64(uint64_t value) {
  check(value <= static_cast<uint64_t>(INT64_MAX), ErrorCode::kUnsupported,
        "the uint64 {} does not fit int64, in which Octile keeps it", value);
  return static_cast<int64_t>(value);
}

template <typename Proto>
Proto parse(const fs::path& file) {
  Proto proto;
  check(proto.ParseFromString(bytes_of(file)), ErrorCode::kInvalidFile, "{}: cannot be parsed",
        file.string());
  return proto;
}

std::vector<Tensor> load_list(
    const fs::path& folder, const std::string& stem,
    const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& infos) {
  std::vector<Tensor> values;
  for (int i = 0; i < infos.size(); ++i) {
    const fs::path file = folder / fmt::format("{}_{}.pb", stem, i);
    if (!fs::exists(file)) break;
    check(infos.Get(i).type().has_tensor_type(), ErrorCode::kUnsupported, "{} '{}' is no tensor",
          stem, infos.Get(i).name());
    values.push_back(
        decode(parse<TensorProto>(file), infos.Get(i).type().tensor_type().elem_type()));
  }
  return values;
}

}  // namespace

Tensor decode(const TensorProto& p, int declared) {
  const auto& ints = p.int32_data();
  const bool bits = declared == TensorProto::BFLOAT16 && p.data_type() == TensorProto::UINT16;
  switch (bits ? declared : p.data_type()) {
    case TensorProto::FLOAT:
      return elements<float, float>(p, p.float_data(), DataType::kFloat32, to<float>());
    case TensorProto::DOUBLE:
      return elements<double, float>(p, p.double_data(), DataType::kFloat32, to<float>());
    case TensorProto::FLOAT16:
      return elements<uint16_t, float>(p, ints, DataType::kFloat32,
                                       [](uint16_t v) { return small_float(v, 5, 10); });
    case TensorProto::BFLOAT16:
      return elements<uint16_t, float>(p, ints, DataType::kFloat32,
                                       [](uint16_t v) { return small_float(v, 8, 7); });
    case TensorProto::INT8: return elements<int8_t, int8_t>(p, ints, DataType::kInt8, to<int8_t>());
    case TensorProto::UINT8:
      return elements<uint8_t, uint8_t>(p, ints, DataType::kUInt8, to<uint8_t>());
    case TensorProto::INT16:
      return elements<int16_t, int16_t>(p, ints, DataType::kInt16, to<int16_t>());
    case TensorProto::UINT16:
      return elements<uint16_t, int32_t>(p, ints, DataType::kInt32, to<int32_t>());
    case TensorProto::INT32:
      return elements<int32_t, int32_t>(p, ints, DataType::kInt32, to<int32_t>());
    case TensorProto::UINT32:
      return elements<uint32_t, int64_t>(p, p.uint64_data(), DataType::kInt64, to<int64_t>());
    case TensorProto::INT64:
      return elements<int64_t, int64_t>(p, p.int64_data(), DataType::kInt64, to<int64_t>());
    case TensorProto::UINT64:
      return elements<uint64_t, int64_t>(p, p.uint64_data(), DataType::kInt64, from_uint64);
    case TensorProto::BOOL:
      return elements<uint8_t, uint8_t>(p, ints, DataType::kBool,
                                        [](uint8_t v) { return static_cast<uint8_t>(v != 0); });
    default: break;
  }
  fail(ErrorCode::kUnsupported, "'{}' has the element type {}", p.name(),
       onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(p.data_type())));
}

NodeCase load_case(const fs::path& folder) {
  NodeCase test;
  test.name = folder.filename().string();
  test.model_file = (folder / "model.onnx").string();
  test.model = parse<onnx::ModelProto>(test.model_file);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) test.data_sets.push_back(entry.path());
  }
  std::sort(test.data_sets.begin(), test.data_sets.end());
  check(!test.data_sets.empty(), ErrorCode::kInvalidFile, "{}: it has no data", test.name);
  return test;
}

DataSet load_data(const NodeCase& test, const fs::path& folder) {
  const onnx::GraphProto& graph = test.model.graph();
  DataSet data{
      load_list(folder, "input", graph.input()), load_list(folder, "output", graph.output()), {}};
  for (const auto& output : graph.output()) {
    const int type = output.type().tensor_type().elem_type();
    const bool half = type == TensorProto::FLOAT16 || type == TensorProto::BFLOAT16;
    // The data of the windows was made with 3.1415 for pi.
    const bool window = test.name.find("window") != std::string::npos &&
                        test.name.find("stft") == std::string::npos;
    data.loose.push_back(half || window);
  }
  check(static_cast<int>(data.outputs.size()) == graph.output_size(), ErrorCode::kInvalidFile,
        "{}: outputs are missing", folder.string());
  return data;
}

}  // namespace octile::onnx_nodes
