// Runs one tactic on one case with guard bytes around outputs and workspace, inputs of exactly
// their size, aligned and misaligned, one thread and several.
#pragma once

#include <vector>

#include "conformance/case.h"

namespace octile {

/// How the tensors lie in memory, and on how many threads the tactic runs.
struct RunOptions {
  int threads = 1;
  bool aligned = true;  // to 64 bytes; else to the element's size only
  int in_place = -1;    // ≥ 0: the output is that input's memory
  int64_t profile = 1;  // the profile's largest batch, as a multiple of the case's
};

size_t bytes_of(const PlanTensor& t);
/// What refuse(), pack() and workspace_bytes() see: the same step with a larger batch.
StepView largest(const StepView& view, int64_t factor);
/// The portable row that accepts the step, or null.
const Tactic* portable_row(const StepView& view);
/// True when the plan may give the step's output the memory of that input.
bool may_share(const StepView& view, size_t input);

/// Bytes of each output. Fails the current test (with the tactic's name) on a written guard, a
/// changed input, or when a second run of the same Prepared differs from the first.
std::vector<std::vector<std::byte>> run_tactic(const Tactic& tactic, const Case& c, Isa isa,
                                               const RunOptions& options = {});

/// "" or where the outputs differ: bit for bit, or within the tolerance of float steps.
std::string difference(const Case& c, const std::vector<std::vector<std::byte>>& expected,
                       const std::vector<std::vector<std::byte>>& actual);

}  // namespace octile
