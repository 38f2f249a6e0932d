// Keywords of build() about what INT8 may cost: max_loss, min_sqnr_db, evaluate, noise_samples.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "batches.h"
#include "octile/builder.h"

namespace octile::python {

namespace nb = nanobind;

/// A PrecisionGoal that asks Python. It must outlive the build, and be made and destroyed with the
/// GIL.
class Goal {
 public:
  /// Takes its keywords.
  Goal(nb::dict& keywords, Calls& calls);
  /// kInvalidArgument for what goes unheard under `options`, or needs more. `network` is the float
  /// one and `options` are those for it: recipes change both. Samples are read as `calibration`
  /// says.
  void settle(const Network& network, const BuildOptions& options,
              const CalibrationOptions& calibration, Samples& samples);
  const PrecisionGoal& value() const { return goal_; }

 private:
  void check_against(const BuildOptions& options) const;
  Accuracy accuracy_of(const Plan& plan);
  Accuracy asked(const Plan& plan);
  double reference();
  Accuracy compared_with_float(const Plan& plan);

  Calls& calls_;
  nb::object evaluate_;
  std::optional<int64_t> noise_samples_;
  PrecisionGoal goal_;
  Network network_;
  BuildOptions options_;
  Samples* samples_ = nullptr;
  std::optional<double> reference_;  // the float plan's, asked for once
};

}  // namespace octile::python
