// DFT, STFT and the windows: opsets, defaults, refusals. (Values: the node tests,
// ops/fourier_test.)
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

TEST(OnnxSignal, DftTakesItsAxisFromTheOpset) {
  const Tensor x = Tensor::floats({1, 2, 2, 1}, {1, 2, 3, 5});
  Model old(17);
  old.input("x", {1, 2, 2, 1}).output("y");
  old.node("DFT", {"x"}, {"y"});  // axis 1
  EXPECT_EQ(list<float>(old.run({x})[0]), (Floats{4, 0, 7, 0, -2, 0, -3, 0}));
  Model recent(20);
  recent.input("x", {1, 2, 2, 1}).output("y").int64s("n", {}, {2});
  recent.node("DFT", {"x", "n"}, {"y"}).set("onesided", 1);  // axis -2
  EXPECT_EQ(list<float>(recent.run({x})[0]), (Floats{3, 0, -1, 0, 8, 0, -2, 0}));
  Model both(17);
  both.input("x", {1, 2, 2, 1}).output("y");
  both.node("DFT", {"x"}, {"y"}).set("onesided", 1).set("inverse", 1);
  both.error(ErrorCode::kUnsupported);
}

TEST(OnnxSignal, StftWithAWindowAndAnUnknownBatch) {
  Model m(17);
  m.input("x", {-1, 4, 1}).output("y").int64s("step", {}, {2}).floats("w", {2}, {1, 0.5f});
  m.node("STFT", {"x", "step", "w"}, {"y"});
  const Tensor y = m.run({Tensor::floats({1, 4, 1}, {1, 2, 3, 4})})[0];
  EXPECT_EQ(y.shape(), (Shape{1, 2, 2, 2}));
  EXPECT_EQ(list<float>(y), (Floats{2, 0, 0, 0, 5, 0, 1, 0}));
  Model longer(17);
  longer.input("x", {1, 4, 1}).output("y").int64s("step", {}, {2}).int64s("length", {}, {5});
  longer.node("STFT", {"x", "step", "", "length"}, {"y"});
  EXPECT_TRUE(contains(longer.error(ErrorCode::kInvalidFile), "5 samples"));
  Model zero(17);
  zero.input("x", {1, 4, 1}).output("y").int64s("step", {}, {0}).int64s("length", {}, {2});
  zero.node("STFT", {"x", "step", "", "length"}, {"y"});
  EXPECT_TRUE(contains(zero.error(ErrorCode::kInvalidFile), "frame_step"));
}

TEST(OnnxSignal, WindowsAreConstants) {
  const auto window = [](const std::string& op_type, int periodic) {
    Model m(17);
    m.output("y").int64s("n", {}, {4});
    m.node(op_type, {"n"}, {"y"}).set("periodic", periodic);
    return list<float>(m.run({})[0]);
  };
  const Floats hann = window("HannWindow", 1);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(hann[i], (Floats{0, 0.5f, 1, 0.5f})[i], 1e-6);
  const Floats hamming = window("HammingWindow", 0);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(hamming[i], (Floats{2 / 23.0f, 35.5f / 46, 35.5f / 46, 2 / 23.0f})[i], 1e-6);
  }
  Model huge(17);
  huge.output("y").int64s("n", {}, {INT64_MAX});
  huge.node("BlackmanWindow", {"n"}, {"y"});
  EXPECT_TRUE(contains(huge.error(ErrorCode::kInvalidFile), "size"));
}

}  // namespace
}  // namespace octile::test
#endif
