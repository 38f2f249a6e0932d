// Quantize steps that the convolution behind them may do: which they are, and what the convolution
// is told.
#include "plan/quantize_chains.h"

#include "plan/plans.h"

namespace octile::test {
namespace {

const Shape kImage{kDynamic, 4, 6, 6};

/// x → Quantize q → convolution y; `table`: q → Lookup → l → convolution, which moves the zero
/// point of an unsigned q by 128, all but `broken` of its entries.
struct ChainPlan {
  PlanBuilder b;
  int32_t x = 0, q = 0, y = 0;
  std::vector<uint8_t> entries = std::vector<uint8_t>(256);

  explicit ChainPlan(bool table = false, int broken = -1) {
    x = b.input("x", kImage);
    q = b.tensor("q", table ? kU8 : kS8, kLast, kImage, 0.5f, table ? 127 : 3);
    b.step(QuantizeStep{.q_lo = table ? 10 : -100, .q_hi = table ? 200 : 99}, {x}, {q});
    int32_t read = q;
    if (table) {
      for (int i = 0; i < 256; ++i) entries[size_t(i)] = uint8_t(i - 128);
      if (broken >= 0) entries[size_t(broken)] ^= 1;
      const auto bytes = std::as_bytes(std::span(entries));
      b.plan.blobs.push_back({kU8, {256}, bytes});
      read = b.tensor("l", kS8, kLast, kImage, 0.5f, -1);
      b.step(LookupStep{int32_t(b.plan.blobs.size()) - 1}, {q}, {read});
    }
    y = b.tensor("y", kS8, kLast, kImage, 0.25f);
    b.step(small_conv(b), {read}, {y});
    const int32_t out = b.tensor("out", kF32, kPlain, kImage);
    b.step(DequantizeStep{}, {y}, {out});
    b.plan.outputs = {out};
  }
};

TEST(QuantizeChains, AConvolutionBehindAQuantizeStep) {
  ChainPlan p;
  const auto chains = quantize_chains(p.b.finish());
  ASSERT_EQ(chains.size(), 1u);
  EXPECT_EQ(chains[0].reader, 1u);
  EXPECT_EQ(chains[0].absorbed, std::vector<size_t>{0});
  EXPECT_EQ(chains[0].step.inputs, std::vector<int32_t>{p.x});
  EXPECT_EQ(chains[0].step.inner_quantize, (InnerQuantize{p.q, -100, 99}));
  EXPECT_EQ(chains[0].step.step, p.b.plan.steps[1].step);
}

TEST(QuantizeChains, TablesThatMoveTheZeroPointGoAlong) {
  ChainPlan p(true);
  const auto chains = quantize_chains(p.b.finish());
  ASSERT_EQ(chains.size(), 1u);
  EXPECT_EQ(chains[0].reader, 2u);
  EXPECT_EQ(chains[0].absorbed, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(chains[0].step.inputs, std::vector<int32_t>{p.x});
  EXPECT_EQ(chains[0].step.inner_quantize, (InnerQuantize{p.q + 1, 10 - 128, 200 - 128}));
}

TEST(QuantizeChains, OtherTablesDoNot) {
  for (const int broken : {10, 100, 200}) {
    ChainPlan p(true, broken);
    EXPECT_TRUE(quantize_chains(p.b.finish()).empty()) << broken;
  }
  for (const int never : {9, 201}) {  // no value is quantized to it
    ChainPlan p(true, never);
    EXPECT_EQ(quantize_chains(p.b.finish()).size(), 1u) << never;
  }
}

TEST(QuantizeChains, OthersWantTheBytes) {
  ChainPlan twice;
  const int32_t z = twice.b.tensor("z", kS8, kLast, kImage, 0.25f);
  twice.b.step(small_conv(twice.b), {twice.q}, {z});
  EXPECT_TRUE(quantize_chains(twice.b.finish()).empty());

  ChainPlan output;
  output.b.plan.outputs.push_back(output.q);
  EXPECT_TRUE(quantize_chains(output.b.finish()).empty());

  ChainPlan residual;
  auto& conv = std::get<ConvStep>(residual.b.plan.steps[1].step);
  conv.residual = true, conv.residual_multiplier = 0.5f;
  residual.b.plan.steps[1].inputs.push_back(residual.q);
  EXPECT_TRUE(quantize_chains(residual.b.finish()).empty());
}

TEST(QuantizeChains, DynamicScalesStay) {
  EXPECT_EQ(quantize_chains(every_step_plan()).size(), 0u);
}

}  // namespace
}  // namespace octile::test
