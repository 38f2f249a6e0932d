// Plans with float16 between their steps: where it begins and ends, what was asked of layers, and
// that a CPU runs them, as near to float32 as eleven bits allow.
#include "compile/store_half.h"

#include "base/half.h"
#include "compile/harness.h"

namespace octile::test {
namespace {

TensorId rounding_conv(Network& n, TensorId x, int64_t in, int64_t out, int64_t kernel,
                       Random& random, const std::string& name) {
  return n.convolution(x, random_floats({out, in, kernel, kernel}, random, 0.3f),
                       random_floats({out}, random), conv_of(1, kernel / 2), name);
}

/// Two residual blocks, a pooling, a product, Softmax; "features" is read and put out.
Network residual_network() {
  Random random(7);
  Network n("residual");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3, 16, 16});
  const auto relu = [&](TensorId t, const std::string& name) {
    return n.activation(t, ActivationKind::kRelu, 0, 0, name);
  };
  TensorId t = relu(rounding_conv(n, x, 3, 16, 3, random, "stem"), "stem.relu");
  for (const std::string block : {"a", "b"}) {
    const TensorId inner =
        relu(rounding_conv(n, t, 16, 16, 3, random, block + "1"), block + "1.relu");
    const TensorId sum = n.elementwise(rounding_conv(n, inner, 16, 16, 3, random, block + "2"), t,
                                       ElementwiseKind::kAdd, block + ".sum");
    t = relu(sum, block + ".relu");
  }
  n.mark_output(t, "features");
  Pooling whole{.kind = PoolingKind::kAverage, .global = true};
  const TensorId pooled = n.pooling(t, whole, "pool");
  const TensorId flat = n.reshape(pooled, {0, -1}, "flatten");
  const TensorId logits = n.fully_connected(flat, random_floats({16, 10}, random, 0.2f),
                                            random_floats({10}, random), "fc");
  n.mark_output(n.softmax(logits, {1}, "softmax"), "y");
  return n;
}

std::shared_ptr<const PlanData> in_half(const Network& network, const CalibrationTable* table,
                                        BuildOptions options) {
  options.fp16 = true;
  return compile(network, table, CompileOptions{.build = options, .half_on_cpu = true});
}

/// "Conv float16", "Reorder float32 -> float16" … by step.
std::vector<std::string> precisions_of(const std::shared_ptr<const PlanData>& plan) {
  std::vector<std::string> result;
  for (const LayerInfo& layer : Plan(plan).layers()) {
    result.push_back(layer.step + " " + layer.precision);
  }
  return result;
}
int64_t count_of(const std::shared_ptr<const PlanData>& plan, const std::string& what) {
  const auto all = precisions_of(plan);
  return std::count(all.begin(), all.end(), what);
}

TEST(StoreHalf, ProductsAndWhatFollowsAreFloat16AndEndsAreNot) {
  const Network network = residual_network();
  const auto plan = in_half(network, nullptr, first_tactics());
  validate(*plan, "plan");
  EXPECT_EQ(count_of(plan, "Conv float16"), 6);
  EXPECT_EQ(count_of(plan, "Conv float32"), 0);
  EXPECT_EQ(count_of(plan, "Pool float16"), 1);
  EXPECT_EQ(count_of(plan, "Softmax float16"), 1);
  for (const Blob& blob : plan->blobs) {  // weights that float16 holds, and no others beside them
    ASSERT_EQ(blob.type, DataType::kFloat32);
    for (int64_t i = 0; i < blob.shape.volume(); ++i) {
      const float w = blob.as<float>()[i];
      ASSERT_EQ(half_to_float(float_to_half(w)), w);
    }
  }
  // One change of type where data come in, with that of the layout, and one for each output.
  EXPECT_EQ(count_of(plan, "Reorder float32 -> float16"), 1);
  EXPECT_EQ(count_of(plan, "Reorder float16 -> float32"), 2);
  for (const auto* ends : {&plan->inputs, &plan->outputs}) {
    for (const int32_t t : *ends) {
      EXPECT_EQ(plan->tensors[size_t(t)].type, DataType::kFloat32);
    }
  }
}

TEST(StoreHalf, PlansSayThatOlderReadersCannotRunThem) {
  const Network network = residual_network();
  const auto version = [](const std::shared_ptr<const PlanData>& plan) {
    return int(Plan(plan).serialize()[8]);  // docs/plan_format.md
  };
  EXPECT_EQ(version(compiled(network, nullptr, first_tactics())), 1);
  EXPECT_EQ(version(in_half(network, nullptr, first_tactics())), 2);
}

TEST(StoreHalf, TheCpuRunsItCloseToFloat32) {
  const Network network = residual_network();
  const auto inputs = inputs_for(network);
  const auto expected = run_plan(compiled(network, nullptr, first_tactics()), inputs);
  const auto plan = in_half(network, nullptr, first_tactics());
  const auto outputs = run_plan(plan, inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_GT(sqnr(expected[i], outputs[i]), 50.0) << i;
    EXPECT_FALSE(expected[i] == outputs[i]) << "nothing was rounded";
  }
  const Engine again = Engine::load(Plan::parse(Plan(plan).serialize()));
  ExecutionContext context = again.create_context();
  EXPECT_EQ(context.run(inputs)[0], outputs[0]);
}

TEST(StoreHalf, LayersThatWereAskedToStayFloat32AndTheOtherWay) {
  const Network network = residual_network();
  BuildOptions options = first_tactics();
  options.layer_precision["a1"] = Precision::kFloat32;
  auto plan = in_half(network, nullptr, options);
  validate(*plan, "plan");
  EXPECT_EQ(count_of(plan, "Conv float32"), 1);
  EXPECT_EQ(count_of(plan, "Conv float16"), 5);

  Network small("small");
  const TensorId x = small.add_input("x", DataType::kFloat32, {2, 8});
  TensorId t = small.activation(x, ActivationKind::kTanh, 0, 0, "tanh");
  t = small.activation(t, ActivationKind::kSigmoid, 0, 0, "sigmoid");
  small.mark_output(t, "y");
  EXPECT_EQ(count_of(in_half(small, nullptr, first_tactics()), "Activation float16"), 0);
  options = first_tactics();
  options.layer_precision["sigmoid"] = Precision::kFloat16;
  plan = in_half(small, nullptr, options);
  EXPECT_EQ(precisions_of(plan),
            (std::vector<std::string>{"Activation float32", "Reorder float32 -> float16",
                                      "Activation float16", "Reorder float16 -> float32"}));
  small.set_precision(*small.find_layer("tanh"), Precision::kFloat16);
  EXPECT_EQ(count_of(in_half(small, nullptr, options), "Activation float16"), 2);
}

TEST(StoreHalf, Int8StepsReadAndWriteIt) {
  const Network network = residual_network();
  const auto inputs = inputs_for(network);
  const CalibrationTable table = table_for(network, inputs);
  BuildOptions options = first_tactics(true);
  options.layer_precision["a2"] = Precision::kFloat32;
  options.layer_precision["b1"] = Precision::kFloat16;
  const auto plan = in_half(network, &table, options);
  validate(*plan, "plan");
  EXPECT_EQ(count_of(plan, "Conv float16"), 1);
  EXPECT_EQ(count_of(plan, "Conv float32"), 1);
  int64_t written = 0, read = 0;
  for (const std::string& text : precisions_of(plan)) {
    written += text.ends_with("int8 -> float16") ? 1 : 0;
    read += text == "Quantize float16 -> int8" ? 1 : 0;
  }
  EXPECT_GE(written, 1);
  EXPECT_GE(read, 1);
  BuildOptions floats = options;
  floats.layer_precision["b1"] = Precision::kFloat32;
  const auto expected = run_plan(compiled(network, &table, floats), inputs);
  const auto outputs = run_plan(plan, inputs);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_GT(sqnr(expected[i], outputs[i]), 30.0) << i;
}

TEST(StoreHalf, ConstantsAreRoundedOnceAndOddStepsKeepFloat32) {
  Random random(3);
  Network n("odd");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 4, 6, 6});
  const TensorId a = rounding_conv(n, x, 4, 4, 3, random, "a");
  const TensorId offset = n.constant(random_floats({1, 4, 1, 1}, random), "offset");
  const TensorId moved = n.elementwise(a, offset, ElementwiseKind::kMax, "moved");
  const TensorId sums = n.output(n.add(CumulativeSum{.axis = 2}, {moved}, "sums"));
  n.mark_output(n.elementwise(sums, moved, ElementwiseKind::kMul, "last"), "y");
  const auto plan = in_half(n, nullptr, first_tactics());
  validate(*plan, "plan");
  EXPECT_EQ(count_of(plan, "CumulativeSum float32"), 1);
  EXPECT_EQ(count_of(plan, "Eltwise float16"), 2);
  const auto inputs = inputs_for(n);
  const auto expected = run_plan(compiled(n, nullptr, first_tactics()), inputs);
  EXPECT_GT(sqnr(expected[0], run_plan(plan, inputs)[0]), 50.0);
}

TEST(StoreHalf, IsTheGpusAndIsAskedFor) {
  const Network network = residual_network();
  BuildOptions options = first_tactics();
  options.fp16 = true;
  int told = 0;
  options.log = [&](LogLevel level, std::string_view text) {
    told += level == LogLevel::kWarning && text.find("float16") != text.npos ? 1 : 0;
  };
  EXPECT_EQ(count_of(compiled(network, nullptr, options), "Conv float32"), 6);
  EXPECT_EQ(told, 1);
  options.fp16 = false;
  options.layer_precision["fc"] = Precision::kFloat16;
  const std::string text = message_of([&] { (void)compiled(network, nullptr, options); });
  EXPECT_NE(text.find("--fp16"), std::string::npos) << text;
}

}  // namespace
}  // namespace octile::test
