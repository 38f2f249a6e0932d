// Concatenations whose parts are made where they go: random networks of images on every level of
// this machine must give what portable steps with a buffer each give, bit for bit.
#include <cinttypes>
#include <cstdio>

#include "base/cpu.h"
#include "plan/places.h"
#include "runtime/networks.h"
#include "runtime/run_steps.h"

namespace octile::test {
namespace {

/// Images of one size, uint8 or int8, with channels in any number.
class ImageGrower {
 public:
  explicit ImageGrower(uint64_t seed)
      : random_(seed), type_(seed % 2 == 0 ? kU8 : kS8), batch_(seed % 3 == 0 ? 1 : kDynamic) {
    builder_.plan.name = "random " + std::to_string(seed);
    const int32_t x = builder_.input("x", shape(8));
    const int32_t first = made(8);
    builder_.step(QuantizeStep{.q_lo = lo(), .q_hi = hi()}, {x}, {first});
    images_.push_back(first);
  }

  PlanData grow(int64_t steps) {
    for (int64_t s = 0; s < steps; ++s) add();
    for (int32_t t : images_) {
      if (t == images_.back() || chance(5)) show(t);
    }
    return builder_.finish(2, 3);
  }

 private:
  bool chance(int64_t n) { return random_.integer(1, n) == 1; }
  int32_t lo() const { return type_ == kU8 ? 0 : -128; }
  int32_t hi() const { return type_ == kU8 ? 255 : 127; }
  Shape shape(int64_t channels) const { return {batch_, channels, 5, 7}; }
  int64_t channels(int32_t t) const { return builder_.plan.tensors[size_t(t)].shape[1]; }
  int32_t pick() {
    const auto last = int64_t(images_.size()) - 1;
    return images_[size_t(random_.integer(chance(3) ? 0 : std::max<int64_t>(0, last - 3), last))];
  }
  int32_t made(int64_t channels) {
    return builder_.tensor("t" + std::to_string(builder_.plan.tensors.size()), type_, kLast,
                           shape(channels), 0.25f, type_ == kU8 ? 128 : 0);
  }
  void keep(Step step, std::vector<int32_t> inputs, int64_t channels) {
    const int32_t y = made(channels);
    builder_.step(std::move(step), std::move(inputs), {y});
    images_.push_back(y);
  }
  Clamp clamp() const { return {.q_lo = lo(), .q_hi = hi()}; }

  void add() {
    const int32_t x = pick();
    const int64_t c = channels(x);
    switch (random_.integer(0, 8)) {
      case 0: return keep(LookupStep{builder_.blob(kU8, {256})}, {x}, c);
      case 1:
        return chance(2) ? keep(PoolStep{.window = window2(3, 1, 1)}, {x}, c)
                         : keep(PoolStep{.window = window2(5, 1, 2)}, {x}, c);
      case 2: {
        int32_t other = pick();
        if (channels(other) != c) other = x;
        return keep(EltwiseStep{.m_a = 0.5f, .m_b = 0.75f, .clamp = clamp()}, {x, other}, c);
      }
      case 3: return slice(x);
      case 4:
      case 5: return convolution(x, 1, 1, chance(2) ? 16 : random_.integer(1, 40));
      case 6: return convolution(x, 3, chance(2) ? c : 1, chance(2) ? c : 12);
      default: {
        std::vector<int32_t> parts{x};
        int64_t sum = c;
        for (int64_t more = random_.integer(1, 3); more > 0; --more) {
          const int32_t t = pick();
          if (sum + channels(t) > 160) continue;
          parts.push_back(t);
          sum += channels(t);
        }
        return keep(ConcatStep{1}, std::move(parts), sum);
      }
    }
  }

  /// Some channels, as lowering takes them: on the same bytes with channels at the end.
  void slice(int32_t x) {
    const int64_t c = channels(x), kept = (c + 1) / 2;
    const auto plain = [&](int64_t n) {
      return builder_.tensor("p" + std::to_string(builder_.plan.tensors.size()), type_, kPlain,
                             {batch_, 5, 7, n}, 0.25f, type_ == kU8 ? 128 : 0);
    };
    const int32_t in = plain(c), out = plain(kept);
    builder_.step(ViewStep{Shuffle{.first = {0, 2, 3, 1}}}, {x}, {in});
    builder_.step(GenericStep{Slice{.axes = {3}, .start = {0}, .size = {kept}, .stride = {2}}},
                  {in}, {out});
    keep(ViewStep{Shuffle{.first = {0, 3, 1, 2}}}, {out}, kept);
  }

  void convolution(int32_t x, int64_t kernel, int64_t groups, int64_t m) {
    const int64_t c = channels(x);
    if (groups > 1) m = c;
    ConvStep s;
    s.window = window2(kernel, 1, kernel / 2);
    s.groups = groups;
    s.in_channels = c;
    s.out_channels = m;
    s.weights = builder_.blob(kS8, {m, kernel, kernel, c / groups});
    for (std::byte& w : weights(s.weights)) w = w == std::byte{0x80} ? std::byte{0x81} : w;
    s.bias = builder_.blob(kS32, {m});
    for (size_t i = 0; i < weights(s.bias).size(); ++i) {
      if (i % 4 > 1) weights(s.bias)[i] = std::byte{0};  // small
    }
    s.multiplier = builder_.multipliers(m);
    auto* scale = reinterpret_cast<float*>(weights(s.multiplier).data());
    for (int64_t i = 0; i < m; ++i) scale[i] *= 0.001f;
    s.clamp = clamp();
    keep(s, {x}, m);
  }
  std::span<std::byte> weights(int32_t blob) {
    const auto bytes = builder_.plan.blobs[size_t(blob)].bytes;
    return {const_cast<std::byte*>(bytes.data()), bytes.size()};
  }

  void show(int32_t x) {
    const int64_t c = channels(x);
    const std::string name = "y" + std::to_string(x);
    const int32_t wide = builder_.tensor(name + " wide", kF32, kLast, shape(c));
    const int32_t y = builder_.tensor(name, kF32, kPlain, shape(c));
    builder_.step(DequantizeStep{}, {x}, {wide});
    builder_.step(ReorderStep{}, {wide}, {y});
    builder_.plan.outputs.push_back(y);
  }

  PlanBuilder builder_;
  Random random_;
  DataType type_;
  int64_t batch_;
  std::vector<int32_t> images_;
};

/// Every step by the first row that accepts on the level.
void prefer_first(PlanData& plan, const Device& device) {
  for (PlanStep& step : plan.steps) step.tactics.clear();
  for (const PlanProfile& profile : plan.profiles) {
    std::vector<Shape> max;
    for (const auto& bounds : profile.inputs) max.push_back(bounds.max);
    const auto shapes = infer_all_shapes(plan, max);
    for (PlanStep& step : plan.steps) {
      const StepView view = make_view(plan, step, shapes);
      step.tactics.emplace_back(first_accepting(cpu_backend(), view, device).name());
    }
  }
}

/// As an engine tells it.
ConcatenatedBytes concatenated_by(const Plan& plan, const Device& device) {
  ConcatenatedBytes bytes;
  const auto log = [&](LogLevel, std::string_view line) {
    const size_t at = line.find("profile 0: ");
    if (at == std::string_view::npos) return;
    std::sscanf(std::string(line.substr(at)).c_str(), "profile 0: %" SCNd64 " of %" SCNd64,
                &bytes.copied, &bytes.all);
  };
  Engine::load(plan, {.isa = device.isa, .threads = device.threads, .log = log});
  return bytes;
}

class Concatenations : public testing::TestWithParam<Isa> {};

TEST_P(Concatenations, RandomNetworksGiveThePortableBits) {
  const Isa isa = GetParam();
  if (!cpu_supports(isa)) GTEST_SKIP() << cpu_refusal(isa);
  const Device device = cpu_backend().open(isa, 2);
  ConcatenatedBytes sum;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    PlanData data = ImageGrower(seed).grow(3 + int64_t(seed % 25));
    prefer_first(data, device);
    const Plan plan = checked(data);
    const ConcatenatedBytes bytes = concatenated_by(plan, device);
    sum.all += bytes.all;
    sum.copied += bytes.copied;
    const Engine engine = Engine::load(plan, {.isa = isa, .threads = 2, .log = {}});
    ExecutionContext context = engine.create_context();
    Random random(seed);
    for (int64_t n : {3, 2}) {
      const Shape& declared = data.tensors[size_t(data.inputs[0])].shape;
      const Shape shape{declared[0] == 1 ? 1 : n, declared[1], declared[2], declared[3]};
      const Tensor x = random_floats(shape, random, 20.0f);
      const auto actual = context.run({x}), expected = run_steps(plan.data(), {x});
      for (size_t i = 0; i < actual.size(); ++i) {
        ASSERT_EQ(actual[i], expected[i])
            << plan.name() << ", " << data.tensors[size_t(data.outputs[i])].name;
      }
    }
  }
  std::printf("  %s: %lld of %lld bytes copied\n", std::string(name_of(isa)).c_str(),
              static_cast<long long>(sum.copied), static_cast<long long>(sum.all));
  const bool portable = isa == Isa::kPortable;
  EXPECT_TRUE(portable || sum.copied < sum.all * 2 / 3) << "hardly any tensor lies in its place";
}

INSTANTIATE_TEST_SUITE_P(Isa, Concatenations,
                         testing::ValuesIn(compiled_isas().begin(), compiled_isas().end()),
                         [](const auto& isa) { return std::string(name_of(isa.param)); });

/// Blocks of DenseNet: each layer reads all that came before it, and adds some channels. `anew`: it
/// joins them all again, as exporters write it.
Network dense_blocks(bool anew) {
  Random random(5);
  Network n("dense");
  TensorId all = n.add_input("x", DataType::kFloat32, {kDynamic, 3, 16, 16});
  const auto conv = [&](TensorId x, int64_t m, int64_t kernel) {
    Convolution op;
    op.window.pad_before = op.window.pad_after = {kernel / 2, kernel / 2};
    const int64_t c = n.shape(x)[1];
    const std::string name = "conv" + std::to_string(n.tensor_count());
    x = n.convolution(x, random_floats({m, c, kernel, kernel}, random, 0.3f),
                      random_floats({m}, random), op, name);
    return n.activation(x, ActivationKind::kRelu, 0, 0, name + " relu");
  };
  all = conv(all, 16, 3);
  std::vector<TensorId> parts{all};
  for (int layer = 0; layer < 5; ++layer) {
    const TensorId more = conv(conv(all, 32, 1), 12, 3);
    parts.push_back(more);
    all = n.concatenation(anew ? parts : std::vector{all, more}, 1, "join" + std::to_string(layer));
  }
  n.mark_output(conv(all, 10, 1), "y");
  return n;
}

class DenseBlock : public testing::TestWithParam<bool> {};

TEST_P(DenseBlock, IsOneTensorAndGivesTheSameBits) {
  const Plan plan = plan_of(dense_blocks(GetParam()));
  const Device device = cpu_backend().open(std::nullopt, 2);
  const ConcatenatedBytes bytes = concatenated_by(plan, device);
  if (device.isa != Isa::kPortable) {
    EXPECT_EQ(bytes.copied, 0) << "of " << bytes.all;
  }
  PlanData copying = plan.data();
  for (PlanProfile& profile : copying.profiles) profile.keeps_offsets = true;
  const Plan copies(std::make_shared<PlanData>(copying));
  EXPECT_EQ(concatenated_by(copies, device).copied, bytes.all);
  const Engine engine = Engine::load(plan, {.isa = {}, .threads = 2, .log = {}});
  const Engine other = Engine::load(copies, {.isa = {}, .threads = 2, .log = {}});
  ExecutionContext context = engine.create_context(), reference = other.create_context();
  Random random(1);
  for (int64_t batch : {4, 1, 3}) {
    const Tensor x = random_floats({batch, 3, 16, 16}, random, 4.0f);
    EXPECT_EQ(context.run({x})[0], reference.run({x})[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Anew, DenseBlock, testing::Bool());

/// Parts of a network's output are written into the memory that the caller bound.
TEST(Concatenations, PartsGoIntoABoundOutput) {
  PlanBuilder b;
  const int32_t x = b.input("x", {1, 5, 2, 3});
  const auto reordered = [&](const char* name) {
    const int32_t image = b.tensor(std::string(name) + " image", kF32, kLast, {1, 5, 2, 3});
    b.step(ReorderStep{}, {x}, {image});
    const int32_t rows = b.tensor(std::string(name) + " rows", kF32, kPlain, {1, 2, 3, 5});
    b.step(ViewStep{Shuffle{.first = {0, 2, 3, 1}}}, {image}, {rows});
    const int32_t flat = b.tensor(name, kF32, kPlain, {1, 6, 5});
    b.step(ViewStep{Shuffle{.has_reshape = true, .dims = {1, 6, 5}}}, {rows}, {flat});
    return flat;
  };
  const int32_t a = reordered("a"), c = reordered("c");
  const int32_t y = b.tensor("y", kF32, kPlain, {1, 12, 5});
  b.step(ConcatStep{1}, {a, c}, {y});
  b.plan.outputs = {y};
  const Plan plan = portable_plan(b.finish());
  EXPECT_EQ(concatenated_by(plan, Device{}).copied, 0);
  const Engine engine = Engine::load(plan, {.isa = {}, .threads = 1, .log = {}});
  ExecutionContext context = engine.create_context();
  Random random(2);
  const Tensor value = random_floats({1, 5, 2, 3}, random);
  const auto expected = run_steps(plan.data(), {value});
  EXPECT_EQ(context.run({value})[0], expected[0]);
  Tensor bound(kF32, {1, 12, 5});
  context.bind_output("y", bound.data());
  context.run();
  EXPECT_EQ(bound, expected[0]);
}

}  // namespace
}  // namespace octile::test
