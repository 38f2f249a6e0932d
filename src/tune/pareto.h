// The curve of time against noise that λ sweeps.
#pragma once

#include <functional>
#include <vector>

#include "tune/precision_problem.h"

namespace octile {

/// One assignment: what it takes and what it adds.
struct ParetoPoint {
  double lambda = 0.0;  // the least one, of those tried, that gives it
  double ns = 0.0, noise = 0.0;
  std::vector<Label> labels;
};

/// Labels that minimize time + λ · noise, and both of them.
using SolveFor = std::function<ParetoPoint(double lambda)>;

/// The corners of the lower hull of (time, noise), the quickest first, at most `most` of them. Each
/// pair of neighbours is tried with the λ at which they cost the same: what costs less lies between
/// them, and where nothing does they are neighbours for good. `most_lambda` is that of the last.
std::vector<ParetoPoint> pareto_hull(const SolveFor& solve, double most_lambda, size_t most = 48);

}  // namespace octile
