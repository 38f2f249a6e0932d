// Samples as files, through the real program: batches that a profile cannot take, arrays in other
// types and axis orders, ranges at the ends of binary32.
#include "octile/data.h"

#include <cmath>

#include "end_to_end/digits.h"
#include "end_to_end/program.h"

namespace octile::test {
namespace {

class Data : public testing::Test {
 protected:
  Data() { place_.write("m.onnx", network_.onnx()); }

  void build(const std::string& plan, const Words& more = {}) {
    Words words{"build", "m.onnx", "-q", "-o", plan, "--tactics", "first"};
    words.insert(words.end(), more.begin(), more.end());
    octile_ok(place_, words);
  }
  /// The first digits as bytes, (count, 1, 28, 28).
  static Tensor bytes(int64_t count) {
    Tensor t(DataType::kUInt8, {count, 1, 28, 28});
    std::memcpy(t.data(), Digits::get().pixels.data(), t.bytes());
    return t;
  }
  Tensor scores(const std::string& plan, const std::string& data, const Words& more = {}) {
    Words words{"run", plan, "--data", data, "--preprocess", "scale=1/255", "-o", "out.npz"};
    words.insert(words.end(), more.begin(), more.end());
    said_ = octile(place_, words).err;
    return load_npz(place_ / "out.npz").at("scores");
  }

  const Place place_;
  const DigitNetwork network_;
  std::string said_;
};

TEST_F(Data, ALastBatchBelowTheProfileIsFilledUpAndTheSurplusDropped) {
  build("four.plan", {"--profile", "image:4x1x28x28/4x1x28x28/4x1x28x28"});
  save_npy(place_ / "ten.npy", bytes(10));
  const Tensor out = scores("four.plan", "ten.npy");
  ASSERT_EQ(out.shape(), (Shape{10, 10}));
  for (int64_t i = 0; i < 100; ++i) {
    const double expected = network_.facts().scores[size_t(i / 10)][size_t(i % 10)];
    ASSERT_NEAR(out.as<float>()[i], expected, 1e-4 * std::max(1.0, std::fabs(expected))) << i;
  }
  EXPECT_TRUE(contains(said_, "batch of 2 is less than the profile's 4"));
  EXPECT_TRUE(contains(said_, "10/10"));
  EXPECT_EQ(scores("four.plan", "ten.npy", {"--samples", "1"}).shape(), (Shape{1, 10}));
}

TEST_F(Data, ArraysOfAnyNumbersCalibrateAndRunAlike) {
  save_npy(place_ / "u8.npy", bytes(8));
  build("u8.plan", {"--int8", "--calibrate", "u8.npy", "--preprocess", "scale=1/255"});
  const Tensor expected = scores("u8.plan", "u8.npy");
  for (const DataType type : {DataType::kInt16, DataType::kInt32, DataType::kInt64,
                              DataType::kFloat16, DataType::kFloat64}) {
    save_npy(place_ / "other.npy", bytes(8).cast(type));
    build("other.plan", {"--int8", "--calibrate", "other.npy", "--preprocess", "scale=1/255"});
    for (const std::string plan : {"u8.plan", "other.plan"}) {
      EXPECT_EQ(list<float>(scores(plan, "other.npy")), list<float>(expected)) << name_of(type);
    }
  }
}

TEST_F(Data, ArraysThatAreNoInputEndWithOneAndSayWhy) {
  build("f.plan");
  const auto refusal = [&](const std::string& file) {
    const Ended ended = octile(place_, {"run", "f.plan", "--data", file});
    EXPECT_EQ(ended.code, 1) << ended.err;
    return ended.err;
  };
  save_npy(place_ / "turned.npy", bytes(4).reshaped({4, 2, 28, 14}));
  EXPECT_TRUE(contains(refusal("turned.npy"), "(4, 2, 28, 14) do not fit"));
  std::string header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }";
  place_.write("object.npy", std::string("\x93NUMPY\x01\0", 8) + char(header.size()) +
                                 std::string(1, '\0') + header + "pickled");
  EXPECT_TRUE(contains(refusal("object.npy"), "Python objects"));
}

TEST_F(Data, RangesAtTheEndsOfFloatBuildAndRun) {
  save_npy(place_ / "x.npy", bytes(4));
  for (const std::string scheme : {"static-symmetric", "static-affine"}) {
    for (const std::string range : {"image=-1e-37:1e-37", "image=-3.3e38:3.3e38"}) {
      build("odd.plan", {"--int8", "--calibrate", "x.npy", "--preprocess", "scale=1/255",
                         "--scheme", scheme, "--range", range});
      const Tensor out = scores("odd.plan", "x.npy");
      for (const float v : list<float>(out)) EXPECT_TRUE(std::isfinite(v)) << scheme << range;
    }
  }
}

}  // namespace
}  // namespace octile::test
