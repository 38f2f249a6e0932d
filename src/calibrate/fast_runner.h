// The fast float path: an engine of oneDNN tactics that keeps its tensors (no fusion, no aliasing,
// no reuse of memory), so that calibration can look at all of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/float_runner.h"
#include "octile/engine.h"
#include "plan/plan_data.h"

namespace octile {

/// A runner over the fast path, or null when this build has none: calibration then takes the
/// reproducible path and its table says so. Each chunk runs on the calling thread alone.
std::unique_ptr<FloatRunner> make_fast_runner(const Network& network);

/// A KeepingEngine is a float engine of the network for inputs of very shapes (another set of them
/// compiles it again), with every tensor at a place of its own. `network` must outlive it.
class KeepingEngine {
 public:
  KeepingEngine(const Network& network, std::string device)
      : network_(network), device_(std::move(device)) {}
  void run(const std::map<std::string, Tensor>& inputs);
  // REQUIRES: run().
  const ExecutionContext& context() const { return *context_; }
  const PlanTensor& tensor(int32_t t) const { return engine_->plan().data().tensors[size_t(t)]; }
  /// True for one tensor of each name: one may exist in two layouts.
  bool shows(int32_t t) const { return shown_[size_t(t)]; }

 private:
  bool fits(const std::map<std::string, Tensor>& inputs) const;
  void load(const std::map<std::string, Tensor>& inputs);

  const Network& network_;
  std::string device_;
  std::optional<Engine> engine_;
  std::optional<ExecutionContext> context_;
  std::vector<bool> shown_;
};

}  // namespace octile
