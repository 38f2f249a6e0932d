// The runs of one chunk of samples: the float network, then for group after group the steps behind
// it, on what the group makes in int8. Start reading at run_probe().
#pragma once

#include <span>

#include "calibrate/chunks.h"
#include "octile/engine.h"
#include "tune/noise_plan.h"

namespace octile {

/// A NoiseRounds uses one context, in one thread. All it refers to must outlive it.
class NoiseRounds {
 public:
  NoiseRounds(const NoisePlan& noise, ExecutionContext& context, const Chunk& chunk);

  /// The float network, once, first of all: afterwards the tensors hold its values. Returns Σ y² of
  /// the measured tensors.
  std::vector<double> run_float();

  /// Puts what the int8 group makes of its float inputs into the place of its output and runs the
  /// float steps behind it. Returns Σ (y − float y)² of the measured tensors.
  /// REQUIRES: the makers of the probes that one object runs get earlier from call to call.
  ///
  /// Nothing is put back afterwards. What is not the float network's when a round ends (`stale_`)
  /// is the group's output and what hangs on it. In the next round, that of an earlier group:
  /// - The copy reads nothing stale. What is stale hangs on the output of a step that runs after
  ///   the earlier group's own, and what that group reads is made before it. (A tensor that it
  ///   reads may exist in a second layout, made later, but hangs on nothing else for that.)
  /// - The steps behind the group read nothing stale. They run in the plan's order, and among them
  ///   is each one that made something stale; all of those come after the group's own. So what a
  ///   step reads hangs on this round's group, or was made again from the float network's bytes,
  ///   and the same kernel makes the same of the same.
  /// When it ends, the stale tensors are its own again.
  std::vector<double> run_probe(const NoiseProbe& probe);

 private:
  std::span<const float> counted(int32_t t) const;  // without rows that only fill up a batch
  void put(int32_t from, int32_t to) const;

  const NoisePlan& noise_;
  const PlanData& plan_;
  ExecutionContext& context_;
  const Chunk& chunk_;
  std::vector<std::vector<float>> reference_;  // by measured tensor
  std::vector<bool> hangs_, stale_;            // by tensor: on this round's group; on the last's
};

}  // namespace octile
