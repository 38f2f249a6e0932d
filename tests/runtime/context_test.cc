// ExecutionContext: shapes, binding, outputs, errors; results against steps run one by one.
#include <thread>

#include "runtime/run_steps.h"

namespace octile::test {
namespace {

Tensor ramp(const Shape& shape, float first = -2.0f) {
  Tensor t(DataType::kFloat32, shape);
  for (int64_t i = 0; i < t.volume(); ++i) t.as<float>()[i] = first + 0.75f * float(i);
  return t;
}

TEST(Context, RunsEveryKindOfStep) {
  const Plan plan = portable_plan(every_step_plan());
  const Engine engine = Engine::load(plan);
  ExecutionContext context = engine.create_context();
  Random random(3);
  for (int64_t n : {2, 1, 3, 2}) {
    const Tensor x = random_floats({n, 4, 6, 6}, random, 40.0f);
    const auto expected = run_steps(plan.data(), {x});
    const auto actual = context.run({x});
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) EXPECT_EQ(actual[i], expected[i]) << n << ", " << i;
  }
}

TEST(Context, ShapesOutsideTheProfileAreRefused) {
  const Engine engine = Engine::load(portable_plan(small_plan()));
  ExecutionContext context = engine.create_context();
  const std::string message = message_of([&] { context.set_input_shape("x", {4, 4}); });
  for (const char* part : {"'x'", "(4, 4)", "profile 0", "(1, 4)", "(3, 4)"}) {
    EXPECT_TRUE(contains(message, part));
  }
  message_of([&] { context.set_input_shape("x", {0, 4}); });
  message_of([&] { context.set_input_shape("x", {2, 5}); });
  message_of([&] { context.set_input_shape("x", {2}); });
  message_of([&] { context.set_input("x", Tensor(kF32, {4, 4})); });
  message_of([&] { context.run({Tensor(kF32, {4, 4})}); });
  EXPECT_TRUE(contains(message_of([&] { context.set_input_shape("z", {1, 4}); }), "no input 'z'"));
}

TEST(Context, WhatIsMissingIsNamed) {
  const Engine engine = Engine::load(portable_plan(small_plan()));
  ExecutionContext context = engine.create_context();
  EXPECT_TRUE(contains(message_of([&] { context.run(); }), "'x' has no shape"));
  EXPECT_TRUE(contains(message_of([&] { context.shape("y"); }), "'y'"));
  EXPECT_EQ(context.shape("x"), (Shape{kDynamic, 4}));
  context.set_input_shape("x", {2, 4});
  EXPECT_EQ(context.shape("y"), (Shape{2, 4}));
  EXPECT_TRUE(contains(message_of([&] { context.run(); }), "'x' has no data"));
  EXPECT_TRUE(contains(message_of([&] { context.bind_input("x", nullptr); }), "null"));
  EXPECT_TRUE(contains(message_of([&] { context.bind_output("y", nullptr); }), "null"));
  EXPECT_TRUE(contains(message_of([&] { context.bind_output("x", &context); }), "no output 'x'"));
  EXPECT_TRUE(contains(message_of([&] { context.shape("nothing"); }), "nothing"));
  EXPECT_TRUE(contains(message_of([&] { context.output("nothing"); }), "nothing"));
  EXPECT_TRUE(contains(message_of([&] {
                         context.set_input("x", Tensor(kS8, {2, 4}));
                       }),
                       "float32"));
  EXPECT_TRUE(contains(message_of([&] { context.run({}); }), "takes 1 inputs, not 0"));
}

/// Bound memory is the steps' own: no copies, and no need to bind again.
TEST(Context, BoundMemoryIsUsedInPlace) {
  const Engine engine = Engine::load(portable_plan(small_plan()));
  ExecutionContext context = engine.create_context();
  context.set_input_shape("x", {2, 4});
  Tensor x = ramp({2, 4}), y(kF32, {2, 4});
  context.bind_input("x", x.data());
  context.bind_output("y", y.data());
  for (float first : {-2.0f, 5.0f}) {
    x = ramp({2, 4}, first);
    context.bind_input("x", x.data());
    x.as<float>()[0] = 100.0f;
    context.run();
    EXPECT_EQ(y, run_steps(engine.plan().data(), {x})[0]);
    EXPECT_EQ(context.output("y"), y);
  }
}

TEST(Context, OutputsWithoutMemoryGetSome) {
  const Engine engine = Engine::load(portable_plan(small_plan()));
  ExecutionContext context = engine.create_context();
  for (int64_t n : {1, 3, 2, 3}) {
    const Tensor x = ramp({n, 4});
    context.set_input("x", x);
    context.run();
    EXPECT_EQ(context.output("y"), run_steps(engine.plan().data(), {x})[0]) << n;
  }
}

/// Copies that set_input() made have one shape; under another they would be read beyond their end.
TEST(Context, DataOfAnotherShapeAreForgotten) {
  const Engine engine = Engine::load(portable_plan(small_plan()));
  ExecutionContext context = engine.create_context();
  context.set_input("x", ramp({1, 4}));
  context.run();
  context.set_input_shape("x", {3, 4});
  EXPECT_TRUE(contains(message_of([&] { context.run(); }), "no data of shape (3, 4)"));
  context.set_input("x", ramp({3, 4}));
  context.run();
}

/// Views of inputs and constants are read in place; as outputs they are copies.
TEST(Context, ViewsOfForeignMemory) {
  PlanBuilder b;
  const int32_t x = b.input("x", {kDynamic, 4});
  Shuffle flatten{.has_reshape = true, .dims = {-1}};
  const int32_t flat = b.tensor("flat", kF32, kPlain, {kDynamic});
  b.step(ViewStep{flatten}, {x}, {flat});
  const int32_t neg = b.tensor("twice", kF32, kPlain, {kDynamic});
  b.step(ActivationStep{{ActivationKind::kRelu, 0.0f, 0.0f}}, {flat}, {neg});
  const int32_t last = b.tensor("last", kF32, kPlain, {kDynamic});
  b.step(ActivationStep{{ActivationKind::kTanh, 0.0f, 0.0f}}, {neg}, {last});
  const int32_t same = b.tensor("same", kF32, kPlain, {kDynamic, 4});
  b.step(ViewStep{Identity{}}, {x}, {same});
  const int32_t again = b.tensor("again", kF32, kPlain, {kDynamic});
  b.step(ViewStep{flatten}, {same}, {again});
  const int32_t c = b.constant("c", kF32, {2, 3});
  const int32_t constant = b.tensor("constant", kF32, kPlain, {6});
  b.step(ViewStep{flatten}, {c}, {constant});
  b.plan.outputs = {last, same, again, constant};
  const Engine engine = Engine::load(portable_plan(b.finish()));
  ExecutionContext context = engine.create_context();
  const Tensor x_value = ramp({2, 4});
  Tensor bound = x_value;
  context.set_input_shape("x", {2, 4});
  context.bind_input("x", bound.data());
  context.run();
  EXPECT_EQ(bound, x_value) << "a step wrote over the caller's input";
  const auto expected = run_steps(engine.plan().data(), {x_value});
  const char* const names[] = {"last", "same", "again", "constant"};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(context.output(names[i]), expected[i]) << names[i];
  EXPECT_EQ(context.output("same"), x_value);
}

/// Shapes that no rule allows between min and max: the context stays as it was.
TEST(Context, AShapeThatDoesNotFitChangesNothing) {
  PlanBuilder b;
  b.plan.name = "sixes";
  const int32_t x = b.input("x", {kDynamic, 4});
  const int32_t y = b.tensor("y", kF32, kPlain, {kDynamic, 6});
  b.step(ViewStep{Shuffle{.has_reshape = true, .dims = {-1, 6}}}, {x}, {y});
  b.plan.outputs = {y};
  const Engine engine = Engine::load(portable_plan(b.finish(3, 6)));
  ExecutionContext context = engine.create_context();
  EXPECT_TRUE(contains(message_of([&] { context.set_input_shape("x", {4, 4}); }), "step 0"));
  EXPECT_TRUE(contains(message_of([&] { context.set_input_shape("x", {4, 4}); }), "step 0"));
  EXPECT_TRUE(contains(message_of([&] { context.run(); }), "no shape"));
  context.set_input("x", ramp({3, 4}));
  message_of([&] { context.set_input_shape("x", {5, 4}); });
  context.run();
  EXPECT_EQ(context.output("y"), ramp({2, 6}));
}

TEST(Context, ManyShapesInTurn) {
  const Engine engine = Engine::load(portable_plan(small_plan(1, 80)));
  ExecutionContext context = engine.create_context();
  for (int round = 0; round < 2; ++round) {
    for (int64_t n = 1; n <= 80; n += round + 1) {
      const Tensor x = ramp({n, 4}, -float(n));
      ASSERT_EQ(context.run({x})[0], run_steps(engine.plan().data(), {x})[0]) << n;
    }
  }
}

/// Shapes of two inputs change together, in steps that do not fit each other in between.
TEST(Context, SeveralInputsMayDisagreeForAWhile) {
  const Engine engine = Engine::load(portable_plan(two_input_plan(2, 4)));
  ExecutionContext context = engine.create_context();
  for (int64_t n : {2, 3, 4, 2}) {
    const Tensor a = ramp({n, 4}), c = ramp({n, 4}, -8.0f);
    context.set_input("a", a);
    context.set_input("b", c);
    context.run();
    EXPECT_EQ(context.output("y"), run_steps(engine.plan().data(), {a, c})[0]) << n;
    const Tensor a1 = ramp({6 - n, 4}), c1 = ramp({6 - n, 4}, -8.0f);
    EXPECT_EQ(context.run({a1, c1})[0], run_steps(engine.plan().data(), {a1, c1})[0]) << n;
  }
  context.set_input("a", ramp({2, 4}));
  context.set_input("b", ramp({3, 4}));
  EXPECT_TRUE(contains(message_of([&] { context.run(); }), "step 2"));
  EXPECT_TRUE(contains(message_of([&] { context.shape("y"); }), "step 2"));
  context.set_input("b", ramp({2, 4}));
  context.run();
}

/// At max the operands are equal, below one broadcasts: nothing may have been placed or chosen as
/// if that could not be.
TEST(Context, OperandsMayBroadcastBelowMax) {
  for (const bool portable : {true, false}) {
    const PlanData data = two_input_plan(1, 4);
    const Engine engine = Engine::load(portable ? portable_plan(data) : checked(data));
    ExecutionContext context = engine.create_context();
    for (const auto& [n, m] : {std::pair{4, 4}, {1, 4}, {4, 1}, {1, 1}, {1, 3}, {2, 1}}) {
      const Tensor a = ramp({n, 4}), c = ramp({m, 4}, -8.0f);
      const Tensor y = context.run({a, c})[0];
      const Tensor expected = run_steps(engine.plan().data(), {a, c})[0];
      EXPECT_EQ(y.shape(), (Shape{std::max(n, m), 4}));
      EXPECT_EQ(y, expected) << n << ", " << m;
    }
  }
}

TEST(Context, EightBitOperandsMayBroadcastBelowMax) {
  PlanBuilder b;
  const Shape shape{kDynamic, 40};
  const int32_t a = b.input("a", shape), c = b.input("b", shape);
  const int32_t qa = b.tensor("qa", kS8, kPlain, shape, 0.5f);
  const int32_t qc = b.tensor("qb", kS8, kPlain, shape, 0.25f, 3);
  b.step(QuantizeStep{}, {a}, {qa});
  b.step(QuantizeStep{}, {c}, {qc});
  const int32_t sum = b.tensor("sum", kS8, kPlain, shape, 0.5f, -1);
  b.step(EltwiseStep{.kind = ElementwiseKind::kAdd, .m_a = 1.0f, .m_b = 0.5f, .clamp = {}},
         {qa, qc}, {sum});
  const int32_t y = b.tensor("y", kF32, kPlain, shape);
  b.step(DequantizeStep{}, {sum}, {y});
  b.plan.outputs = {y};
  const Engine engine = Engine::load(checked(b.finish(1, 4)));
  ExecutionContext context = engine.create_context();
  for (const auto& [n, m] : {std::pair{4, 4}, {1, 4}, {4, 1}, {1, 1}, {3, 1}}) {
    const Tensor x = ramp({n, 40}), z = ramp({m, 40}, -8.0f);
    EXPECT_EQ(context.run({x, z})[0], run_steps(engine.plan().data(), {x, z})[0]) << n << ", " << m;
  }
}

/// Each profile has its own bounds, offsets and tactics.
TEST(Context, ProfilesAreIndependent) {
  PlanData data = every_step_plan();
  PlanProfile large = data.profiles[0];
  large.inputs[0] = {{4, 4, 6, 6}, {6, 4, 6, 6}, {9, 4, 6, 6}};
  data.profiles.push_back(large);
  const Plan plan = portable_plan(data);
  const Engine engine = Engine::load(plan);
  EXPECT_GT(engine.arena_bytes(1), engine.arena_bytes(0));
  ExecutionContext small = engine.create_context(0), big = engine.create_context(1);
  EXPECT_EQ(big.profile(), 1);
  EXPECT_TRUE(contains(message_of([&] { big.set_input_shape("x", {2, 4, 6, 6}); }), "profile 1"));
  Random random(5);
  for (int64_t n : {2, 9, 3, 4, 1}) {
    const Tensor x = random_floats({n, 4, 6, 6}, random, 40.0f);
    const auto actual = (n < 4 ? small : big).run({x});
    const auto expected = run_steps(plan.data(), {x});
    for (size_t i = 0; i < actual.size(); ++i) EXPECT_EQ(actual[i], expected[i]) << n;
  }
}

TEST(Context, TheProfilerSeesEveryStep) {
  const Engine engine = Engine::load(portable_plan(every_step_plan()));
  ExecutionContext context = engine.create_context();
  std::vector<int> seen;
  context.set_profiler([&](int step, int64_t nanoseconds) {
    seen.push_back(step);
    EXPECT_GE(nanoseconds, 0);
  });
  context.run({Tensor(kF32, {2, 4, 6, 6})});
  ASSERT_EQ(seen.size(), engine.plan().layers().size());
  for (size_t s = 0; s < seen.size(); ++s) EXPECT_EQ(seen[s], int(s));
  context.set_profiler({});
  context.run();
  EXPECT_EQ(seen.size(), engine.plan().layers().size());
}

/// What a step throws reaches the caller, and the context can be used again.
TEST(Context, ErrorsOfStepsReachTheCaller) {
  PlanBuilder b;
  const int32_t x = b.input("x", {5}), i = b.input("i", {2}, DataType::kInt32);
  const int32_t y = b.tensor("y", kF32, kPlain, {2});
  b.step(GenericStep{Gather{0}}, {x, i}, {y});
  b.plan.outputs = {y};
  const Engine engine = Engine::load(portable_plan(b.finish()));
  ExecutionContext context = engine.create_context();
  const Tensor data = Tensor::floats({5}, {1, 2, 3, 4, 5});
  message_of([&] { context.run({data, values<int32_t>({2}, {0, 5})}); });
  EXPECT_EQ(context.run({data, values<int32_t>({2}, {4, 1})})[0], Tensor::floats({2}, {5, 2}));
}

TEST(Context, ContextsInSeveralThreads) {
  const Plan plan = portable_plan(every_step_plan());
  const Engine engine = Engine::load(plan, {.isa = {}, .threads = 2, .log = {}});
  const auto work = [&](int64_t n, int* wrong) {
    Random random(uint64_t(n) + 20);
    ExecutionContext context = engine.create_context();
    for (int round = 0; round < 12; ++round) {
      const Tensor x = random_floats({1 + (n + round) % 3, 4, 6, 6}, random, 40.0f);
      *wrong += context.run({x}) != run_steps(plan.data(), {x});
    }
  };
  int wrong[3] = {};
  std::vector<std::thread> threads;
  for (int64_t n = 0; n < 3; ++n) threads.emplace_back(work, n, &wrong[n]);
  for (std::thread& thread : threads) thread.join();
  for (int64_t n = 0; n < 3; ++n) EXPECT_EQ(wrong[n], 0) << "thread " << n;
}

}  // namespace
}  // namespace octile::test
