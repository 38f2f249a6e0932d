// Optimized equals unoptimized: random networks of what passes look for, and every real model.
#include <filesystem>
#include <map>
#include <numbers>

#include "compile/rewriting.h"
#ifdef OCTILE_HAVE_ONNX
#include "octile/onnx.h"
#endif

namespace octile::test {
namespace {

constexpr double kRounding = 1e-4;  // of the largest value: what some dozen float layers may differ

/// Networks of the forms that exporters write. `exact`: only forms that keep every bit.
class RandomGraph {
 public:
  RandomGraph(uint64_t seed, bool exact) : random_(seed), exact_(exact) {}

  Network make() {
    const int64_t batch = random_.integer(0, 2) == 0 ? kDynamic : random_.integer(1, 2);
    TensorId t = n_.add_input("x", DataType::kFloat32, {batch, 4, 8, 8});
    const int64_t count = random_.integer(3, 9);
    for (int64_t i = 0; i < count; ++i) {
      if (random_.integer(0, 9) == 0 && i > 0) n_.mark_output(t, "middle" + std::to_string(i));
      t = next(t);
    }
    n_.mark_output(n_.unary(t, UnaryKind::kNeg, "end"), "y");
    return std::move(n_);
  }

 private:
  int64_t channels(TensorId t) const { return n_.shape(t)[1]; }
  bool chance(int64_t one_in) { return random_.integer(1, one_in) == 1; }
  TensorId number(float value) { return n_.constant(Tensor::scalar(value)); }
  TensorId op(TensorId a, TensorId b, ElementwiseKind kind) { return n_.elementwise(a, b, kind); }
  TensorId mul(TensorId a, TensorId b) { return op(a, b, ElementwiseKind::kMul); }
  TensorId add(TensorId a, TensorId b) { return op(a, b, ElementwiseKind::kAdd); }
  TensorId act(TensorId t, ActivationKind kind, float alpha = 0, float beta = 0) {
    return n_.activation(t, kind, alpha, beta);
  }
  TensorId relu(TensorId t) { return act(t, ActivationKind::kRelu); }

  TensorId conv(TensorId t, int64_t out, int64_t kernel, int64_t pad) {
    const int64_t in = channels(t), groups = in == out && chance(3) ? in : 1;
    std::optional<Tensor> bias;
    if (chance(2)) bias = random_floats({out}, random_, 0.3f);
    const float gain = 1.5f / std::sqrt(float(in / groups * kernel * kernel));
    return n_.convolution(t, random_floats({out, in / groups, kernel, kernel}, random_, gain), bias,
                          conv_of(1, pad, groups));
  }

  TensorId next(TensorId t) {
    const bool large = n_.shape(t)[2] >= 6 && n_.shape(t)[3] >= 6;
    const int64_t kind = random_.integer(0, exact_ ? 9 : 16);
    switch (kind) {
      case 0: return transposed(t);
      case 1: return channel_shuffle(t);
      case 2: return large ? two_slices(t) : t;
      case 3: return duplicates(t);
      case 4: return reshapes(t);
      case 5: return relu(t);
      case 6: return large ? padded(t) : t;
      case 7: return quantized(t);
      case 8: return conv(t, random_.integer(2, 6), 3, 1);
      case 9: return channels(t) > 16 ? relu(t) : joined(t);
      case 10: return large ? focus(t) : t;
      case 11: return spelled_out(t);
      case 12: return batch_norm(conv(t, channels(t), 3, 1));
      case 13: return per_channel(conv(t, channels(t), 1, 0));
      case 14: return conv(per_channel(t), 4, large ? 3 : 1, chance(2) && large ? 1 : 0);
      case 15: return relu(add(conv(t, channels(t), 3, 1), t));
      default: return mul(t, n_.reduce(t, {ReduceKind::kMean, {2, 3}, true}));
    }
  }

  TensorId joined(TensorId t) {
    return n_.concatenation({t, act(t, ActivationKind::kTanh)}, chance(2) ? 1 : -3);
  }

  /// To another order of axes, through some layers, and back or to a third one.
  TensorId transposed(TensorId t) {
    const bool exact_back = n_.shape(t)[2] != n_.shape(t)[3] || chance(2);
    t = n_.transpose(t, {0, 2, 3, 1});
    const int64_t count = random_.integer(0, 2), last = n_.shape(t)[3];
    for (int64_t i = 0; i < count; ++i) {
      switch (random_.integer(0, exact_ ? 2 : 4)) {
        case 0: t = relu(t); break;
        case 1: t = n_.softmax(t, {-1}); break;
        case 2: t = act(t, ActivationKind::kSigmoid); break;
        case 3: t = add(t, n_.constant(random_floats({last}, random_))); break;
        default: t = mul(number(0.5f), t);
      }
    }
    return n_.transpose(
        t, exact_back ? std::vector<int64_t>{0, 3, 1, 2} : std::vector<int64_t>{0, 3, 2, 1});
  }

  /// The second of two groups, or both in turn, as exporters of ShuffleNet write it.
  TensorId channel_shuffle(TensorId t) {
    const Shape shape = n_.shape(t);
    if (shape[1] % 2 != 0) return t;
    const int64_t half = shape[1] / 2, h = shape[2], w = shape[3];
    if (shape[0] != 1 || chance(2)) {
      t = n_.transpose(n_.reshape(t, {0, half, 2, h, w}), {0, 2, 1, 3, 4});
      if (chance(2)) return n_.reshape(t, {0, -1, h, w});
      return n_.reshape(n_.slice(t, {{1}, {1}, {1}, {1}}), {0, half, h, w});
    }
    t = n_.transpose(n_.reshape(t, {half, 2, h * w}), {1, 0, 2});
    t = n_.reshape(t, {2, -1, half, h, w});
    const auto pick = [&](int64_t i) {
      return n_.gather(t, n_.constant(Tensor::from<int64_t>(Shape{}, std::vector{i})), 0);
    };
    return n_.concatenation({pick(0), relu(pick(1))}, 1);
  }

  TensorId two_slices(TensorId t) {
    const int64_t start = random_.integer(0, 1);
    t = n_.slice(t, {{2}, {start}, {-1}, {2}});
    return n_.slice(t, {{-1}, {chance(2) ? 1 : -3}, {2}, {1}});
  }

  TensorId duplicates(TensorId t) {
    const TensorId a = act(relu(t), ActivationKind::kTanh);
    return add(a, act(relu(t), ActivationKind::kTanh));
  }

  TensorId reshapes(TensorId t) {
    const int64_t h = n_.shape(t)[2], w = n_.shape(t)[3];
    if (chance(2)) return n_.reshape(n_.reshape(t, {0, 0, -1}), {0, 0, h, w});
    t = n_.transpose(n_.reshape(t, {0, 0, -1}), {0, 2, 1});
    return n_.reshape(n_.transpose(t, {0, 2, 1}), {0, -1, h, w});
  }

  TensorId padded(TensorId t) {
    const Padding op{PaddingKind::kConstant,
                     {0, 0, random_.integer(0, 1), 1},
                     {0, 0, random_.integer(0, 1), 0},
                     chance(4) ? 0.5f : 0.0f};
    t = n_.padding(t, op);
    switch (random_.integer(0, 2)) {
      case 0: return n_.pooling(t, pool_of(PoolingKind::kMax, 2, 1));
      case 1: return exact_ ? t : n_.pooling(t, pool_of(PoolingKind::kAverage, 3, 1));
      default: return conv(t, 4, 3, random_.integer(0, 1));
    }
  }

  TensorId quantized(TensorId t) {
    if (!exact_) return act(t, ActivationKind::kClip, -2.0f, 2.0f);
    const Quantize q{.type = DataType::kInt8,
                     .scale = {chance(2) ? 0.03125f : 0.05f},
                     .zero_point = 0,
                     .axis = -1,
                     .lo = -128,
                     .hi = 127,
                     .dynamic = false};
    t = n_.dequantize(n_.quantize(t, q), {q.scale, 0, -1, false});
    return chance(2) ? transposed(t) : t;
  }

  TensorId focus(TensorId t) {
    const Shape& shape = n_.shape(t);
    if (shape[2] % 2 != 0 || shape[3] % 2 != 0) return t;
    const bool at_once = chance(2);
    std::vector<TensorId> parts;
    for (const int64_t column : {0, 1}) {
      for (const int64_t row : {0, 1}) {
        if (at_once) {
          parts.push_back(n_.slice(t, {{2, 3}, {row, column}, {-1, -1}, {2, 2}}));
          continue;
        }
        const TensorId rows = n_.slice(t, {{2}, {row}, {-1}, {2}});
        parts.push_back(n_.slice(rows, {{3}, {column}, {-1}, {2}}));
      }
    }
    return conv(n_.concatenation(parts, 1), 4, 3, 1);
  }

  TensorId spelled_out(TensorId t) {
    switch (random_.integer(0, 3)) {
      case 0: return mul(t, act(t, ActivationKind::kSigmoid));
      case 1: {
        const TensorId gate = act(add(t, number(3)), ActivationKind::kClip, 0, 6);
        return op(mul(t, gate), number(6), ElementwiseKind::kDiv);
      }
      case 2: {
        const TensorId plus = act(t, ActivationKind::kSoftplus, 1, 1);
        return mul(t, act(plus, ActivationKind::kTanh));
      }
      default: {
        const TensorId u = op(t, number(float(std::numbers::sqrt2)), ElementwiseKind::kDiv);
        return mul(mul(t, number(0.5f)), add(n_.unary(u, UnaryKind::kErf), number(1)));
      }
    }
  }

  TensorId batch_norm(TensorId t) {
    const int64_t c = channels(t);
    return n_.batch_norm(t, random_floats({c}, random_), random_floats({c}, random_),
                         random_floats({c}, random_),
                         Tensor::floats({c}, std::vector<float>(size_t(c), 0.5f)));
  }

  TensorId per_channel(TensorId t) {
    Tensor values = random_floats({1, channels(t), 1, 1}, random_);
    for (int64_t i = 0; i < values.volume(); ++i) values.as<float>()[i] += 1.5f;
    constexpr ElementwiseKind kKinds[] = {ElementwiseKind::kAdd, ElementwiseKind::kSub,
                                          ElementwiseKind::kMul, ElementwiseKind::kDiv};
    return op(t, n_.constant(std::move(values)), kKinds[random_.integer(0, 3)]);
  }

  Network n_{"random"};
  Random random_;
  bool exact_;
};

/// Each pass alone, and all together, leave the outputs what they were.
void expect_unchanged(const Network& original, double tolerance, const std::string& what,
                      std::map<std::string, int>& places) {
  const auto inputs = inputs_for(original);
  const auto expected = interpret(original, inputs);
  for (const Pass& pass : passes()) {
    Network network = original;
    const int changed = pass.run(network);
    places[std::string(pass.name)] += changed;
    if (changed == 0) continue;
    validate(network);
    expect_same_outputs(interpret(network, inputs), expected, tolerance,
                        what + ", " + std::string(pass.name));
  }
  Network network = original;
  run_passes(network, {}, {});
  expect_same_outputs(interpret(network, inputs), expected, tolerance, what + ", all passes");
  for (const Pass& pass : passes()) {
    EXPECT_EQ(pass.run(network), 0) << what << ": " << pass.name << " is not done after all rounds";
  }
}

TEST(Optimizer, RandomNetworks) {
  const ThreadCountScope one(1);
  std::map<std::string, int> places;
  for (uint64_t seed = 1; seed <= 240; ++seed) {
    const Network network = RandomGraph(seed, false).make();
    expect_unchanged(network, kRounding, "seed " + std::to_string(seed), places);
    ASSERT_FALSE(HasFailure()) << network.to_string();
  }
  for (const char* pass : {"merge-equal", "merge-movement", "sink-transposes", "fold-padding",
                           "recognize-activations", "fold-focus", "fold-scale", "fold-bias"}) {
    EXPECT_GE(places[pass], 5) << pass << " was hardly tried";
  }
}

TEST(Optimizer, RandomNetworksBitForBit) {
  const ThreadCountScope one(1);
  std::map<std::string, int> places;
  for (uint64_t seed = 1; seed <= 240; ++seed) {
    const Network network = RandomGraph(seed, true).make();
    expect_unchanged(network, 0.0, "seed " + std::to_string(seed), places);
    ASSERT_FALSE(HasFailure()) << network.to_string();
  }
  for (const char* pass : {"merge-movement", "sink-transposes", "move-quantization"}) {
    EXPECT_GE(places[pass], 10) << pass << " was hardly tried";
  }
}

#ifdef OCTILE_HAVE_ONNX
/// Engines with all passes and with none, on the same random image. A quantized model runs its
/// convolutions in INT8 only with passes: values on the edge of a step fall either way.
void expect_same_engines(const Network& network, const std::string& what) {
  const auto inputs = inputs_for(network);
  BuildOptions all = first_tactics();
  if (!network.shape(network.inputs()[0]).is_static()) {
    const Shape shape = inputs[0].shape();
    all.profiles.push_back({{network.name(network.inputs()[0]), {shape, shape, shape}}});
  }
  BuildOptions none = all;
  for (const Pass& pass : passes()) none.disabled_passes.emplace_back(pass.name);
  const auto expected = run_plan(compiled(network, nullptr, none), inputs);
  const auto actual = run_plan(compiled(network, nullptr, all), inputs);
  expect_same_outputs(actual, expected, count<Quantize>(network) > 0 ? 0.1 : 1e-3, what);
}

/// The interpreter sees the same bits before and after the passes that a quantized model needs.
void expect_same_bits(const Network& original, const std::string& what) {
  const auto inputs = inputs_for(original);
  Network network = original;
  run_passes(network, {}, {});
  EXPECT_LT(count_layers(network), count_layers(original)) << what;
  expect_same_outputs(interpret(network, inputs), interpret(original, inputs), 0.0, what);
}

TEST(Optimizer, RealModels) {
  const std::filesystem::path folder = std::filesystem::path(OCTILE_SOURCE_DIR) / "../shared/data";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no models at " << folder;
  int models = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    const Network network = import_onnx(entry.path().string());
    const std::string name = entry.path().filename().string();
    expect_same_engines(network, name);
    if (name == "tiny_kws_dscnn_qdq.onnx") expect_same_bits(network, name);  // small
    ++models;
  }
  EXPECT_GT(models, 0) << "no .onnx file in " << folder;
}
#endif

}  // namespace
}  // namespace octile::test
