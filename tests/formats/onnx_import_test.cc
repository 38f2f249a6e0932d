// The importer around the operators: initializers, names, warnings, errors, hostile files.
#ifdef OCTILE_HAVE_ONNX
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

/// y = x + c, with c an initializer to be filled in.
Model add_model(const std::vector<int64_t>& dims) {
  Model m;
  m.input("x", dims).output("y");
  m.node("Add", {"x", "c"}, {"y"}).named("add");
  return m;
}

/// A file name of this process, removed at the end.
struct TemporaryFolder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("octile_onnx_test_" + std::to_string(::getpid()));
  TemporaryFolder() { std::filesystem::create_directories(path); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream((path / name).string(), std::ios::binary) << bytes;
    return (path / name).string();
  }
};

TEST(OnnxInitializer, RawBytesOfEveryFloat) {
  const Tensor x = Tensor::floats({2}, {0, 0});
  const std::pair<int, std::string> cases[] = {
      {onnx::TensorProto::FLOAT, std::string("\0\0\xc0\x3f\0\0\0\xc0", 8)},
      {onnx::TensorProto::FLOAT16, std::string("\0\x3e\0\xc0", 4)},
      {onnx::TensorProto::BFLOAT16, std::string("\xc0\x3f\0\xc0", 4)},
      {onnx::TensorProto::DOUBLE, std::string("\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\0\xc0", 16)}};
  for (const auto& [type, raw] : cases) {
    Model m = add_model({2});
    m.initializer("c", {2}, type)->set_raw_data(raw);
    EXPECT_EQ(list<float>(m.run({x})[0]), (Floats{1.5f, -2})) << type;
  }
  Model half = add_model({2});
  half.int32s("c", {2}, {0x3e00, 0xc000}, onnx::TensorProto::FLOAT16);
  EXPECT_EQ(list<float>(half.run({x})[0]), (Floats{1.5f, -2}));
  Model wide = add_model({2});
  auto* c = wide.initializer("c", {2}, onnx::TensorProto::DOUBLE);
  c->add_double_data(1.5);
  c->add_double_data(-2);
  EXPECT_EQ(list<float>(wide.run({x})[0]), (Floats{1.5f, -2}));
}

TEST(OnnxInitializer, BytesGivenByTheCaller) {
  const Tensor x = Tensor::floats({2}, {0, 0});
  Model m = add_model({2});
  m.floats("c", {2}, {1, 2});
  const std::string bytes("\0\0\xc0\x3f\0\0\0\xc0", 8);
  OnnxOptions options;
  options.initializers["c"] = bytes;
  EXPECT_EQ(list<float>(interpret(m.import(options), {x})[0]), (Floats{1.5f, -2}));
  options.initializers["c"] = bytes.substr(4);
  const std::string short_one = message_of([&] { m.import(options); }, ErrorCode::kInvalidFile);
  EXPECT_TRUE(contains(short_one, "'c'")) << short_one;
  options.initializers = {{"d", bytes}};
  const std::string unknown = message_of([&] { m.import(options); }, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(contains(unknown, "no initializer 'd'")) << unknown;
}

TEST(OnnxNodes, AreListedWithoutImport) {
  Model m = add_model({2});
  m.node("Nonsense", {"y"}, {"z"}).named("odd").domain("my.own");
  const std::vector<OnnxNodeInfo> nodes = list_onnx_nodes(m.bytes());
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].name + nodes[0].op_type + nodes[0].domain, "addAdd");
  EXPECT_EQ(nodes[0].inputs, (std::vector<std::string>{"x", "c"}));
  EXPECT_EQ(nodes[0].outputs, std::vector<std::string>{"y"});
  EXPECT_TRUE(nodes[0].supported);
  EXPECT_EQ(nodes[1].name + nodes[1].op_type + nodes[1].domain, "oddNonsensemy.own");
  EXPECT_FALSE(nodes[1].supported);
  EXPECT_THROW(list_onnx_nodes("garbage"), Error);
}

TEST(OnnxInitializer, IntegersAndBools) {
  const std::pair<int, DataType> cases[] = {{onnx::TensorProto::INT8, DataType::kInt8},
                                            {onnx::TensorProto::UINT8, DataType::kUInt8},
                                            {onnx::TensorProto::INT32, DataType::kInt32},
                                            {onnx::TensorProto::BOOL, DataType::kBool}};
  for (const auto& [type, expected] : cases) {
    Model m;
    m.output("y").int32s("c", {2}, {1, 0}, type);
    m.node("Identity", {"c"}, {"y"});
    const Tensor y = m.run({})[0];
    EXPECT_EQ(y.type(), expected);
    EXPECT_EQ(list<int64_t>(y.cast(DataType::kInt64)), (std::vector<int64_t>{1, 0}));
  }
}

TEST(OnnxInitializer, ThatAreListedAsInputsAreNoInputs) {
  Model m = add_model({2});
  m.input("c", {2}).floats("c", {2}, {1, 2});
  const Network net = m.import();
  ASSERT_EQ(net.inputs().size(), 1u);
  EXPECT_EQ(net.name(net.inputs()[0]), "x");
}

TEST(OnnxInitializer, SizesAreChecked) {
  Model few = add_model({2});
  few.floats("c", {3}, {1, 2});
  EXPECT_TRUE(contains(few.error(ErrorCode::kInvalidFile), "initializer 'c'"));
  Model raw = add_model({2});
  raw.initializer("c", {2}, onnx::TensorProto::FLOAT)->set_raw_data("1234567");
  EXPECT_TRUE(contains(raw.error(ErrorCode::kInvalidFile), "7 bytes"));
  for (const std::vector<int64_t>& dims :
       std::vector<std::vector<int64_t>>{{-1},
                                         {INT64_MAX},
                                         {1 << 30, 1 << 30, 1 << 30},
                                         {int64_t{1} << 31, int64_t{1} << 31, 2}}) {
    Model m = add_model({2});
    m.initializer("c", dims, onnx::TensorProto::FLOAT)->set_raw_data("1234");
    EXPECT_TRUE(contains(m.error(ErrorCode::kInvalidFile), "initializer 'c'"));
  }
  Model strings = add_model({2});
  strings.initializer("c", {1}, onnx::TensorProto::STRING)->add_string_data("text");
  EXPECT_TRUE(contains(strings.error(ErrorCode::kUnsupported), "string"));
}

TEST(OnnxInitializer, ExternalDataLiesBesideTheModel) {
  const TemporaryFolder folder;
  const float values[] = {7, 1.5f, -2};
  folder.write("weights.bin", std::string(reinterpret_cast<const char*>(values), 12));
  const auto with = [&](const std::string& location, const std::string& offset) {
    Model m = add_model({2});
    auto* c = m.initializer("c", {2}, onnx::TensorProto::FLOAT);
    c->set_data_location(onnx::TensorProto::EXTERNAL);
    const std::pair<std::string, std::string> entries[] = {{"location", location},
                                                           {"offset", offset}};
    for (const auto& [key, value] : entries) {
      auto* entry = c->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    return m;
  };
  const std::string file = folder.write("model.onnx", with("weights.bin", "4").bytes());
  EXPECT_EQ(list<float>(interpret(import_onnx(file), {Tensor::floats({2}, {0, 0})})[0]),
            (Floats{1.5f, -2}));
  EXPECT_TRUE(contains(with("weights.bin", "4").error(ErrorCode::kUnsupported), "weights.bin"));
  const auto error = [&](const std::string& location, const std::string& offset, ErrorCode code) {
    const std::string bad = folder.write("bad.onnx", with(location, offset).bytes());
    return message_of([&] { import_onnx(bad); }, code);
  };
  EXPECT_TRUE(contains(error("weights.bin", "8", ErrorCode::kInvalidFile), "'c'"));
  EXPECT_TRUE(contains(error("weights.bin", "-4", ErrorCode::kInvalidFile), "-4"));
  EXPECT_TRUE(
      contains(error("weights.bin", "99999999999999999999", ErrorCode::kInvalidFile), "'c'"));
  EXPECT_TRUE(contains(error("../weights.bin", "0", ErrorCode::kInvalidFile), "below"));
  EXPECT_TRUE(contains(error("/etc/passwd", "0", ErrorCode::kInvalidFile), "below"));
  EXPECT_TRUE(contains(error("missing.bin", "0", ErrorCode::kIo), "missing.bin"));
}

TEST(OnnxNames, TensorsAndLayersKeepTheirs) {
  Model m;
  m.input("data", {1, 2}).output("prob").floats("w", {2, 2}, {1, 2, 3, 4});
  m.node("Relu", {"data"}, {"hidden"}).named("act");
  m.node("MatMul", {"hidden", "w"}, {"scores"}).named("act");  // the same name again
  m.node("Softmax", {"scores"}, {"prob"});
  const Network net = m.import();
  for (const char* name : {"data", "hidden", "w", "scores", "prob"}) {
    EXPECT_TRUE(net.find_tensor(name)) << name;
  }
  EXPECT_TRUE(net.find_layer("act"));
  EXPECT_EQ(net.name(net.outputs()[0]), "prob");
  EXPECT_EQ(net.layers().size(), 4u) << net.to_string();
}

TEST(OnnxNames, OutputsThatAreInputsOrConstants) {
  Model m;
  m.input("x", {1}).output("x").output("c").output("same").floats("c", {1}, {5});
  m.node("Identity", {"x"}, {"same"});
  const auto y = m.run({Tensor::floats({1}, {3})});
  EXPECT_EQ(list<float>(y[0]), Floats{3});
  EXPECT_EQ(list<float>(y[1]), Floats{5});
  EXPECT_EQ(list<float>(y[2]), Floats{3});
}

TEST(OnnxErrors, AllUnsupportedNodesAreListed) {
  Model m;
  m.input("x", {1}).output("y");
  m.node("TfIdfVectorizer", {"x"}, {"a"}).named("first");
  m.node("Relu", {"a"}, {"b"});
  m.node("Multinomial", {"b"}, {"c"});
  m.node("Relu", {"c"}, {"y"}).domain("my.domain").named("third");
  const std::string text = m.error(ErrorCode::kUnsupported);
  for (const char* part :
       {"tiny.onnx", "first", "TfIdfVectorizer", "'c'", "Multinomial", "third", "my.domain"}) {
    EXPECT_TRUE(contains(text, part));
  }
  const std::vector<std::string> known = supported_onnx_operators();
  EXPECT_TRUE(std::is_sorted(known.begin(), known.end()));
  EXPECT_TRUE(std::binary_search(known.begin(), known.end(), "Conv"));
  EXPECT_FALSE(std::binary_search(known.begin(), known.end(), "TfIdfVectorizer"));
}

TEST(OnnxErrors, ANewerOperatorSetIsAWarning) {
  Model m(99);
  m.input("x", {1}).output("y");
  m.node("Relu", {"x"}, {"y"});
  std::string warnings;
  OnnxOptions options;
  options.log = [&](LogLevel level, std::string_view text) {
    EXPECT_EQ(level, LogLevel::kWarning);
    warnings += text;
  };
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1}, {-1})}, options)[0]), Floats{0});
  EXPECT_TRUE(contains(warnings, "99"));
}

/// Also of a node that is computed at import.
TEST(OnnxErrors, AnUnknownAttributeIsAWarning) {
  Model m;
  m.input("x", {1}).output("y").floats("one", {1}, {1});
  m.node("Neg", {"one"}, {"minus"}).named("folded").set("speed", 1);
  m.node("Add", {"x", "minus"}, {"y"}).named("added").set("colour", 2);
  std::string warnings;
  OnnxOptions options;
  options.log = [&](LogLevel, std::string_view text) { warnings += text; };
  EXPECT_EQ(list<float>(m.run({Tensor::floats({1}, {3})}, options)[0]), Floats{2});
  for (const char* part :
       {"'folded' (Neg): attribute 'speed'", "'added' (Add): attribute 'colour'"}) {
    EXPECT_TRUE(contains(warnings, part));
  }
}

TEST(OnnxErrors, BrokenGraphs) {
  Model missing;
  missing.input("x", {1}).output("y");
  missing.node("Add", {"x", "nowhere"}, {"y"}).named("add");
  EXPECT_TRUE(contains(missing.error(ErrorCode::kInvalidFile), "'nowhere'"));
  Model cycle;
  cycle.input("x", {1}).output("y");
  cycle.node("Add", {"x", "b"}, {"a"});
  cycle.node("Relu", {"a"}, {"b"});
  cycle.node("Relu", {"b"}, {"y"});
  EXPECT_TRUE(contains(cycle.error(ErrorCode::kInvalidFile), "'b'"));
  Model twice;
  twice.input("x", {1}).output("y");
  twice.node("Relu", {"x"}, {"y"});
  twice.node("Neg", {"x"}, {"y"});
  EXPECT_TRUE(contains(twice.error(ErrorCode::kInvalidFile), "'y'"));
  Model output;
  output.input("x", {1}).output("y").output("z");
  output.node("Relu", {"x"}, {"y"});
  EXPECT_TRUE(contains(output.error(ErrorCode::kInvalidFile), "'z'"));
  Model attribute;
  attribute.input("x", {1, 2}).output("y");
  attribute.node("Flatten", {"x"}, {"y"}).named("flat").set("axis", "one");
  EXPECT_TRUE(contains(attribute.error(ErrorCode::kInvalidFile), "'axis'"));
  Model no_input;
  no_input.output("y");
  no_input.node("Relu", {}, {"y"}).named("relu");
  EXPECT_TRUE(contains(no_input.error(ErrorCode::kInvalidFile), "relu"));
  Model no_attribute;
  no_attribute.input("x", {1}).output("y");
  no_attribute.node("Cast", {"x"}, {"y"}).named("cast");
  EXPECT_TRUE(contains(no_attribute.error(ErrorCode::kInvalidFile), "'to'"));
  Model sequence;
  sequence.output("y");
  auto* info = sequence.proto.mutable_graph()->add_input();
  info->set_name("x");
  info->mutable_type()->mutable_sequence_type();
  sequence.node("Relu", {"x"}, {"y"});
  EXPECT_TRUE(contains(sequence.error(ErrorCode::kUnsupported), "'x'"));
}

TEST(OnnxErrors, FilesThatAreNoModels) {
  EXPECT_TRUE(contains(message_of([] { import_onnx("/nonexistent.onnx"); }, ErrorCode::kIo),
                       "/nonexistent.onnx"));
  for (const std::string& bytes : {std::string(), std::string("\0\0\0\0", 4), std::string("hello"),
                                   std::string(1000, '\xff')}) {
    EXPECT_TRUE(
        contains(message_of([&] { import_onnx_bytes(bytes); }, ErrorCode::kInvalidFile), "model"));
  }
}

/// A model with most of what a file can hold.
std::string sample() {
  Model m;
  m.input("x", {1, 1, 4, 4}).output("y").output("i").floats("w", {2, 1, 3, 3}, Floats(18, 0.5f));
  m.floats("b", {2}, {1, 2}).int64s("shape", {0, -1}).int64s("k", {2});
  m.node("Conv", {"x", "w", "b"}, {"c"}).named("conv").ints("pads", {1, 1, 1, 1});
  m.node("Relu", {"c"}, {"r"});
  m.node("MaxPool", {"r"}, {"p"}).ints("kernel_shape", {2, 2}).ints("strides", {2, 2});
  m.node("Reshape", {"p", "shape"}, {"f"});
  m.node("TopK", {"f", "k"}, {"y", "i"});
  return m.bytes();
}

/// Imports; an Error is as good as a Network, anything else is not. Returns true for a Network.
bool survives(const std::string& bytes) {
  try {
    import_onnx_bytes(bytes);
    return true;
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
    EXPECT_FALSE(std::string(error.what()).empty());
    return false;
  }
}

TEST(OnnxHostile, TruncationAtEveryLength) {
  const std::string whole = sample();
  ASSERT_TRUE(survives(whole));
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) refused += !survives(whole.substr(0, size));
  EXPECT_GT(refused, static_cast<int>(whole.size()) * 9 / 10);
}

TEST(OnnxHostile, EveryByteChanged) {
  const std::string whole = sample();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      survives(bytes);
    }
  }
}

}  // namespace
}  // namespace octile::test
#endif
