// One of the two engines that compare() runs: made for the shapes of the samples, and anew when
// these change.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "octile/data.h"
#include "octile/network.h"
#include "report/tapped_engine.h"

namespace octile {

class Side {
 public:
  /// Makes a plan for samples of these shapes, and raises their axis 0 to what it needs.
  using Maker = std::function<std::shared_ptr<const PlanData>(std::vector<Shape>&)>;

  /// `what` names it in errors.
  Side(std::string what, std::vector<std::string> inputs, Maker maker, int threads,
       std::string device = "cpu");
  /// Returns how many samples the batch holds; where more rows are needed the last is repeated.
  int64_t run(const Batch& batch);
  const TappedEngine& engine() const { return *engine_; }
  /// Rows that really ran.
  int64_t rows() const { return loaded_.empty() ? 1 : loaded_[0][0]; }

 private:
  const Tensor& array_for(const Batch& batch, const std::string& name) const;

  std::string what_;
  std::vector<std::string> inputs_;
  Maker maker_;
  int threads_;
  std::string device_;
  std::vector<Shape> given_, loaded_;
  std::optional<TappedEngine> engine_;
};

/// The float engine of a network, all tensors kept. `network` outlives it.
Side reference_side(const Network& network, int threads);
/// A plan under the first profile that holds the samples. `plan` outlives it.
Side candidate_side(const PlanData& plan, int threads, const std::string& device);

}  // namespace octile
