// Recurrent against values worked out by hand (hidden size 1) and against itself reversed.
#include <cmath>

#include "ops/run.h"

namespace octile::test {
namespace {

using AK = ActivationKind;
using Floats = std::vector<float>;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

Recurrent rnn(RecurrentDirection direction = RecurrentDirection::kForward) {
  Recurrent op;
  op.kind = RecurrentKind::kRnn;
  op.direction = direction;
  op.activations = {{AK::kAffine, 1, 0}};
  if (direction == RecurrentDirection::kBidirectional)
    op.activations.push_back({AK::kAffine, 2, 0});
  return op;
}

TEST(Recurrent, RnnForwardReverseAndBoth) {
  // y = x + h/2 (the second direction: twice that)
  const Tensor x = Tensor::floats({3, 1, 1}, {1, 2, 4});
  const Tensor w = Tensor::floats({1, 1, 1}, {1}), r = Tensor::floats({1, 1, 1}, {0.5f});
  const auto forward = run_all(rnn(), {x, w, r});
  EXPECT_EQ(forward[0].shape(), (Shape{3, 1, 1, 1}));
  EXPECT_EQ(list<float>(forward[0]), (Floats{1, 2.5f, 5.25f}));
  EXPECT_EQ(list<float>(forward[1]), Floats{5.25f});
  const auto reverse = run_all(rnn(RecurrentDirection::kReverse), {x, w, r});
  EXPECT_EQ(list<float>(reverse[0]), (Floats{3, 4, 4}));
  EXPECT_EQ(list<float>(reverse[1]), Floats{3});
  const Tensor w2 = Tensor::floats({2, 1, 1}, {1, 1}), r2 = Tensor::floats({2, 1, 1}, {0.5f, 0.5f});
  const auto both = run_all(rnn(RecurrentDirection::kBidirectional), {x, w2, r2});
  EXPECT_EQ(both[0].shape(), (Shape{3, 2, 1, 1}));
  EXPECT_EQ(list<float>(both[0]), (Floats{1, 14, 2.5f, 12, 5.25f, 8}));
  EXPECT_EQ(list<float>(both[1]), (Floats{5.25f, 14}));
}

TEST(Recurrent, LengthsInitialStateBiasAndClip) {
  Recurrent op = rnn(RecurrentDirection::kReverse);
  op.has_bias = op.has_lengths = op.has_initial_h = true;
  op.clip = 6;
  const Tensor x = Tensor::floats({2, 3, 1}, {1, 1, 1, 5, 5, 5});
  const Tensor one = Tensor::floats({1, 1, 1}, {1});
  Tensor lengths(DataType::kInt32, Shape{3});
  lengths.as<int32_t>()[0] = 2;
  lengths.as<int32_t>()[1] = 1;
  const auto y = run_all(op, {x, one, one, Tensor::floats({1, 2}, {1, -0.5f}), lengths,
                              Tensor::floats({1, 3, 1}, {0.25f, 0, 9})});
  // sample 0: 5 + .5 + .25, then 1 + .5 + 5.75 clipped; 1: its own end first; 2: no step at all
  EXPECT_EQ(list<float>(y[0]), (Floats{6, 1.5f, 0, 5.75f, 0, 0}));
  EXPECT_EQ(list<float>(y[1]), (Floats{6, 1.5f, 9}));
  lengths.as<int32_t>()[0] = 3;
  EXPECT_TRUE(contains(message_of([&] {
                         run_all(op, {x, one, one, Tensor::floats({1, 2}, {1, 0}), lengths,
                                      Tensor::floats({1, 3, 1}, {0, 0, 0})});
                       }),
                       "length 3"));
}

TEST(Recurrent, GruBothWays) {
  Recurrent op;
  op.kind = RecurrentKind::kGru;
  op.activations = {{AK::kSigmoid}, {AK::kTanh}};
  op.has_bias = op.has_initial_h = true;
  const Tensor x = Tensor::floats({1, 1, 1}, {0.5f}), w = Tensor::floats({1, 3, 1}, {1, 2, 3}),
               r = Tensor::floats({1, 3, 1}, {-1, 0.5f, 2}),
               b = Tensor::floats({1, 6}, {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f}),
               h = Tensor::floats({1, 1, 1}, {0.8f});
  const double z = sigmoid(0.5 + 0.1 - 0.8 + 0.4), reset = sigmoid(1 + 0.2 + 0.4 + 0.5);
  const double candidate = std::tanh(1.5 + 0.3 + 2 * reset * 0.8 + 0.6);
  EXPECT_NEAR(list<float>(run(op, {x, w, r, b, h}))[0], (1 - z) * candidate + z * 0.8, 1e-6);
  op.linear_before_reset = true;
  const double later = std::tanh(1.5 + 0.3 + reset * (2 * 0.8 + 0.6));
  EXPECT_NEAR(list<float>(run(op, {x, w, r, b, h}))[0], (1 - z) * later + z * 0.8, 1e-6);
}

TEST(Recurrent, LstmWithPeepholesAndCoupledGates) {
  Recurrent op;
  op.activations = {{AK::kSigmoid}, {AK::kTanh}, {AK::kTanh}};
  op.has_initial_h = op.has_initial_c = op.has_peepholes = true;
  const Tensor x = Tensor::floats({1, 1, 1}, {0.5f}), w = Tensor::floats({1, 4, 1}, {1, 2, -1, 3}),
               r = Tensor::floats({1, 4, 1}, {0.5f, -0.5f, 1, 2}),
               h = Tensor::floats({1, 1, 1}, {0.4f}), c = Tensor::floats({1, 1, 1}, {-0.6f}),
               p = Tensor::floats({1, 3}, {0.1f, 0.2f, 0.3f});  // i, o, f
  const double i = sigmoid(0.5 + 0.2 - 0.06), f = sigmoid(-0.5 + 0.4 - 0.18);
  const double g = std::tanh(1.5 + 0.8);
  const auto check_with = [&](double forget) {
    const double cell = forget * -0.6 + i * g, o = sigmoid(1 - 0.2 + 0.2 * cell);
    const auto y = run_all(op, {x, w, r, h, c, p});
    ASSERT_EQ(y.size(), 3u);
    EXPECT_NEAR(list<float>(y[0])[0], o * std::tanh(cell), 1e-6);
    EXPECT_NEAR(list<float>(y[2])[0], cell, 1e-6);
  };
  check_with(f);
  op.input_forget = true;
  check_with(1 - i);
}

TEST(Recurrent, UnknownExtentsAndRefusals) {
  Recurrent op;
  op.activations = {{AK::kSigmoid}, {AK::kTanh}, {AK::kTanh}};
  const Shape w{1, 20, 3}, r{1, 20, 5};
  EXPECT_EQ(shape_of(op, {{kDynamic, kDynamic, 3}, w, r}), (Shape{kDynamic, 1, kDynamic, 5}));
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 4}, w, r}), "weights"));
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 3}, w, {1, 15, 5}}), "recurrence"));
  EXPECT_TRUE(contains(refusal(op, {{2, 3}, w, r}), "three axes"));
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 3}, w}), "2 inputs"));
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 3}, w, r}, DataType::kInt32), "type"));
  op.clip = -1;
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 3}, w, r}), "clip"));
  op.clip = 0;
  op.activations.pop_back();
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 3}, w, r}), "activations"));
  op = rnn();
  op.has_peepholes = true;
  EXPECT_TRUE(contains(refusal(op, {{2, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 3}}), "LSTM"));
}

}  // namespace
}  // namespace octile::test
