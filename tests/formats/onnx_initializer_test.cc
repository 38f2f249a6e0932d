// Initializers of every element type, where they may lie: fields, raw bytes, external files, and
// tensors of nodes and subgraphs.
#ifdef OCTILE_HAVE_ONNX
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using onnx::TensorProto;
using Integers = std::vector<int64_t>;

Tensor output_of(const std::function<void(TensorProto&)>& fill, int type, int64_t count) {
  Model m;
  m.output("y");
  fill(*m.initializer("c", {count}, type));
  m.node("Identity", {"c"}, {"y"});
  return m.run({})[0];
}

TEST(OnnxInitializer, TypedFieldsOfTheNarrowFloats) {
  for (const auto& [type, one_and_a_half] :
       {std::pair{TensorProto::FLOAT16, 0x3e00}, std::pair{TensorProto::BFLOAT16, 0x3fc0}}) {
    const int bits = one_and_a_half;
    const Tensor y = output_of([&](TensorProto& t) { t.add_int32_data(bits); }, type, 1);
    EXPECT_EQ(list<float>(y), std::vector<float>{1.5f}) << type;
  }
}

TEST(OnnxInitializer, UnsignedIntegersAreWidened) {
  const Tensor small =
      output_of([](TensorProto& t) { t.add_int32_data(65535); }, TensorProto::UINT16, 1);
  EXPECT_EQ(small.type(), DataType::kInt32);
  EXPECT_EQ(list<int32_t>(small), std::vector<int32_t>{65535});
  const Tensor raw =
      output_of([](TensorProto& t) { t.set_raw_data("\xff\xff\xff\xff"); }, TensorProto::UINT32, 1);
  EXPECT_EQ(raw.type(), DataType::kInt64);
  EXPECT_EQ(list<int64_t>(raw), Integers{4294967295});
  const Tensor wide =
      output_of([](TensorProto& t) { t.add_uint64_data(7); }, TensorProto::UINT64, 1);
  EXPECT_EQ(list<int64_t>(wide), Integers{7});
  const std::string text = message_of(
      [] {
        output_of([](TensorProto& t) { t.add_uint64_data(UINT64_MAX); }, TensorProto::UINT64, 1);
      },
      ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "18446744073709551615"));
}

TEST(OnnxInitializer, BoolsAreZeroOrOne) {
  const Tensor y = output_of([](TensorProto& t) { t.set_raw_data(std::string("\0\1\7", 3)); },
                             TensorProto::BOOL, 3);
  EXPECT_EQ(y.type(), DataType::kBool);
  EXPECT_EQ(list<int32_t>(y.cast(DataType::kInt32)), (std::vector<int32_t>{0, 1, 1}));
  EXPECT_EQ(y.as<uint8_t>()[2], 1);  // not the file's 7
}

TEST(OnnxInitializer, EmptyAndSegmentedTensors) {
  Model empty;
  empty.input("x", {2}).output("y");
  empty.initializer("c", {0}, TensorProto::FLOAT);
  empty.node("Concat", {"x", "c"}, {"y"}).set("axis", 0);
  EXPECT_EQ(list<float>(empty.run({Tensor::floats({2}, {1, 2})})[0]), (std::vector<float>{1, 2}));
  Model segment;
  segment.output("y");
  segment.initializer("c", {2}, TensorProto::FLOAT)->mutable_segment()->set_begin(0);
  segment.node("Identity", {"c"}, {"y"});
  EXPECT_TRUE(contains(segment.error(ErrorCode::kUnsupported), "segments"));
}

void put_external(TensorProto* tensor, const std::string& location) {
  tensor->set_data_location(TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair<std::string, std::string>{"location", location},
                                   {"offset", "4"},
                                   {"length", "8"},
                                   {"checksum", "ignored"}}) {
    auto* entry = tensor->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
}

TEST(OnnxInitializer, ExternalDataOfConstantsAndOfBranches) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("octile_onnx_external_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "data");
  const float values[] = {7, 1.5f, -2};
  std::ofstream((folder / "data" / "w.bin").string(), std::ios::binary)
      .write(reinterpret_cast<const char*>(values), sizeof(values));
  Model m(13), then;
  m.input("x", {2}).output("y").int32s("yes", {}, {1}, TensorProto::BOOL);
  NodeBuilder constant = m.node("Constant", {}, {"c"});
  auto* value = constant.proto().add_attribute();
  value->set_name("value");
  value->set_type(onnx::AttributeProto::TENSOR);
  value->mutable_t()->set_data_type(TensorProto::FLOAT);
  value->mutable_t()->add_dims(2);
  put_external(value->mutable_t(), "data/w.bin");
  then.output("sum");
  put_external(then.initializer("w", {2}, TensorProto::FLOAT), "data/w.bin");
  then.node("Add", {"c", "w"}, {"sum"});
  auto& branches = m.node("If", {"yes"}, {"b"}).proto();
  for (const char* name : {"then_branch", "else_branch"}) {
    auto* attribute = branches.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    *attribute->mutable_g() = then.proto.graph();
  }
  m.node("Add", {"x", "b"}, {"y"});
  const std::string file = (folder / "model.onnx").string();
  std::ofstream(file, std::ios::binary) << m.bytes();
  EXPECT_EQ(list<float>(interpret(import_onnx(file), {Tensor::floats({2}, {0, 0})})[0]),
            (std::vector<float>{3, -4}));
  std::filesystem::remove_all(folder);
}

TEST(OnnxInitializer, DefaultsOfInputsServeShapesToo) {
  Model m;  // IR version 3 files list every initializer as an input
  m.input("x", {2, 3}).input("shape", {2}, TensorProto::INT64).output("y").int64s("shape", {3, 2});
  m.node("Reshape", {"x", "shape"}, {"y"});
  EXPECT_EQ(m.import().inputs().size(), 1u);
  OnnxOptions options;
  options.constants.emplace("shape", Tensor::int64s({6, 1}));
  const Network net = m.import(options);
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{6, 1}));
}

TEST(OnnxInitializer, AnOldOperatorSetIsAWarning) {
  Model m(6);
  m.input("x", {1}).output("y");
  m.node("Relu", {"x"}, {"y"});
  std::string warnings;
  OnnxOptions options;
  options.log = [&](LogLevel, std::string_view text) { warnings += text; };
  m.import(options);
  EXPECT_TRUE(contains(warnings, "older than 7"));
}

}  // namespace
}  // namespace octile::test
#endif
