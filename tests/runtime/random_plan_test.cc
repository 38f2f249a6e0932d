// Random graphs of steps that share memory (views, in-place results, branches, outputs in the
// middle): a context's arena must give what the steps give with a buffer each.
#include "runtime/run_steps.h"

namespace octile::test {
namespace {

class Grower {
 public:
  explicit Grower(uint64_t seed) : random_(seed) {
    builder_.plan.name = "random " + std::to_string(seed);
    floats_.push_back(builder_.input("x", shape()));
    if (chance(2)) floats_.push_back(builder_.constant("c", kF32, {1, 24}));
  }

  PlanData grow(int64_t steps) {
    for (int64_t s = 0; s < steps; ++s) add();
    std::vector<int32_t> made;
    for (const PlanStep& step : builder_.plan.steps) made.push_back(step.outputs[0]);
    for (int32_t t : made) {
      if (t == made.back() || chance(6)) builder_.plan.outputs.push_back(t);
    }
    return builder_.finish(2, 5);
  }

 private:
  bool chance(int64_t n) { return random_.integer(1, n) == 1; }
  /// Mostly recent tensors, so that old ones die.
  int32_t pick(const std::vector<int32_t>& from) {
    const auto last = int64_t(from.size()) - 1;
    return from[size_t(chance(4) ? random_.integer(0, last)
                                 : random_.integer(std::max<int64_t>(0, last - 2), last))];
  }
  static Shape shape() { return {kDynamic, 24}; }
  int32_t made(DataType type, float scale = 0.0f, int32_t zero = 0) {
    return builder_.tensor("t" + std::to_string(builder_.plan.tensors.size()), type, kPlain,
                           shape(), scale, zero);
  }
  void keep(std::vector<int32_t>& list, Step step, std::vector<int32_t> inputs, int32_t output) {
    builder_.step(std::move(step), std::move(inputs), {output});
    list.push_back(output);
  }

  void add() {
    switch (random_.integer(0, 7)) {
      case 0:
        return keep(floats_, ActivationStep{{ActivationKind::kLeakyRelu, 0.25f, 0.0f}},
                    {any_float()}, made(kF32));
      case 1:
      case 2: {
        const auto kind = chance(2) ? ElementwiseKind::kAdd : ElementwiseKind::kSub;
        const int32_t a = any_float(), b = pick(floats_);
        return keep(floats_,
                    EltwiseStep{.kind = kind, .m_a = 0, .m_b = 0, .clamp = {-50.0f, 50.0f}}, {a, b},
                    made(kF32));
      }
      case 3: {  // there and back: two views of one buffer
        const int32_t wide = builder_.tensor("w" + std::to_string(builder_.plan.tensors.size()),
                                             kF32, kPlain, {kDynamic, 4, 6});
        builder_.step(ViewStep{Shuffle{.has_reshape = true, .dims = {0, 4, 6}}}, {any_float()},
                      {wide});
        return keep(floats_, ViewStep{Shuffle{.has_reshape = true, .dims = {0, 24}}}, {wide},
                    made(kF32));
      }
      case 4: return keep(bytes_, QuantizeStep{}, {any_float()}, made(kS8, 0.25f, 2));
      case 5:
        if (bytes_.empty()) return;
        return keep(bytes_, LookupStep{builder_.blob(kU8, {256})}, {pick(bytes_)}, made(kS8, 0.5f));
      case 6:
        if (bytes_.empty()) return;
        return keep(
            bytes_,
            EltwiseStep{.kind = ElementwiseKind::kAdd, .m_a = 0.5f, .m_b = 1.0f, .clamp = {}},
            {pick(bytes_), pick(bytes_)}, made(kS8, 0.5f));
      default:
        if (bytes_.empty()) return;
        return keep(floats_, DequantizeStep{}, {pick(bytes_)}, made(kF32));
    }
  }

  /// One with a batch: not the constant.
  int32_t any_float() {
    for (;;) {
      const int32_t t = pick(floats_);
      if (builder_.plan.tensors[size_t(t)].blob < 0) return t;
    }
  }

  PlanBuilder builder_;
  Random random_;
  std::vector<int32_t> floats_, bytes_;
};

TEST(RandomPlans, TheArenaChangesNothing) {
  int64_t shared = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Grower grower(seed);
    const Plan plan = portable_plan(grower.grow(3 + int64_t(seed % 40)));
    const Engine engine = Engine::load(plan, {.isa = {}, .threads = 1, .log = {}});
    ExecutionContext context = engine.create_context();
    Random random(seed);
    for (int64_t n : {5, 2}) {
      const Tensor x = random_floats({n, 24}, random, 20.0f);
      const auto actual = context.run({x}), expected = run_steps(plan.data(), {x});
      for (size_t i = 0; i < actual.size(); ++i) {
        ASSERT_EQ(actual[i], expected[i])
            << plan.name() << ", " << plan.data().tensors[size_t(plan.data().outputs[i])].name;
      }
    }
    int64_t apart = 0;
    for (size_t t = 0; t < plan.data().tensors.size(); ++t) {
      apart += plan.data().profiles[0].offsets[t] >= 0 ? 64 : 0;
    }
    shared += plan.data().profiles[0].arena_bytes < apart;
  }
  EXPECT_GT(shared, 0);
}

}  // namespace
}  // namespace octile::test
