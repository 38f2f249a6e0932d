// Which tactic runs each step: the first that accepts, or the fastest by measurement.
#pragma once

#include "backend/backend.h"
#include "compile/timing_cache.h"
#include "octile/builder.h"

namespace octile {

/// Fills PlanStep::tactics for every profile. Timed: at the profile's opt shapes, candidates
/// interleaved, medians after a warm-up; a row must beat an earlier one by more than 2 %.
/// Where affine activations cost time on this CPU, one line of the log says how much.
/// Measurements are read from and added to `times`.
void select_tactics(PlanData& plan, const Backend& backend, const Device& device,
                    const BuildOptions& options, TimingCache& times);

/// The machine that times hold for: chip, instruction set, threads.
std::string place_of(const Device& device);

}  // namespace octile
