// Lowering judged on real models, layer by layer: every tensor of an INT8 engine against the
// interpreter on the Q/DQ network that compile() lowers, each layer fed with the engine's own
// inputs, so that a value that falls to the other side of an edge cannot grow on its way.
#ifdef OCTILE_HAVE_ONNX
#include <filesystem>
#include <map>

#include "compile/harness.h"
#include "octile/data.h"
#include "octile/onnx.h"
#include "ops/ops.h"
#include "plan/keep_tensors.h"
#include "report/tapped_engine.h"

namespace octile::test {
namespace {

struct Judged {
  int int8 = 0, floats = 0;
};

/// Runs the oracle; a tensor that the engine has is compared and then replaced by the engine's.
class Judge {
 public:
  Judge(const Network& oracle, const TappedEngine& engine, const PlanData& plan)
      : oracle_(oracle), engine_(engine), plan_(plan), values_(size_t(oracle.tensor_count())) {
    for (const Tap& tap : engine.taps()) {
      taps_[tap.int8 ? tap.name + ".dequantize_output" : tap.name] = &tap;
    }
  }

  Judged run(const Tensor& input) {
    values_[size_t(oracle_.inputs()[0].index)] = input;
    for (const LayerId layer : oracle_.layers()) {
      if (std::holds_alternative<Constant>(oracle_.op(layer))) continue;
      std::vector<TensorView> inputs;
      for (const TensorId id : oracle_.inputs(layer)) inputs.push_back(value(id).view());
      std::vector<Tensor> results = evaluate(oracle_.op(layer), inputs);
      for (size_t i = 0; i < results.size(); ++i) {
        keep(oracle_.output(layer, int(i)), std::move(results[i]));
      }
    }
    return judged_;
  }

 private:
  const Tensor& value(TensorId id) const {
    const Tensor* constant = oracle_.constant_value(id);
    return constant != nullptr ? *constant : values_[size_t(id.index)];
  }

  void keep(TensorId id, Tensor value) {
    const auto found = taps_.find(oracle_.name(id));
    if (found != taps_.end()) {
      const Tap& tap = *found->second;
      Tensor theirs = engine_.values(tap);
      ASSERT_EQ(theirs.shape(), value.shape()) << tap.name;
      if (tap.int8) {
        const Distance d = distance(theirs, value, plan_.tensors[size_t(tap.tensor)].scale);
        EXPECT_LE(d.worst, 1.02) << tap.name;
        EXPECT_LE(d.share_off, 0.005) << tap.name;  // biases are integers of their own
      } else {
        // Half an integer of a rounded bias, and float sums in another order.
        EXPECT_LE(distance(theirs, value, std::max(1e-6, largest(value))).worst, 1e-3) << tap.name;
      }
      ++(tap.int8 ? judged_.int8 : judged_.floats);
      value = std::move(theirs);
    }
    values_[size_t(id.index)] = std::move(value);
  }

  const Network& oracle_;
  const TappedEngine& engine_;
  const PlanData& plan_;
  std::vector<Tensor> values_;
  std::map<std::string, const Tap*> taps_;
  Judged judged_;
};

/// Builds in every scheme from the first sample's ranges and judges all samples.
void judge(const Network& network, const std::vector<Tensor>& samples, int least_int8) {
  const ThreadCountScope one(1);
  const Shape shape = samples[0].shape();
  const CalibrationTable table = table_for(network, {samples[0]});
  for (const Scheme scheme : kSchemes) {
    BuildOptions options = first_tactics(true, scheme);
    options.profiles = {{{network.name(network.inputs()[0]), {shape, shape, shape}}}};
    const auto plan = compiled(network, &table, options);
    const Network oracle = quantized(network, &table, options);
    TappedEngine engine(keeping_tensors(*plan, 0, {shape}), 1);
    for (const Tensor& sample : samples) {
      engine.run({sample});
      const Judged judged = Judge(oracle, engine, *plan).run(sample);
      EXPECT_GE(is_dynamic(scheme) ? judged.floats : judged.int8, least_int8) << name_of(scheme);
      ASSERT_FALSE(testing::Test::HasFailure()) << name_of(scheme);
    }
  }
}

std::filesystem::path data() { return std::filesystem::path(OCTILE_SOURCE_DIR) / "../shared/data"; }

TEST(Lowering, ResNet20OnPictures) {
  const std::string model = (data() / "cifar10-resnet/cifar10_resnet20.onnx").string();
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no model at " << model;
  DataOptions options;
  options.samples = 2;
  options.preprocess =
      Preprocess::parse("scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225");
  options.input_shapes["input"] = {kDynamic, 3, 32, 32};
  const auto source = open_data((data() / "cifar10-resnet/cifar10_test600.bin").string(), options);
  std::vector<Tensor> samples;
  while (auto batch = source->next()) samples.push_back(batch->begin()->second);
  ASSERT_EQ(samples.size(), 2u);
  judge(import_onnx(model), samples, 25);
}

TEST(Lowering, DepthwiseKeywordsOnNoise) {
  const std::string model = (data() / "mlperf-tiny-kws/tiny_kws_dscnn_fp32.onnx").string();
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no model at " << model;
  const Network network = import_onnx(model);
  Shape shape = network.shape(network.inputs()[0]);
  shape[0] = 1;
  Random random(9);
  judge(network, {random_floats(shape, random), random_floats(shape, random)}, 9);
}

/// A detection head: its channels go to the end, which moves nothing but is another order.
TEST(Lowering, TransposedHead) {
  Random random(12);
  Network n("head");
  TensorId t = n.add_input("x", DataType::kFloat32, {1, 3, 6, 6});
  t = n.convolution(t, random_floats({5, 3, 3, 3}, random), std::nullopt, conv_of(1, 1), "conv");
  t = n.transpose(t, {0, 2, 3, 1}, "turned");
  t = n.activation(t, ActivationKind::kSigmoid, 0, 0, "sigmoid");
  n.mark_output(n.activation(t, ActivationKind::kTanh, 0, 0, "tanh"), "y");
  judge(n, {random_floats({1, 3, 6, 6}, random)}, 1);
}

}  // namespace
}  // namespace octile::test
#endif  // OCTILE_HAVE_ONNX
