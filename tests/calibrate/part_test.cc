// Parts of a collection: whatever way samples are shared out and parts are merged, the whole is
// what collect() makes of all of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/error.h"
#include "calibrate/spool.h"
#include "octile/calibration.h"

namespace octile {
namespace {

Tensor made_up(const Shape& shape, uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  Tensor tensor(DataType::kFloat32, shape);
  for (int64_t i = 0; i < tensor.volume(); ++i) tensor.as<float>()[i] = normal(random);
  return tensor;
}

/// convolution → relu → product, batch `batch` (−1: dynamic).
Network part_network(int64_t batch = kDynamic, uint32_t seed = 1) {
  Network network("parts");
  const TensorId x = network.add_input("image", DataType::kFloat32, {batch, 2, 6, 6});
  Convolution convolution;
  convolution.window.kernel = {3, 3};
  const TensorId c =
      network.convolution(x, made_up({4, 2, 3, 3}, seed), std::nullopt, convolution, "conv");
  const TensorId r = network.activation(c, ActivationKind::kRelu, 0, 0, "relu");
  const TensorId flat = network.reshape(r, {-1, 64}, "flat");
  network.mark_output(network.fully_connected(flat, made_up({64, 5}, seed + 1), std::nullopt, "fc"),
                      "y");
  return network;
}

/// Given batches, in order.
class BatchList : public BatchSource {
 public:
  explicit BatchList(std::vector<Tensor> batches) : batches_(std::move(batches)) {}
  std::optional<Batch> next() override {
    if (at_ == batches_.size()) return std::nullopt;
    return Batch{{"image", batches_[at_++]}};
  }
  void rewind() override { at_ = 0; }
  int64_t size() const override { return -1; }
  std::string digest() override { return "list"; }

 private:
  std::vector<Tensor> batches_;
  size_t at_ = 0;
};

Tensor sample(int i) {
  return made_up({1, 2, 6, 6}, static_cast<uint32_t>(100 + i), 0.1f * (i + 1));
}

BatchList samples_from(int begin, int end) {
  std::vector<Tensor> batches;
  for (int i = begin; i < end; ++i) batches.push_back(sample(i));
  return BatchList(std::move(batches));
}

/// The parts of [0, 20) cut at `cuts`, made by collectors of their own and merged in an order drawn
/// by the seed, pairs first.
template <typename Make>
CalibrationPart merged(std::vector<int> cuts, uint32_t seed, Make&& make) {
  std::vector<CalibrationPart> parts;
  cuts.push_back(20);
  int begin = 0;
  for (const int end : cuts) {
    BatchList source = samples_from(begin, end);
    const CalibrationPart part = make(source);
    parts.push_back(CalibrationPart::from_bytes(part.to_bytes(), "part"));
    EXPECT_EQ(parts.back(), part);
    begin = end;
  }
  std::mt19937 random(seed);
  while (parts.size() > 1) {
    std::shuffle(parts.begin(), parts.end(), random);
    parts.front().merge(parts.back());
    parts.pop_back();
  }
  return parts.front();
}

CalibrationData shared_out(const Network& network, const CalibrationOptions& options,
                           const std::vector<int>& cuts, uint32_t seed) {
  const CalibrationPart ranges = merged(cuts, seed, [&](BatchSource& source) {
    return PartCollector(network, options).ranges(source);
  });
  PartCollector stays(network, options);
  const CalibrationPart counts =
      merged(cuts, seed + 1, [&](BatchSource& source) { return stays.counts(source, ranges); });
  return whole_collection(ranges, counts);
}

TEST(Parts, MakeTheCollectionOfOneProcessHoweverSamplesAreSharedOut) {
  const Network network = part_network();
  for (const bool reproducible : {true, false}) {
    CalibrationOptions options;
    options.reproducible = reproducible;
    options.threads = 2;
    BatchList all = samples_from(0, 20);
    SpoolingSource drawn([&] { return all.next(); });
    const CalibrationData expected = collect(network, drawn, options);
    for (const std::vector<int>& cuts :
         std::vector<std::vector<int>>{{}, {1}, {7, 7, 11}, {2, 4, 6, 8, 10, 12, 14, 16, 18}}) {
      for (uint32_t seed : {1u, 2u}) {
        const CalibrationData data = shared_out(network, options, cuts, seed);
        EXPECT_EQ(data.histograms, expected.histograms);
        EXPECT_EQ(compute_table(data).to_json(), compute_table(expected).to_json());
      }
    }
  }
}

TEST(Parts, OfASampleCountedTwiceOrLeftOutShow) {
  const Network network = part_network();
  PartCollector collector(network, {});
  BatchList all = samples_from(0, 5), four = samples_from(0, 4),
            twice({sample(0), sample(0), sample(2)});
  BatchList three = samples_from(0, 3);
  const CalibrationPart ranges = collector.ranges(all);
  EXPECT_THROW(whole_collection(ranges, collector.counts(four, ranges)), Error);
  const CalibrationPart of_three = collector.ranges(three);
  EXPECT_THROW(whole_collection(of_three, collector.counts(twice, of_three)), Error);
  BatchList none({});
  const CalibrationPart empty = collector.ranges(none);
  EXPECT_THROW(whole_collection(empty, collector.counts(none, empty)), Error);
  EXPECT_THROW(whole_collection(ranges, ranges), Error);
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Parts, OfDifferentFloatPathsAreRefusedByNameUnlessTold) {
  BatchList source = samples_from(0, 2);
  PartCollector collector(part_network(), {});
  CalibrationPart a = collector.ranges(source), b = a;
  b.paths = {"cuda: another"};
  const std::string message = refusal([&] { a.merge(b); });
  EXPECT_NE(message.find("cuda: another"), std::string::npos);
  EXPECT_NE(message.find(*a.paths.begin()), std::string::npos);
  a.merge(b, true);
  EXPECT_EQ(a.samples, 4);
  EXPECT_EQ(a.paths.size(), 2u);
  CalibrationPart counts = collector.counts(source, a);
  counts.merge(CalibrationPart(counts));
  const CalibrationData data = whole_collection(a, counts);
  EXPECT_EQ(data.path.substr(0, 5), "cuda+");
}

TEST(Parts, OfOtherWorkAreRefused) {
  BatchList source = samples_from(0, 2);
  CalibrationPart part = PartCollector(part_network(), {}).ranges(source);
  CalibrationOptions other;
  other.preprocess = "{\"scale\":2}";
  const CalibrationPart preprocessed = PartCollector(part_network(), other).ranges(source);
  EXPECT_NE(refusal([&] { part.merge(preprocessed); }).find("preprocessing"), std::string::npos);
  const CalibrationPart model = PartCollector(part_network(kDynamic, 9), {}).ranges(source);
  EXPECT_NE(refusal([&] { part.merge(model); }).find("different models"), std::string::npos);
  PartCollector collector(part_network(), {});
  const CalibrationPart counts = collector.counts(source, part);
  EXPECT_NE(refusal([&] { part.merge(counts); }).find("one of the counts"), std::string::npos);
  EXPECT_NE(refusal([&] { collector.counts(source, model); }).find("same model"),
            std::string::npos);
  EXPECT_NE(refusal([&] { PartCollector(part_network(4), {}); }).find("fixed batch of 4"),
            std::string::npos);
}

TEST(Parts, DamagedBytesAreRefusedWhateverByteItIs) {
  BatchList source = samples_from(0, 1);
  const std::string bytes = PartCollector(part_network(), {}).ranges(source).to_bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x11);
    EXPECT_THROW(CalibrationPart::from_bytes(damaged, "part"), Error) << i;
    EXPECT_THROW(CalibrationPart::from_bytes(bytes.substr(0, i), "part"), Error) << i;
  }
}

}  // namespace
}  // namespace octile
