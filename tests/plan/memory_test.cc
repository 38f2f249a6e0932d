// The memory planner on random plans. The judge replays a plan over a picture of the arena in which
// every 64-byte block says whose value it holds.
#include <map>

#include "plan/plans.h"

namespace octile::test {
namespace {

/// Shapes of all tensors with the inputs at `which` bound.
std::vector<Shape> shapes_of(const PlanData& plan, const Shape PlanProfile::Bounds::*which) {
  std::vector<Shape> inputs;
  for (const auto& b : plan.profiles[0].inputs) inputs.push_back(b.*which);
  return infer_all_shapes(plan, inputs);
}

class Replay {
 public:
  Replay(const PlanData& plan, std::vector<Shape> shapes)
      : plan_(plan),
        profile_(plan.profiles[0]),
        shapes_(std::move(shapes)),
        owner_(size_t(profile_.arena_bytes + 63) / 64, -1),
        value_(plan.tensors.size(), -1) {}

  void run() {
    for (const PlanStep& step : plan_.steps) {
      for (int32_t t : step.inputs) holds(t);
      const bool view = std::holds_alternative<ViewStep>(step.step);
      const bool in_place = std::holds_alternative<EltwiseStep>(step.step) ||
                            std::holds_alternative<ActivationStep>(step.step) ||
                            std::holds_alternative<LookupStep>(step.step);
      for (int32_t out : step.outputs) {
        if (!in_arena(out)) continue;
        EXPECT_EQ(offset(out) % 64, 0);
        EXPECT_LE(offset(out) + bytes(out), profile_.arena_bytes);
        for (size_t i = 0; i < step.inputs.size(); ++i) {
          const auto* conv = std::get_if<ConvStep>(&step.step);
          const bool adds = conv != nullptr && conv->residual && i == 1;
          const bool floats = plan_.tensors[size_t(out)].type == DataType::kFloat32;
          const bool residual = adds && (!floats || adds_floats_to_residual(step));
          apart(step.inputs[i], out, view, in_place || residual, step);
        }
        for (int32_t other : step.outputs) {
          if (other != out && in_arena(other)) {
            EXPECT_TRUE(disjoint(out, other)) << step.name << ": outputs overlap";
          }
        }
        const int32_t in = step.inputs[0];
        write(out, view && in_arena(in) && offset(in) == offset(out) ? value_[size_t(in)] : out);
      }
    }
  }

 private:
  bool adds_floats_to_residual(const PlanStep& step) const {
    const auto* conv = std::get_if<ConvStep>(&step.step);
    const auto is_float = [&](int32_t t) { return plan_.tensors[size_t(t)].type == kF32; };
    return conv != nullptr && conv->residual && !conv->rows && is_float(step.inputs[1]) &&
           is_float(step.outputs[0]);
  }
  bool in_arena(int32_t t) const { return profile_.offsets[size_t(t)] >= 0; }
  int64_t offset(int32_t t) const { return profile_.offsets[size_t(t)]; }
  int64_t bytes(int32_t t) const {
    return shapes_[size_t(t)].volume() * int64_t(size_of(plan_.tensors[size_t(t)].type));
  }
  bool disjoint(int32_t a, int32_t b) const {
    return offset(a) + bytes(a) <= offset(b) || offset(b) + bytes(b) <= offset(a);
  }
  /// What a step writes may lie on what it reads only as a view or, element on element, in place.
  void apart(int32_t in, int32_t out, bool view, bool in_place, const PlanStep& step) const {
    if (!in_arena(in) || disjoint(in, out)) return;
    const bool exact = offset(in) == offset(out) && bytes(in) == bytes(out);
    EXPECT_TRUE(exact && (view || in_place)) << step.name << " writes over what it reads";
    if (in_place) {
      EXPECT_EQ(shapes_[size_t(in)], shapes_[size_t(out)]) << step.name << " broadcasts in place";
    }
  }
  void write(int32_t t, int32_t value) {
    value_[size_t(t)] = value;
    for (int64_t b = offset(t) / 64; b * 64 < offset(t) + bytes(t); ++b) owner_[size_t(b)] = value;
  }
  void holds(int32_t t) const {
    if (!in_arena(t)) return;
    for (int64_t b = offset(t) / 64; b * 64 < offset(t) + bytes(t); ++b) {
      ASSERT_EQ(owner_[size_t(b)], value_[size_t(t)])
          << "tensor '" << plan_.tensors[size_t(t)].name << "' was overwritten before it was read";
    }
  }

  const PlanData& plan_;
  const PlanProfile& profile_;
  std::vector<Shape> shapes_;
  std::vector<int32_t> owner_, value_;
};

Shape broadcast_rows(const Shape& a, const Shape& b) { return {a[0] == 1 ? b[0] : a[0], a[1]}; }

/// A random plan over (N, K) floats: activations, additions (one operand perhaps broadcast),
/// views, copies, concatenations, top-k, constants.
PlanData random_plan(Random& random, bool dynamic) {
  PlanBuilder b;
  const Shape base{dynamic ? kDynamic : 4, 12};
  std::vector<int32_t> live{b.input("x0", base), b.input("x1", base)};
  if (random.integer(0, 1) == 0) live.push_back(b.constant("k", kF32, {1, 12}));
  const auto pick = [&] { return live[size_t(random.integer(0, int64_t(live.size()) - 1))]; };
  const int64_t count = random.integer(3, 30);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t a = random.integer(0, 2) == 0 ? pick() : live.back();
    const Shape shape = b.plan.tensors[size_t(a)].shape;
    const std::string name = "t" + std::to_string(i);
    const int64_t columns = shape[1];
    switch (random.integer(0, 6)) {
      case 0:
      case 1:
        live.push_back(b.tensor(name, kF32, kPlain, shape));
        b.step(ActivationStep{{ActivationKind::kTanh, 0, 0}}, {a}, {live.back()});
        break;
      case 2:
      case 3: {
        const int32_t other = pick();
        const Shape& s = b.plan.tensors[size_t(other)].shape;
        if (s[1] != columns) break;
        const Shape sum = broadcast_rows(shape, s);
        live.push_back(b.tensor(name, kF32, kPlain, sum));
        b.step(EltwiseStep{.kind = ElementwiseKind::kAdd, .clamp = {}}, {a, other}, {live.back()});
        break;
      }
      case 4: {
        live.push_back(b.tensor(name, kF32, kPlain, shape));
        b.step(ViewStep{Identity{}}, {a}, {live.back()});
        break;
      }
      case 5: {
        if (columns > 100) break;
        live.push_back(b.tensor(name, kF32, kPlain, {shape[0], 2 * columns}));
        b.step(ConcatStep{1}, {a, a}, {live.back()});
        break;
      }
      default: {
        const int32_t values = b.tensor(name, kF32, kPlain, {shape[0], 3});
        const int32_t index = b.tensor(name + "i", kS32, kPlain, {shape[0], 3});
        b.step(GenericStep{TopK{.k = 3, .axis = -1, .largest = true}}, {a}, {values, index});
        live.push_back(values);
      }
    }
  }
  for (size_t i = live.size(); i-- > 0 && b.plan.outputs.size() < 2;) {
    const bool made = b.plan.tensors[size_t(live[i])].name[0] == 't';
    if (made && random.integer(0, 2) != 0) b.plan.outputs.push_back(live[i]);
  }
  return b.finish(1, 5);
}

TEST(PlanMemory, RandomPlansKeepWhatIsStillRead) {
  Random random(21);
  int shared = 0;
  for (int round = 0; round < 1500; ++round) {
    const PlanData plan = random_plan(random, round % 2 == 0);
    int64_t sum = 0;
    std::map<int64_t, int> at;
    const auto max = shapes_of(plan, &PlanProfile::Bounds::max);
    for (size_t t = 0; t < plan.tensors.size(); ++t) {
      if (plan.profiles[0].offsets[t] < 0) continue;
      sum += (max[t].volume() * int64_t(size_of(plan.tensors[t].type)) + 63) / 64 * 64;
      shared += ++at[plan.profiles[0].offsets[t]] > 1 ? 1 : 0;
    }
    EXPECT_LE(plan.profiles[0].arena_bytes, sum);
    Replay(plan, max).run();
    Replay(plan, shapes_of(plan, &PlanProfile::Bounds::min)).run();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_GT(shared, 1000) << "memory is never reused";
}

TEST(PlanMemory, ExternalTensorsHaveNoOffset) {
  const PlanData plan = every_step_plan();
  for (int32_t t : plan.inputs) EXPECT_EQ(plan.profiles[0].offsets[size_t(t)], -1);
  for (int32_t t : plan.outputs) EXPECT_EQ(plan.profiles[0].offsets[size_t(t)], -1);
}

TEST(PlanMemory, ViewsOfInputsAndConstantsHaveNoPlaceOfTheirOwn) {
  PlanBuilder b;
  const int32_t x = b.input("x", {16, 16}), c = b.constant("c", kF32, {16, 16});
  const auto view_of = [&](int32_t from) {
    const int32_t t = b.tensor("view", kF32, kPlain, {16, 16});
    b.step(ViewStep{}, {from}, {t});
    return t;
  };
  const int32_t v = view_of(x), w = view_of(v), d = view_of(c);
  const int32_t sum = b.tensor("sum", kF32, kPlain, {16, 16});
  b.step(EltwiseStep{}, {w, d}, {sum});
  const int32_t seen = view_of(sum), y = b.tensor("y", kF32, kPlain, {16, 16});
  b.step(ActivationStep{}, {seen}, {y});
  b.plan.outputs = {y, view_of(x)};  // an output is a place of its own
  const PlanProfile profile = b.finish().profiles[0];
  for (const int32_t t : {v, w, d}) EXPECT_EQ(profile.offsets[size_t(t)], -1) << t;
  EXPECT_EQ(profile.offsets[size_t(sum)], 0);
  EXPECT_EQ(profile.offsets[size_t(seen)], 0);
  EXPECT_EQ(profile.arena_bytes, 16 * 16 * 4);
}

TEST(PlanMemory, AChainNeedsTwoTensorsOrOne) {
  PlanBuilder b;
  int32_t last = b.input("x", {16, 16});
  for (int i = 0; i < 10; ++i) {
    const int32_t next = b.tensor("t" + std::to_string(i), kF32, kPlain, {16, 16});
    b.step(GenericStep{Unary{UnaryKind::kExp}}, {last}, {next});
    last = next;
  }
  b.plan.outputs = {last};
  EXPECT_EQ(b.finish().profiles[0].arena_bytes, 2 * 16 * 16 * 4);

  PlanBuilder in_place;
  last = in_place.input("x", {16, 16});
  for (int i = 0; i < 10; ++i) {
    const int32_t next = in_place.tensor("t" + std::to_string(i), kF32, kPlain, {16, 16});
    in_place.step(ActivationStep{}, {last}, {next});
    last = next;
  }
  in_place.plan.outputs = {last};
  EXPECT_EQ(in_place.finish().profiles[0].arena_bytes, 16 * 16 * 4);
}

/// A float convolution may add to its residual where that lies, unless the residual is read later
/// or is what it convolves, under another name too.
TEST(PlanMemory, AFloatConvolutionOverwritesItsResidual) {
  PlanBuilder b;
  const auto image = [&](const char* name) { return b.tensor(name, kF32, kLast, {1, 4, 6, 6}); };
  const auto conv = [&](int32_t x, int32_t residual, int32_t y) {
    ConvStep s;
    s.window = window2(3, 1, 1);
    s.in_channels = s.out_channels = 4;
    s.weights = b.blob(kF32, {4, 3, 3, 4});
    s.residual = residual >= 0;
    b.step(s, s.residual ? std::vector{x, residual} : std::vector{x}, {y});
  };
  const int32_t x = b.input("x", {1, 4, 6, 6});
  const int32_t first = image("first"), branch = image("branch"), sum = image("sum");
  b.step(ReorderStep{}, {x}, {first});
  conv(first, -1, branch);
  conv(branch, first, sum);
  const int32_t view = image("view"), of_itself = image("of itself"), kept = image("kept");
  b.step(ViewStep{Identity{}}, {sum}, {view});
  conv(view, sum, of_itself);
  conv(branch, of_itself, kept);
  const int32_t last = image("last"), y = b.tensor("y", kF32, kPlain, {1, 4, 6, 6});
  conv(kept, of_itself, last);
  b.step(ReorderStep{}, {last}, {y});
  b.plan.outputs = {y};
  const PlanData plan = b.finish();
  const auto offset = [&](int32_t t) { return plan.profiles[0].offsets[size_t(t)]; };
  EXPECT_EQ(offset(sum), offset(first));
  EXPECT_NE(offset(of_itself), offset(sum));
  EXPECT_NE(offset(kept), offset(of_itself));
  EXPECT_EQ(offset(last), offset(of_itself));
  Replay(plan, shapes_of(plan, &PlanProfile::Bounds::max)).run();
}

TEST(PlanMemory, AConvolutionOverwritesItsResidualWhereNobodyReadsItLater) {
  for (const bool read_later : {false, true}) {
    PlanBuilder b;
    const Shape shape{1, 4, 8, 8};
    const int32_t x = b.input("x", shape);
    const auto image = [&](const char* name) { return b.tensor(name, kS8, kLast, shape, 0.1f); };
    const int32_t first = image("first"), middle = image("middle"), sum = image("sum");
    const int32_t y = b.tensor("y", kF32, kPlain, shape), z = b.tensor("z", kF32, kPlain, shape);
    ConvStep conv = small_conv(b);
    conv.residual = true;
    b.step(QuantizeStep{}, {x}, {first});
    b.step(PoolStep{.window = window2(3, 1, 1)}, {first}, {middle});
    b.step(conv, {middle, first}, {sum});
    b.step(DequantizeStep{}, {sum}, {y});
    b.step(DequantizeStep{}, {read_later ? first : sum}, {z});
    b.plan.outputs = {y, z};
    const PlanData plan = b.finish();
    const auto& offsets = plan.profiles[0].offsets;
    EXPECT_EQ(offsets[size_t(sum)] == offsets[size_t(first)], !read_later);
    Replay(plan, shapes_of(plan, &PlanProfile::Bounds::max)).run();
  }
}

TEST(PlanMemory, WhatAChainReadsIsThereUntilItsLastStep) {
  PlanBuilder b;
  const Shape shape{1, 4, 8, 8}, half{1, 4, 4, 4};
  const auto image = [&](const char* name, const Shape& s) {
    return b.tensor(name, kS8, kLast, s, 0.1f);
  };
  const int32_t x = b.input("x", shape), y = b.tensor("y", kF32, kPlain, half);
  const int32_t first = image("first", shape), pooled = image("pooled", half),
                last = image("last", half);
  b.step(QuantizeStep{}, {x}, {first});
  b.step(PoolStep{.window = window2(2, 2, 0)}, {first}, {pooled});
  b.step(small_conv(b), {pooled}, {last});
  b.step(DequantizeStep{}, {last}, {y});
  b.plan.outputs = {y};
  PlanData plan = b.finish();
  const auto distance = [&] {
    const auto& offsets = plan.profiles[0].offsets;
    return offsets[size_t(last)] - offsets[size_t(first)];
  };
  EXPECT_LT(distance(), shape.volume());  // and not below: the largest tensor is the first
  EXPECT_GE(distance(), 0);
  const FurtherRead read{first, 2};
  plan_memory(plan, plan.profiles[0], {}, std::span(&read, 1));
  EXPECT_GE(distance(), shape.volume());
  Replay(plan, shapes_of(plan, &PlanProfile::Bounds::max)).run();
}

/// Two inputs with batches of their own: equal at max, but at (1, 4) the sum broadcasts.
TEST(PlanMemory, OperandsThatMayBroadcastAreNotOverwritten) {
  PlanBuilder b;
  const int32_t x = b.input("x", {kDynamic, 8}), y = b.input("y", {kDynamic, 8});
  const int32_t tx = b.tensor("tx", kF32, kPlain, {kDynamic, 8});
  const int32_t ty = b.tensor("ty", kF32, kPlain, {kDynamic, 8});
  const int32_t sum = b.tensor("sum", kF32, kPlain, {kDynamic, 8});
  const int32_t out = b.tensor("out", kF32, kPlain, {kDynamic, 8});
  b.step(GenericStep{Unary{UnaryKind::kExp}}, {x}, {tx});
  b.step(GenericStep{Unary{UnaryKind::kExp}}, {y}, {ty});
  b.step(EltwiseStep{.kind = ElementwiseKind::kAdd, .clamp = {}}, {tx, ty}, {sum});
  b.step(GenericStep{Unary{UnaryKind::kExp}}, {sum}, {out});
  b.plan.outputs = {out};
  const PlanData plan = b.finish(1, 4);
  for (const auto& batches : {std::pair<int64_t, int64_t>{1, 4}, {4, 1}, {4, 4}, {1, 1}}) {
    const std::vector<Shape> inputs{Shape{batches.first, 8}, Shape{batches.second, 8}};
    Replay(plan, infer_all_shapes(plan, inputs)).run();
  }
}

}  // namespace
}  // namespace octile::test
