// Nodes as no exporter writes them: every operator with random inputs and attributes. The importer
// answers with a network or with one Error of the file, never with a crash.
#ifdef OCTILE_HAVE_ONNX
#include <iterator>
#include <sstream>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using onnx::TensorProto;

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

/// All that the import rules read.
const std::vector<std::string> kIntegerAttributes = words(
    "align_corners allowzero antialias axis batch_axis batch_dims block_size blocksize "
    "ceil_mode center_point_box channels_last count_include_pad detect_negative detect_positive "
    "dtype end exclude_outside exclusive fmod group hidden_size ignore_index input_forget "
    "inverse k keepdims largest layout linear_before_reset noop_with_empty_axes num_groups "
    "num_outputs num_scan_inputs onesided opset output_datatype output_dtype output_height "
    "output_width p periodic reverse sampling_ratio select_last_index size sorted spatial start "
    "storage_order time_axis to training_mode transA transB upper");
const std::vector<std::string> kListAttributes = words(
    "axes dilations ends kernel_shape output_padding output_shape pads perm shape split starts "
    "strides value_ints");
const int kTypes[] = {TensorProto::FLOAT, TensorProto::INT64, TensorProto::UINT8, TensorProto::BOOL,
                      TensorProto::INT32};
const int64_t kNumbers[] = {0, 1, 2, 3, -1, -2, 4, 7, 100, -100, INT32_MAX, INT64_MAX, INT64_MIN};

template <typename T, size_t N>
T any(const T (&list)[N], Random& random) {
  return list[random.integer(0, N - 1)];
}

std::vector<int64_t> random_dims(Random& random, bool unknown) {
  std::vector<int64_t> dims(static_cast<size_t>(random.integer(0, 5)));
  for (int64_t& d : dims) d = random.integer(unknown ? -1 : 0, 3);
  return dims;
}

void add_constant(Model& m, const std::string& name, Random& random) {
  const std::vector<int64_t> dims =
      random.integer(0, 1) ? random_dims(random, false) : std::vector{random.integer(0, 4)};
  int64_t volume = 1;
  for (const int64_t d : dims) volume *= d;
  if (random.integer(0, 1)) {
    std::vector<int64_t> values(static_cast<size_t>(volume));
    for (int64_t& v : values) v = any(kNumbers, random);
    m.int64s(name, dims, values);
  } else {
    m.int32s(name, dims, std::vector<int32_t>(static_cast<size_t>(volume), 1), TensorProto::UINT8);
    if (random.integer(0, 3) == 0) return;
    auto* tensor =
        m.proto.mutable_graph()->mutable_initializer(m.proto.graph().initializer_size() - 1);
    tensor->set_data_type(TensorProto::FLOAT);
    tensor->clear_int32_data();
    for (int64_t i = 0; i < volume; ++i) tensor->add_float_data(static_cast<float>(i) - 1);
  }
}

Model random_model(const std::string& op_type, Random& random) {
  const int64_t opsets[] = {7, 10, 11, 13, 18, 21};
  Model m(any(opsets, random));
  const size_t dot = op_type.rfind('.');
  std::vector<std::string> inputs;
  const int64_t count = random.integer(0, 5);
  for (int64_t i = 0; i < count; ++i) {
    std::string name = "i" + std::to_string(i);
    const int64_t kind = random.integer(0, 5);
    if (kind == 0) {
      name = "";
    } else if (kind <= 2) {
      m.input(name, random_dims(random, true),
              random.integer(0, 2) == 0 ? any(kTypes, random) : TensorProto::FLOAT);
    } else {
      add_constant(m, name, random);
    }
    inputs.push_back(name);
  }
  NodeBuilder node =
      m.node(dot == std::string::npos ? op_type : op_type.substr(dot + 1), inputs, {"y", "z"});
  if (dot != std::string::npos) node.domain(op_type.substr(0, dot));
  for (const std::string& name : kIntegerAttributes) {
    if (random.integer(0, 3) == 0) node.set(name, any(kNumbers, random));
  }
  for (const std::string& name : kListAttributes) {
    if (random.integer(0, 3) != 0) continue;
    std::vector<int64_t> values(static_cast<size_t>(random.integer(0, 6)));
    for (int64_t& v : values) v = any(kNumbers, random);
    node.ints(name, values);
  }
  if (random.integer(0, 1)) m.output("z");
  m.output("y");
  return m;
}

TEST(OnnxHostile, ANodeThatNamesAnOutputTwice) {
  for (const bool constant : {true, false}) {
    Model m(13);
    m.output("a").output("b");
    if (constant) {
      m.floats("x", {6}, {1, 2, 3, 4, 5, 6});
    } else {
      m.input("x", {6});
    }
    m.node("Split", {"x"}, {"a", "a", "b"}).named("split");
    EXPECT_TRUE(contains(m.error(ErrorCode::kInvalidFile), "'split' (Split): its output 'a' is"));
  }
}

TEST(OnnxHostile, ANumberAmongWhatIsJoined) {
  Model m(13);
  m.input("x", {1, 2, 3}).input("n", {}).output("y");
  m.node("Concat", {"x", "n"}, {"y"}).named("join").set("axis", 2);
  OnnxOptions options;
  options.dynamic_batch = true;
  EXPECT_TRUE(contains(message_of([&] { m.import(options); }, ErrorCode::kInvalidFile), "'join'"));
}

TEST(OnnxHostile, EveryOperatorWithOddInputsAndAttributes) {
  int imported = 0;
  for (const std::string& op_type : supported_onnx_operators()) {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      Random random(seed);
      const Model m = random_model(op_type, random);
      OnnxOptions options;
      options.dynamic_batch = seed % 2 == 0;
      try {
        m.import(options);
        ++imported;
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == ErrorCode::kInvalidFile ||
                    error.code() == ErrorCode::kUnsupported)
            << op_type << " seed " << seed << ": " << error.what();
        EXPECT_TRUE(contains(error.what(), "tiny.onnx"));
      }
    }
  }
  EXPECT_GT(imported, 500);  // not everything is refused at the door
}

}  // namespace
}  // namespace octile::test
#endif
