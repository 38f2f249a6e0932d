// Calibration of a network that ends with NonMaxSuppression: its tail has another shape for each
// sample, and none at all for some.
#include <gtest/gtest.h>

#include "calibrate/driver.h"
#include "calibrate/histogram.h"
#include "octile/builder.h"
#include "octile/engine.h"
#include "support/detections.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

/// image (1, 5, 4, 4) → 1×1 convolution that copies → boxes and scores of 16 pixels → the scores of
/// those kept. "never" are scores above 100.
Network detector() {
  Network n("detector");
  const TensorId x = n.add_input("image", DataType::kFloat32, {1, 5, 4, 4});
  Tensor copy(DataType::kFloat32, {5, 5, 1, 1});
  for (int i = 0; i < 5; ++i) copy.as<float>()[6 * i] = 1.0f;
  const TensorId raw = n.convolution(x, copy, std::nullopt, {}, "conv");
  const TensorId flat = n.reshape(raw, {1, 5, 16}, "flat");
  const TensorId boxes =
      n.transpose(n.slice(flat, Slice{{1}, {0}, {4}, {}}, "corners"), {0, 2, 1}, "boxes");
  const TensorId scores = n.slice(flat, Slice{{1}, {4}, {1}, {}}, "scores");
  const TensorId list = n.reshape(scores, {16}, "list");
  for (const auto& [name, least] : {std::pair{"kept", 0.5f}, {"never", 100.0f}}) {
    const std::string s = name;
    const TensorId found =
        n.output(n.add(NonMaxSuppression{16, 0.5f, least, false}, {boxes, scores}, s + "_nms"));
    const TensorId index =
        n.reshape(n.slice(found, Slice{{1}, {2}, {1}, {}}, s + "_column"), {-1}, s + "_index");
    n.mark_output(n.gather(list, index, 0, s + "_gather"), s);
  }
  return n;
}

Tensor boxed_samples(int64_t count) { return boxes_and_scores(count, 2.0f); }

class OneBatch : public BatchSource {
 public:
  explicit OneBatch(Tensor all) : all_(std::move(all)) {}
  std::optional<Batch> next() override {
    if (std::exchange(done_, true)) return std::nullopt;
    return Batch{{"", all_}};
  }
  void rewind() override { done_ = false; }
  int64_t size() const override { return all_.shape()[0]; }
  std::string digest() override { return "boxes"; }

 private:
  Tensor all_;
  bool done_ = false;
};

TEST(CalibrateLate, TailsAreSeenWithTheirShapes) {
  for (const bool reproducible : {true, false}) {
    OneBatch source(boxed_samples(5));
    CalibrationOptions options;
    options.reproducible = reproducible;
    const CalibrationData data = collect(detector(), source, options);
    EXPECT_EQ(data.histograms.at("conv_output").finite, 5u * 80);
    const Histogram& kept = data.histograms.at("kept");
    EXPECT_EQ(kept.finite, 0u + 1 + 2 + 3 + 4);
    EXPECT_EQ(kept.min, 2.0f);
    EXPECT_EQ(kept.max, 5.0f);
    EXPECT_EQ(data.histograms.at("never").finite, 0u);
    EXPECT_EQ(compute_table(data, options).entries.at("kept").threshold > 0.0f, true);
  }
}

TEST(CalibrateLate, TheBackboneIsInt8) {
  OneBatch source(boxed_samples(5));
  const Network network = detector();
  const CalibrationTable table = calibrate(network, source, {});
  BuildOptions options;
  options.int8 = true;
  options.tactics = BuildOptions::Tactics::kFirst;
  const Plan plan = build(network, &table, options);
  bool int8 = false;
  for (const LayerInfo& layer : plan.layers()) {
    int8 = int8 || (layer.name == "conv" && contains(layer.precision, "int8"));
  }
  EXPECT_TRUE(int8);
  const Engine engine = Engine::load(plan);
  ExecutionContext context = engine.create_context();
  const Tensor all = boxed_samples(5);
  for (int64_t s = 0; s < 5; ++s) {
    Tensor one(DataType::kFloat32, {1, 5, 4, 4});
    std::copy_n(all.as<float>() + s * 80, 80, one.as<float>());
    EXPECT_EQ(context.run({one})[0].shape(), (Shape{s}));
  }
}

}  // namespace
}  // namespace octile::test
