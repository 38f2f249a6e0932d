// Engines of compiled networks: batches, threads, every level's bits, networks of unusual form.
#include "runtime/networks.h"

#include <array>
#include <thread>

#include "base/cpu.h"

namespace octile::test {
namespace {

Tensor images(int64_t batch, uint64_t seed = 5) {
  Random random(seed);
  return random_floats({batch, 3, 12, 12}, random, 3.0f);
}

/// Convolutions, pooling and a residual add: no float step behind the first quantization.
Network all_int8() {
  Random random(9);
  Network n("all int8");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 3, 12, 12});
  Convolution conv, depthwise;
  conv.window.pad_before = conv.window.pad_after = {1, 1};
  depthwise = conv;
  depthwise.groups = 24;
  const TensorId a = n.activation(n.convolution(x, random_floats({24, 3, 3, 3}, random, 0.3f),
                                                random_floats({24}, random), conv, "stem"),
                                  ActivationKind::kRelu);
  const TensorId b = n.convolution(a, random_floats({24, 1, 3, 3}, random, 0.5f), std::nullopt,
                                   depthwise, "depthwise");
  const TensorId c = n.convolution(b, random_floats({24, 24, 1, 1}, random, 0.2f),
                                   random_floats({24}, random), {}, "pointwise");
  TensorId t = n.activation(n.elementwise(c, a, ElementwiseKind::kAdd), ActivationKind::kRelu);
  Pooling pool;
  pool.window.kernel = pool.window.stride = {2, 2};
  t = n.pooling(t, pool);
  t = n.pooling(t, {.kind = PoolingKind::kAverage, .window = {}, .global = true});
  t = n.fully_connected(n.reshape(t, {0, 24}), random_floats({24, 10}, random), std::nullopt, "fc");
  n.mark_output(t, "y");
  return n;
}

TEST(CompiledNetworks, EveryBatchGivesItsSamplesResults) {
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kDynamicAffine}) {
    const Engine engine =
        Engine::load(plan_of(small_cnn(), {.scheme = scheme, .isa = Isa::kPortable}));
    ExecutionContext context = engine.create_context();
    const Tensor x = images(4);
    std::vector<float> single;
    for (int64_t i = 0; i < 4; ++i) {
      Tensor one(DataType::kFloat32, {1, 3, 12, 12});
      std::memcpy(one.data(), x.as<float>() + i * 432, one.bytes());
      const Tensor y = context.run({one})[0];
      single.insert(single.end(), y.as<float>(), y.as<float>() + 10);
    }
    EXPECT_EQ(list<float>(context.run({x})[0]), single) << name_of(scheme);
  }
}

/// The plan built for the strongest level, run on each level: the same bits.
TEST(CompiledNetworks, EveryLevelGivesTheSameBits) {
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
    const Plan plan = plan_of(all_int8(), {.scheme = scheme});
    for (const LayerInfo& layer : plan.layers()) {
      if (layer.step == "Quantize" || layer.step == "Reorder") continue;
      EXPECT_EQ(layer.precision.rfind("int8", 0), 0u) << layer.name << " is " << layer.precision;
    }
    const Engine best = Engine::load(plan);
    ExecutionContext context = best.create_context();
    const Tensor expected = context.run({images(3)})[0];
    for (const Isa isa : isas_upto(default_isa())) {
      std::string warnings;
      const auto log = [&](LogLevel level, std::string_view text) {
        if (level == LogLevel::kWarning) warnings += text;
      };
      const Engine engine = Engine::load(plan, {.isa = isa, .log = log});
      EXPECT_EQ(engine.isa(), name_of(isa));
      EXPECT_EQ(warnings.empty(), engine.tactics() == best.tactics()) << name_of(isa);
      if (isa == Isa::kPortable && default_isa() != isa) {
        EXPECT_TRUE(contains(warnings, "this machine uses portable"));
      }
      ExecutionContext lesser = engine.create_context();
      EXPECT_EQ(lesser.run({images(3)})[0], expected) << name_of(isa) << " " << name_of(scheme);
    }
  }
}

TEST(CompiledNetworks, ThreadCountDoesNotMatter) {
  const Plan plan = plan_of(all_int8());
  const Engine one = Engine::load(plan, {.threads = 1}), three = Engine::load(plan, {.threads = 3});
  ExecutionContext a = one.create_context(), b = three.create_context();
  EXPECT_EQ(a.run({images(4)}), b.run({images(4)}));
}

TEST(CompiledNetworks, ManyContextsInManyThreadsAgree) {
  for (const Scheme scheme : {Scheme::kStaticAffine, Scheme::kDynamicSymmetric}) {
    const Engine engine = Engine::load(plan_of(small_cnn(), {.scheme = scheme}), {.threads = 1});
    std::vector<Tensor> inputs, expected;
    ExecutionContext alone = engine.create_context();
    for (int64_t i = 0; i < 4; ++i) {
      inputs.push_back(images(i + 1, uint64_t(i)));
      expected.push_back(alone.run({inputs.back()})[0]);
    }
    std::array<int, 4> wrong{};
    std::vector<std::thread> threads;
    for (size_t k = 0; k < 4; ++k) {
      threads.emplace_back([&, k] {
        ExecutionContext context = engine.create_context();
        for (size_t round = 0; round < 12; ++round) {
          const size_t i = (round + k) % 4;
          wrong[k] += context.run({inputs[i]})[0] == expected[i] ? 0 : 1;
        }
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(wrong, (std::array<int, 4>{})) << name_of(scheme);
  }
}

TEST(CompiledNetworks, ProfilesAgree) {
  const Engine engine = Engine::load(plan_of(small_cnn(), {.profiles = {{1, 2}, {3, 8}}}));
  ExecutionContext small = engine.create_context(0), large = engine.create_context(1);
  EXPECT_TRUE(contains(message_of([&] {
                         small.set_input_shape("x", {3, 3, 12, 12});
                       }),
                       "profile 0"));
  EXPECT_TRUE(contains(message_of([&] {
                         large.set_input_shape("x", {2, 3, 12, 12});
                       }),
                       "profile 1"));
  const Tensor four = images(4);
  Tensor two(DataType::kFloat32, {2, 3, 12, 12});
  std::memcpy(two.data(), four.data(), two.bytes());
  const Tensor a = small.run({two})[0], b = large.run({four})[0];
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.bytes()), 0);
}

TEST(CompiledNetworks, AnOutputThatIsAnInput) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3});
  n.mark_output(n.identity(x), "same");
  n.mark_output(n.activation(x, ActivationKind::kRelu), "relu");
  const Engine engine = Engine::load(plan_of(n, {.int8 = false, .profiles = {}}));
  const Tensor value = Tensor::floats({2, 3}, {-1, 2, -3, 4, -5, 6});
  ExecutionContext context = engine.create_context();
  const auto y = context.run({value});
  EXPECT_EQ(y[0], value);
  EXPECT_EQ(list<float>(y[1]), (std::vector<float>{0, 2, 0, 4, 0, 6}));
}

TEST(CompiledNetworks, ViewsOfInputsReadThemInPlace) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 2, 3});
  n.mark_output(n.unary(n.reshape(x, {0, 6}), UnaryKind::kNeg), "neg");
  n.mark_output(n.reshape(x, {0, 3, 2}), "view");
  const Engine engine = Engine::load(plan_of(n, {.int8 = false}));
  ExecutionContext context = engine.create_context();
  const auto y = context.run({Tensor::floats({1, 2, 3}, {1, 2, 3, 4, 5, 6})});
  EXPECT_EQ(list<float>(y[0]), (std::vector<float>{-1, -2, -3, -4, -5, -6}));
  EXPECT_EQ(list<float>(y[1]), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(y[1].shape(), (Shape{1, 3, 2}));
}

TEST(CompiledNetworks, ConstantOutputs) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2});
  const TensorId c = n.constant(Tensor::floats({2}, {3, -4}), "c");
  n.mark_output(n.elementwise(x, c, ElementwiseKind::kMul), "product");
  n.mark_output(n.unary(c, UnaryKind::kAbs), "computed");
  n.mark_output(c, "constant");
  const Engine engine = Engine::load(plan_of(n, {.int8 = false, .profiles = {}}));
  ExecutionContext context = engine.create_context();
  const auto y = context.run({Tensor::floats({2}, {5, 6})});
  EXPECT_EQ(list<float>(y[0]), (std::vector<float>{15, -24}));
  EXPECT_EQ(list<float>(y[1]), (std::vector<float>{3, 4}));
  EXPECT_EQ(list<float>(y[2]), (std::vector<float>{3, -4}));
}

/// An output that other layers read too, and outputs that hold the same values.
TEST(CompiledNetworks, OutputsThatAreReadOn) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {4});
  const TensorId a = n.activation(x, ActivationKind::kRelu);
  n.mark_output(a, "relu");
  n.mark_output(n.identity(a), "again");
  n.mark_output(n.identity(a), "third");
  n.mark_output(n.activation(a, ActivationKind::kClip, 0, 1), "clipped");
  const Engine engine = Engine::load(plan_of(n, {.int8 = false, .profiles = {}}));
  ExecutionContext context = engine.create_context();
  const auto y = context.run({Tensor::floats({4}, {-1, 0.5f, 2, 3})});
  const std::vector<float> relu{0, 0.5f, 2, 3};
  EXPECT_EQ(list<float>(y[0]), relu);
  EXPECT_EQ(list<float>(y[1]), relu);
  EXPECT_EQ(list<float>(y[2]), relu);
  EXPECT_EQ(list<float>(y[3]), (std::vector<float>{0, 0.5f, 1, 1}));
  EXPECT_EQ(engine.bindings()[3].name, "third");
}

/// Operands whose batches differ although they are equal at max.
TEST(CompiledNetworks, OperandsBroadcastWhateverTheBatch) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 2});
  const TensorId y = n.add_input("y", DataType::kFloat32, {kDynamic, 2});
  const TensorId sum = n.elementwise(n.unary(x, UnaryKind::kNeg), n.unary(y, UnaryKind::kNeg),
                                     ElementwiseKind::kAdd);
  n.mark_output(n.unary(sum, UnaryKind::kNeg), "sum");
  const Engine engine = Engine::load(plan_of(n, {.int8 = false, .profiles = {{1, 2}}}));
  ExecutionContext context = engine.create_context();
  const Tensor one = Tensor::floats({1, 2}, {1, 2}), two = Tensor::floats({2, 2}, {10, 20, 30, 40});
  EXPECT_EQ(list<float>(context.run({one, two})[0]), (std::vector<float>{11, 22, 31, 42}));
  EXPECT_EQ(list<float>(context.run({two, one})[0]), (std::vector<float>{11, 22, 31, 42}));
  EXPECT_EQ(list<float>(context.run({one, one})[0]), (std::vector<float>{2, 4}));
}

}  // namespace
}  // namespace octile::test
