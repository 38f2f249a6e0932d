// Engines against the interpreter: float ones on the network, INT8 ones on the Q/DQ network that
// compile() lowers. Weighted layers alone agree to float rounding, int8 tensors to one step.
#include <functional>

#include "compile/harness.h"

namespace octile::test {
namespace {

/// Float engine with and without passes ≈ interpreter.
void expect_float_equal(const Network& network, const std::string& what) {
  const auto inputs = inputs_for(network);
  const auto expected = interpret(network, inputs);
  BuildOptions plain = first_tactics();
  for (const Pass& pass : passes()) plain.disabled_passes.emplace_back(pass.name);
  for (const BuildOptions& options : {first_tactics(), plain}) {
    const auto outputs = run_plan(compiled(network, nullptr, options), inputs);
    ASSERT_EQ(outputs.size(), expected.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (expected[i].type() != DataType::kFloat32) {
        EXPECT_EQ(outputs[i], expected[i]) << what;
        continue;
      }
      const double unit = std::max(1e-6, largest(expected[i])) * 1e-4;
      EXPECT_LE(distance(outputs[i], expected[i], unit).worst, 1.0)
          << what << " output " << i << (options.disabled_passes.empty() ? "" : ", unoptimized");
    }
  }
}

// --- weighted layers alone ---

struct Geometry {
  int64_t batch, in, out, height, width;
  Window window;
  int64_t groups;
  bool bias;
};

Geometry random_geometry(Random& random) {
  Geometry g;
  g.batch = random.integer(1, 3);
  g.groups = random.integer(1, 4);
  const bool depthwise = random.integer(0, 3) == 0;
  if (depthwise) g.groups = random.integer(2, 20);
  g.in = g.groups * (depthwise ? 1 : random.integer(1, 9));
  g.out = g.groups * random.integer(1, 5);
  g.window.kernel = {random.integer(1, 4), random.integer(1, 4)};
  g.window.stride = {random.integer(1, 3), random.integer(1, 3)};
  g.window.dilation = {random.integer(1, 2), random.integer(1, 2)};
  g.window.pad_before = {random.integer(0, 2), random.integer(0, 2)};
  g.window.pad_after = {random.integer(0, 2), random.integer(0, 2)};
  g.height = random.integer(7, 12);
  g.width = random.integer(7, 12);
  if (random.integer(0, 3) == 0) {
    g.window.mode = PaddingMode(random.integer(2, 3));
    g.window.pad_before = g.window.pad_after = {};
  }
  g.bias = random.integer(0, 2) != 0;
  return g;
}

Network single_conv(const Geometry& g, Random& random) {
  Network n("single");
  const TensorId x = n.add_input("x", DataType::kFloat32, {g.batch, g.in, g.height, g.width});
  const Shape weights{g.out, g.in / g.groups, g.window.kernel[0], g.window.kernel[1]};
  std::optional<Tensor> bias;
  if (g.bias) bias = random_floats({g.out}, random);
  TensorId y = n.convolution(x, random_floats(weights, random), bias, {g.window, g.groups}, "conv");
  if (random.integer(0, 1) == 0) y = n.activation(y, ActivationKind::kRelu, 0, 0, "relu");
  n.mark_output(y, "y");
  return n;
}

/// One weighted layer with a float output: only float rounding lies between engine and oracle.
void expect_weighted_equal(const Network& network, const std::string& what) {
  const auto inputs = inputs_for(network);
  const CalibrationTable table = table_for(network, inputs);
  for (const Scheme scheme : kSchemes) {
    const BuildOptions options = first_tactics(true, scheme);
    const auto plan = compiled(network, &table, options);
    EXPECT_TRUE(contains(steps_of(*plan), "Quantize")) << what;
    const auto expected = interpret(quantized(network, &table, options), inputs);
    const auto outputs = run_plan(plan, inputs);
    const double unit = std::max(1e-6, largest(expected[0])) * 1e-4;
    EXPECT_LE(distance(outputs[0], expected[0], unit).worst, 1.0)
        << what << " " << name_of(scheme) << "\n"
        << network.to_string();
    const Tensor floats = interpret(network, inputs)[0];
    EXPECT_LE(distance(outputs[0], floats, std::max(1e-6, largest(floats))).worst, 0.1)
        << what << " " << name_of(scheme) << ": far from the float network";
  }
}

TEST(Equivalence, RandomConvolutions) {
  const ThreadCountScope one(1);
  Random random(31);
  for (int round = 0; round < 150; ++round) {
    const Geometry g = random_geometry(random);
    const Network network = single_conv(g, random);
    const std::string what = "round " + std::to_string(round);
    expect_float_equal(network, what);
    expect_weighted_equal(network, what);
    ASSERT_FALSE(HasFailure());
  }
}

TEST(Equivalence, OneDimensionalConvolutions) {
  Random random(32);
  for (const int64_t groups : {1, 2, 6}) {
    Network n("1d");
    const TensorId x = n.add_input("x", DataType::kFloat32, {2, 6, 15});
    Convolution op;
    op.window.stride = {2};
    op.window.pad_before = {1};
    op.window.pad_after = {2};
    op.groups = groups;
    n.mark_output(n.convolution(x, random_floats({12, 6 / groups, 4}, random),
                                random_floats({12}, random), op, "conv"),
                  "y");
    expect_float_equal(n, "1d");
    expect_weighted_equal(n, "1d");
  }
}

TEST(Equivalence, Products) {
  Random random(33);
  for (const auto& [shape, n_out] :
       {std::pair{Shape{3, 17}, 5}, {Shape{1, 64}, 33}, {Shape{2, 3, 20}, 7}}) {
    const int64_t k = shape[shape.rank() - 1];
    for (const bool transposed : {false, true}) {
      Network n("fc");
      const TensorId x = n.add_input("x", DataType::kFloat32, shape);
      const Shape weights = transposed ? Shape{n_out, k} : Shape{k, n_out};
      const TensorId w = n.constant(random_floats(weights, random), "w");
      const TensorId product =
          n.matrix_multiply(x, w, {.transpose_a = false, .transpose_b = transposed}, "fc");
      const TensorId b = n.constant(random_floats({n_out}, random), "b");
      n.mark_output(n.activation(n.elementwise(product, b, ElementwiseKind::kAdd),
                                 ActivationKind::kClip, -0.5f, 6.0f),
                    "y");
      expect_float_equal(n, "fc");
      expect_weighted_equal(n, "fc");
    }
  }
}

TEST(Equivalence, FlattenedImagesFeedProducts) {
  Random random(34);
  Network n("flatten");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3, 8, 8});
  TensorId t = n.convolution(x, random_floats({5, 3, 3, 3}, random), std::nullopt, conv_of(2, 1));
  t = n.reshape(t, {0, -1});
  n.mark_output(n.fully_connected(t, random_floats({80, 9}, random), std::nullopt), "y");
  expect_float_equal(n, "flatten");
  const auto inputs = inputs_for(n);
  const CalibrationTable table = table_for(n, inputs);
  for (const Scheme scheme : kSchemes) {
    const BuildOptions options = first_tactics(true, scheme);
    const auto plan = compiled(n, &table, options);
    EXPECT_EQ(steps_of(*plan).find("Reorder View"), std::string::npos)
        << "flattening for a product moves no bytes: " << steps_of(*plan);
    const auto expected = interpret(quantized(n, &table, options), inputs)[0];
    EXPECT_LE(distance(run_plan(plan, inputs)[0], expected, largest(expected) / 127).worst, 1.0)
        << name_of(scheme);
  }
}

// --- what lies between two int8 convolutions ---

using Middle = std::function<TensorId(Network&, TensorId a, TensorId b)>;
struct Between {
  const char* name;
  Middle build;
  const char* step;  // that must run it in int8
};

Activation unary_of(ActivationKind kind, float alpha = 0.0f, float beta = 0.0f) {
  return {kind, alpha, beta};
}

TensorId act(Network& n, TensorId t, Activation op) {
  return n.activation(t, op.kind, op.alpha, op.beta, "middle");
}

std::vector<Between> betweens() {
  std::vector<Between> list{
      {"add",
       [](Network& n, TensorId a, TensorId b) {
         // read twice, so that neither convolution takes the add
         n.mark_output(n.pooling(a, {.kind = PoolingKind::kMax, .window = {}, .global = true}));
         n.mark_output(n.pooling(b, {.kind = PoolingKind::kMax, .window = {}, .global = true}));
         return n.elementwise(a, b, ElementwiseKind::kAdd, "middle");
       },
       "Eltwise"},
      {"mul",
       [](Network& n, TensorId a, TensorId b) {
         return n.elementwise(a, b, ElementwiseKind::kMul, "middle");
       },
       "Eltwise"},
      {"mul relu",
       [](Network& n, TensorId a, TensorId b) {
         return n.activation(n.elementwise(a, b, ElementwiseKind::kMul, "middle"),
                             ActivationKind::kRelu);
       },
       "Eltwise"},
      {"residual",
       [](Network& n, TensorId a, TensorId b) {
         return n.activation(n.elementwise(a, b, ElementwiseKind::kAdd), ActivationKind::kRelu);
       },
       "Conv"},
      {"residual clip",
       [](Network& n, TensorId a, TensorId b) {
         return n.activation(n.elementwise(b, a, ElementwiseKind::kAdd), ActivationKind::kClip,
                             -0.25f, 1.5f);
       },
       "Conv"},
      {"relu",
       [](Network& n, TensorId a, TensorId) { return n.activation(a, ActivationKind::kRelu); },
       "Conv"},
      {"relu6",
       [](Network& n, TensorId a, TensorId) {
         return n.activation(a, ActivationKind::kClip, 0.0f, 0.75f);
       },
       "Conv"},
      {"max pool",
       [](Network& n, TensorId a, TensorId) {
         return n.pooling(a, pool_of(PoolingKind::kMax, 3, 2, 1), "middle");
       },
       "Pool"},
      {"average pool",
       [](Network& n, TensorId a, TensorId) {
         return n.pooling(a, pool_of(PoolingKind::kAverage, 3, 2, 1), "middle");
       },
       "Pool"},
      {"average pool with padding",
       [](Network& n, TensorId a, TensorId) {
         Pooling op = pool_of(PoolingKind::kAverage, 2, 1, 1);
         op.count_padding = true;
         return n.pooling(a, op, "middle");
       },
       "Pool"},
      {"global average",
       [](Network& n, TensorId a, TensorId) {
         return n.pooling(a, {.kind = PoolingKind::kAverage, .window = {}, .global = true},
                          "middle");
       },
       "Pool"},
      {"mean",
       [](Network& n, TensorId a, TensorId) {
         return n.reduce(a, {ReduceKind::kMean, {2, 3}, true}, "middle");
       },
       "Pool"},
      {"concatenation",
       [](Network& n, TensorId a, TensorId b) {
         return n.concatenation({a, b, a}, 1, "middle");
       },
       "Concat"},
      {"slice",
       [](Network& n, TensorId a, TensorId) {
         return n.slice(a, {{2, 3}, {1, 0}, {3, 4}, {2, 1}}, "middle");
       },
       "Slice"},
      {"transpose",
       [](Network& n, TensorId a, TensorId) {
         return n.transpose(a, {0, 1, 3, 2}, "middle");
       },
       "Shuffle"},
      {"reshape",
       [](Network& n, TensorId a, TensorId) {
         return n.reshape(a, {0, 0, 4, 16}, "middle");
       },
       "View"},
      {"padding",
       [](Network& n, TensorId a, TensorId) {
         // of channels too, so that no convolution takes it into its window
         return n.padding(a, {PaddingKind::kConstant, {0, 1, 1, 2}, {0, 0, 2, 1}, 0.0f}, "middle");
       },
       "Padding"},
      {"nearest resize",
       [](Network& n, TensorId a, TensorId) {
         Resize op;
         op.scales = {1, 1, 2, 2};
         op.coordinates = ResizeCoordinates::kAsymmetric;
         op.rounding = ResizeRounding::kFloor;
         return n.resize(a, op, "middle");
       },
       "Resize"},
      {"gather",
       [](Network& n, TensorId a, TensorId) {
         return n.gather(a, n.constant(Tensor::int64s({5, 0, 3}), "indices"), 1, "middle");
       },
       "Gather"},
  };
  for (const Activation op :
       {unary_of(ActivationKind::kSigmoid), unary_of(ActivationKind::kTanh),
        unary_of(ActivationKind::kLeakyRelu, 0.1f), unary_of(ActivationKind::kHardSwish),
        unary_of(ActivationKind::kMish), unary_of(ActivationKind::kElu, 0.5f)}) {
    list.push_back(
        {"lookup", [op](Network& n, TensorId a, TensorId) { return act(n, a, op); }, "Lookup"});
  }
  return list;
}

/// a, b: two convolutions of x; the middle; a depthwise 1×1 convolution by 1 that shows its bytes.
Network surround(const Middle& middle) {
  Random random(35);
  Network n("between");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 4, 8, 8});
  const TensorId a = n.convolution(x, random_floats({6, 4, 3, 3}, random, 0.3f),
                                   random_floats({6}, random, 0.2f), conv_of(1, 1), "a");
  const TensorId b = n.convolution(x, random_floats({6, 4, 1, 1}, random, 0.7f),
                                   random_floats({6}, random, 0.2f), conv_of(), "b");
  const TensorId m = middle(n, a, b);
  const int64_t channels = n.shape(m)[1];
  Tensor ones(DataType::kFloat32, {channels, 1, 1, 1});
  std::fill_n(ones.as<float>(), channels, 1.0f);
  n.mark_output(n.convolution(m, ones, std::nullopt, conv_of(1, 0, channels), "shown"), "y");
  return n;
}

TEST(Equivalence, WhatLiesBetweenInt8Convolutions) {
  const ThreadCountScope one(1);
  for (const Between& between : betweens()) {
    const Network network = surround(between.build);
    expect_float_equal(network, between.name);
    const auto inputs = inputs_for(network);
    const CalibrationTable table = table_for(network, inputs);
    for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
      const BuildOptions options = first_tactics(true, scheme);
      const auto plan = compiled(network, &table, options);
      const std::string steps = steps_of(*plan);
      EXPECT_TRUE(contains(steps, between.step)) << between.name;
      for (const PlanStep& step : plan->steps) {
        if (step.name == "middle") {
          EXPECT_NE(plan->tensors[size_t(step.outputs[0])].type, DataType::kFloat32)
              << between.name << " runs in float: " << step.note;
        }
      }
      const auto expected = interpret(quantized(network, &table, options), inputs);
      const auto outputs = run_plan(plan, inputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const double range = double(largest(expected[i]));
        const Distance d = distance(outputs[i], expected[i], range / 127.0);
        // One step where a sum lies on the edge between two integers, in few elements.
        EXPECT_LE(d.worst, 2.1) << between.name << " " << name_of(scheme) << ": " << steps;
        EXPECT_LE(d.share_off, 0.03) << between.name << " " << name_of(scheme) << ": " << steps;
      }
    }
  }
}

// --- whole networks at random ---

class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed) {}

  Network make() {
    Network n("random");
    std::vector<TensorId> live{n.add_input("x", DataType::kFloat32, {2, 4, 8, 8})};
    const int64_t count = random_.integer(4, 12);
    for (int64_t i = 0; i < count; ++i) live.push_back(next(n, live));
    TensorId t = live.back();
    if (random_.integer(0, 1) == 0) {
      t = n.reduce(t, {ReduceKind::kMean, {2, 3}, false});
    } else {
      t = n.reshape(t, {0, -1});
    }
    const int64_t k = n.shape(t)[1];
    t = n.fully_connected(t, random_floats({k, 7}, random_, 1.0f / std::sqrt(float(k))),
                          random_floats({7}, random_));
    n.mark_output(t, "y");
    if (random_.integer(0, 2) == 0 && live.size() > 2) n.mark_output(live[live.size() / 2], "mid");
    return n;
  }

 private:
  TensorId conv(Network& n, TensorId x, int64_t out, int64_t kernel) {
    const int64_t in = n.shape(x)[1];
    const int64_t groups = in == out && random_.integer(0, 2) == 0 ? in : 1;
    const float gain = 1.5f / std::sqrt(float(in / groups * kernel * kernel));
    return n.convolution(x, random_floats({out, in / groups, kernel, kernel}, random_, gain),
                         random_floats({out}, random_, 0.3f), conv_of(1, kernel / 2, groups));
  }

  TensorId next(Network& n, const std::vector<TensorId>& live) {
    const TensorId x = live.back();
    const int64_t channels = n.shape(x)[1];
    const bool large = n.shape(x)[2] >= 4;
    switch (random_.integer(0, 13)) {
      case 0:
      case 1: return conv(n, x, random_.integer(2, 9), 3);
      case 2: return n.activation(conv(n, x, channels, 1), ActivationKind::kRelu);
      case 3: {  // residual block
        const TensorId y =
            conv(n, n.activation(conv(n, x, channels, 3), ActivationKind::kRelu), channels, 3);
        return n.activation(n.elementwise(y, x, ElementwiseKind::kAdd), ActivationKind::kRelu);
      }
      case 4: {
        const TensorId y = conv(n, x, channels, 1);
        return n.batch_norm(y, random_floats({channels}, random_),
                            random_floats({channels}, random_), random_floats({channels}, random_),
                            Tensor::floats({channels}, std::vector<float>(size_t(channels), 0.5f)));
      }
      case 5: return n.activation(x, ActivationKind::kLeakyRelu, 0.1f);
      case 6: return n.activation(conv(n, x, channels, 3), ActivationKind::kSigmoid);
      case 7: return large ? n.pooling(x, pool_of(PoolingKind::kMax, 2, 2)) : x2(n, x);
      case 8: return large ? n.pooling(x, pool_of(PoolingKind::kAverage, 3, 2, 1)) : x2(n, x);
      case 9: {
        const TensorId a = conv(n, x, 3, 1), b = conv(n, x, 4, 3);
        return n.concatenation({a, b, x}, 1);
      }
      case 10: return n.elementwise(x, conv(n, x, channels, 1), ElementwiseKind::kMul);
      case 11: {
        const TensorId c = n.constant(random_floats({1, channels, 1, 1}, random_));
        return n.elementwise(
            x, c, random_.integer(0, 1) == 0 ? ElementwiseKind::kAdd : ElementwiseKind::kSub);
      }
      case 12: return channels > 2 ? n.slice(x, {{1}, {1}, {channels - 1}, {1}}) : x2(n, x);
      default: return n.transpose(x, {0, 1, 3, 2});
    }
  }

  TensorId x2(Network& n, TensorId x) {
    Resize op;
    op.scales = {1, 1, 2, 2};
    return n.resize(x, op);
  }

  Random random_;
};

TEST(Equivalence, RandomNetworks) {
  const ThreadCountScope one(1);
  int int8_steps = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const Network network = RandomNetwork(seed).make();
    const std::string what = "seed " + std::to_string(seed);
    expect_float_equal(network, what);
    const auto inputs = inputs_for(network);
    const CalibrationTable table = table_for(network, inputs);
    for (const Scheme scheme : kSchemes) {
      const BuildOptions options = first_tactics(true, scheme);
      const auto plan = compiled(network, &table, options);
      for (const PlanStep& s : plan->steps) {
        int8_steps += plan->tensors[size_t(s.inputs[0])].type != DataType::kFloat32 ? 1 : 0;
      }
      const auto expected = interpret(quantized(network, &table, options), inputs);
      const auto outputs = run_plan(plan, inputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        // Elements on the edge of a step fall either way and go through the layers after them.
        const double range = std::max(1e-6, largest(expected[i]));
        const Distance d = distance(outputs[i], expected[i], range / 127.0);
        EXPECT_LE(d.worst, 4.0) << what << " " << name_of(scheme) << " output " << i << "\n"
                                << steps_of(*plan) << "\n"
                                << network.to_string();
      }
      // A network that comes with its Q/DQ layers, as an importer gives it, means the same.
      const Network own = quantized(network, &table, options);
      const auto imported = compiled(own, nullptr, first_tactics());
      const auto again = run_plan(imported, inputs);
      for (size_t i = 0; i < again.size(); ++i) {
        const double range = std::max(1e-6, largest(expected[i]));
        EXPECT_LE(distance(again[i], expected[i], range / 127.0).worst, 4.0)
            << what << " " << name_of(scheme) << " with its own Q/DQ, output " << i << "\n"
            << steps_of(*imported) << "\n"
            << own.to_string();
      }
    }
    ASSERT_FALSE(HasFailure()) << what;
  }
  EXPECT_GT(int8_steps, 500);
}

TEST(Equivalence, Deconvolutions) {
  Random random(36);
  for (const int64_t groups : {1, 2}) {
    Network n("deconv");
    const TensorId x = n.add_input("x", DataType::kFloat32, {2, 4, 5, 6});
    Deconvolution op;
    op.window.stride = {2, 2};
    op.window.pad_before = {1, 0};
    op.window.pad_after = {0, 1};
    op.groups = groups;
    const TensorId y = n.deconvolution(x, random_floats({4, 6 / groups, 3, 3}, random),
                                       random_floats({6}, random), op);
    n.mark_output(n.activation(y, ActivationKind::kRelu), "y");
    expect_float_equal(n, "deconvolution");
  }
}

// Integer tensors that no Quantize layer with the same grid made: inputs of the model, and a
// Dequantize that says another scale than the Quantize before it.
TEST(Equivalence, DequantizedInputsAndOtherGrids) {
  const std::vector<uint8_t> bytes{0, 7, 128, 255};
  const Tensor q = Tensor::from<uint8_t>(Shape{1, 4}, bytes);
  const Dequantize one{.scale = {0.5f}, .zero_point = 3}, other{.scale = {2.0f}, .zero_point = 128};
  for (const bool both : {false, true}) {
    Network network("input");
    const TensorId x = network.add_input("q", DataType::kUInt8, {1, 4});
    network.mark_output(network.dequantize(x, one));
    if (both) network.mark_output(network.dequantize(x, other));
    const auto expected = interpret(network, {q});
    const auto got = run_plan(compiled(network, nullptr, first_tactics()), {q});
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(got[i], expected[i]);
  }
  Network network("grids");
  const TensorId x = network.add_input("x", DataType::kFloat32, {1, 4});
  const Quantize quantize{
      .type = DataType::kUInt8, .scale = {0.25f}, .zero_point = 9, .lo = 0, .hi = 255};
  network.mark_output(network.dequantize(network.quantize(x, quantize), one));
  const std::vector<Tensor> inputs{Tensor::floats({1, 4}, {-1, 0, 0.3f, 8})};
  EXPECT_EQ(run_plan(compiled(network, nullptr, first_tactics()), inputs)[0],
            interpret(network, inputs)[0]);
}

TEST(Equivalence, FloatLayersOfAllSorts) {
  Random random(37);
  Network n("sorts");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 6, 8});
  const TensorId y = n.add_input("y", DataType::kFloat32, {2, 8, 6});
  const TensorId product = n.matrix_multiply(x, y);
  n.mark_output(n.softmax(product, {-1}), "softmax");
  const LayerId top = n.top_k(product, {.k = 2, .axis = 2, .largest = true});
  n.mark_output(n.output(top, 0), "values");
  n.mark_output(n.output(top, 1), "indices");
  const TensorId scaled =
      n.elementwise(x, n.constant(random_floats({6, 1}, random)), ElementwiseKind::kMax);
  n.mark_output(n.reduce(scaled, {ReduceKind::kSum, {1}, false}), "sum");
  const TensorId greater = n.elementwise(x, scaled, ElementwiseKind::kLess);
  n.mark_output(n.select(greater, x, n.unary(x, UnaryKind::kExp)), "select");
  n.mark_output(n.cast(x, DataType::kInt32), "cast");
  n.mark_output(n.shuffle(x, {{0, 2, 1}, true, {0, 4, 12}, true, {1, 0, 2}}), "shuffle");
  expect_float_equal(n, "sorts");
}

}  // namespace
}  // namespace octile::test
