// See pareto.h.
#include "tune/pareto.h"

#include <deque>

namespace octile {

std::vector<ParetoPoint> pareto_hull(const SolveFor& solve, double most_lambda, size_t most) {
  std::vector<ParetoPoint> hull{solve(0.0)};
  ParetoPoint last = solve(most_lambda);
  if (last.labels == hull[0].labels) return hull;
  hull.push_back(std::move(last));
  // Gaps in order of age, so that a bound on their number leaves a curve with even detail.
  std::deque<std::pair<std::vector<Label>, std::vector<Label>>> gaps{
      {hull[0].labels, hull[1].labels}};
  while (!gaps.empty() && hull.size() < most) {
    const auto [from, to] = gaps.front();
    gaps.pop_front();
    size_t i = 0;
    while (hull[i].labels != from) ++i;
    const ParetoPoint &a = hull[i], &b = hull[i + 1];
    if (a.noise <= b.noise) continue;
    ParetoPoint middle = solve((b.ns - a.ns) / (a.noise - b.noise));
    const bool between =
        middle.ns > a.ns && middle.ns < b.ns && middle.noise < a.noise && middle.noise > b.noise;
    if (!between) continue;
    gaps.emplace_back(from, middle.labels);
    gaps.emplace_back(middle.labels, to);
    hull.insert(hull.begin() + std::ptrdiff_t(i) + 1, std::move(middle));
  }
  return hull;
}

}  // namespace octile
