// The curve of time against noise, held to every assignment there is.
#include "tune/pareto.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace octile {
namespace {

/// Independent layers: in int8 each takes gain[i] less and adds noise[i].
struct Layers {
  std::vector<double> gain, noise;

  ParetoPoint solve(double lambda) const {
    ParetoPoint point{.lambda = lambda, .ns = 1000.0, .noise = 0.0, .labels = {}};
    for (size_t i = 0; i < gain.size(); ++i) {
      const bool int8 = gain[i] > lambda * noise[i];
      point.labels.push_back(int8 ? Label::kInt8 : Label::kFloat);
      if (int8) point.ns -= gain[i], point.noise += noise[i];
    }
    return point;
  }
};

/// Of all 2^n assignments those that some λ prefers to every other: no point and no line between
/// two points lies below.
size_t corners(const Layers& layers) {
  std::vector<std::pair<double, double>> points;  // noise, ns
  for (uint32_t set = 0; set < (1u << layers.gain.size()); ++set) {
    double ns = 1000.0, noise = 0.0;
    for (size_t i = 0; i < layers.gain.size(); ++i) {
      if ((set >> i & 1) != 0) ns -= layers.gain[i], noise += layers.noise[i];
    }
    points.emplace_back(noise, ns);
  }
  std::sort(points.begin(), points.end());
  std::vector<std::pair<double, double>> hull;
  for (const auto& p : points) {
    const auto turns = [&] {
      const auto &a = hull[hull.size() - 2], &b = hull.back();
      return (b.first - a.first) * (p.second - a.second) -
                 (b.second - a.second) * (p.first - a.first) <=
             1e-9;
    };
    while (hull.size() >= 2 && turns()) hull.pop_back();
    if (hull.empty() || p.second < hull.back().second) hull.push_back(p);
  }
  return hull.size();
}

TEST(Pareto, FindsEveryCornerOfTheHull) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> values(1.0, 50.0);
  for (int round = 0; round < 50; ++round) {
    Layers layers;
    for (int i = 0; i < 8; ++i) {
      layers.gain.push_back(values(random));
      layers.noise.push_back(values(random));
    }
    const auto curve = pareto_hull([&](double l) { return layers.solve(l); }, 1e18);
    EXPECT_EQ(curve.size(), corners(layers)) << "round " << round;
    for (size_t i = 1; i < curve.size(); ++i) {
      EXPECT_LT(curve[i - 1].ns, curve[i].ns);
      EXPECT_GT(curve[i - 1].noise, curve[i].noise);
      EXPECT_LT(curve[i - 1].lambda, curve[i].lambda);
    }
  }
}

TEST(Pareto, OnePointWhereNothingCanBeTraded) {
  const Layers none{{-1.0, -2.0}, {1.0, 1.0}};
  EXPECT_EQ(pareto_hull([&](double l) { return none.solve(l); }, 1e18).size(), 1u);
}

TEST(Pareto, KeepsToTheNumberAskedFor) {
  Layers layers;
  for (int i = 0; i < 30; ++i) {
    layers.gain.push_back(1.0 + i);
    layers.noise.push_back(1.0);
  }
  const auto curve = pareto_hull([&](double l) { return layers.solve(l); }, 1e18, 10);
  EXPECT_EQ(curve.size(), 10u);
  EXPECT_EQ(curve.front().labels, layers.solve(0.0).labels);
  EXPECT_EQ(curve.back().labels, layers.solve(1e18).labels);
}

}  // namespace
}  // namespace octile
