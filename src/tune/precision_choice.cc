// See precision_choice.h. Start reading at run().
#include "tune/precision_choice.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "compile/timing_cache.h"
#include "tune/precision_text.h"

namespace octile {
namespace {

constexpr double kMustExplain = 0.15;  // predicted and measured times apart
constexpr double kMustWinBy = 1.01;    // another engine than the chosen one

std::vector<Label> labels_of(const std::vector<GroupLabel>& groups, bool half) {
  std::vector<Label> labels;
  for (const GroupLabel& g : groups) {
    const bool wants32 = g.wanted == Precision::kFloat32;
    labels.push_back(g.int8 ? Label::kInt8 : half && !wants32 ? Label::kHalf : Label::kFloat);
  }
  return labels;
}

class Chooser {
 public:
  Chooser(const Network& original, const CalibrationTable* table, const CompileOptions& options)
      : original_(original),
        table_(table),
        options_(options),
        times_(options.build.timing_cache),
        choice_{.graph = labelled(Labelling::Kind::kEvery),
                .times = {},
                .costs = {},
                .noise = {},
                .pareto = {},
                .candidates = {},
                .explanation = {}} {}

  PrecisionChoice run() {
    choice_.times = measure_times(original_, table_, choice_.graph, options_, times_);
    choice_.costs = precision_graph(choice_.graph, choice_.times);
    const auto best = solve();
    add_candidate("float", float_labels());
    add_candidate("int8", labels_of(labelled(Labelling::Kind::kChains).labels, false));
    add_candidate("chosen", best);
    race();
    if (is_off()) second_round();
    keep_fastest();
    times_.save();
    return std::move(choice_);
  }

 private:
  LabelledGraph labelled(Labelling::Kind kind) const {
    CompileOptions own = options_;
    own.labelling.kind = kind;
    if (kind != Labelling::Kind::kEvery) own.build.log = nullptr;  // it has warned once
    return label_graph(original_, table_, own);
  }

  std::vector<Label> solve() const {
    return cheapest_labels(with_preferences(choice_.costs, choice_.graph, options_.build.objective,
                                            0.0, choice_.noise));
  }

  /// What the user fixed stays.
  std::vector<Label> float_labels() const {
    std::vector<Label> labels;
    for (const GroupCosts& g : choice_.costs.problem.groups) {
      const bool float32 = g.cost[size_t(Label::kFloat)] != kForbidden;
      const bool half = g.cost[size_t(Label::kHalf)] != kForbidden;
      const bool prefers_half =
          half && (!float32 || g.cost[size_t(Label::kHalf)] < g.cost[size_t(Label::kFloat)]);
      labels.push_back(prefers_half ? Label::kHalf : float32 ? Label::kFloat : Label::kInt8);
    }
    return labels;
  }

  void add_candidate(const std::string& name, const std::vector<Label>& labels) {
    Candidate candidate{.name = name, .labels = labels, .plan = nullptr};
    for (const Candidate& other : choice_.candidates) {
      if (other.labels == labels) candidate.plan = other.plan;
    }
    if (!candidate.plan) candidate.plan = compiled(labels);
    choice_.candidates.push_back(std::move(candidate));
  }

  std::shared_ptr<const PlanData> compiled(const std::vector<Label>& labels) {
    CompileOptions own = options_;
    own.times = &times_;
    own.build.log = nullptr;
    own.labelling.kind = Labelling::Kind::kGiven;
    const LabelledGraph& graph = choice_.graph;
    for (size_t g = 0; g < labels.size(); ++g) {
      own.labelling.given[name_of(graph.network, graph.groups[g])] = {
          precision_of(labels[g]), labels[g] == Label::kInt8 || !graph.labels[g].can_int8
                                       ? graph.labels[g].note
                                       : reason_of(choice_, labels, g)};
    }
    return compile(original_, table_, own);
  }

  /// Times each plan once, whatever its names.
  void race() {
    Race race(options_.build);
    std::map<const PlanData*, size_t> lanes;
    for (const Candidate& c : choice_.candidates) {
      if (lanes.emplace(c.plan.get(), lanes.size()).second) race.add(c.plan);
    }
    const std::vector<Timing> timings = race.whole_runs();
    for (Candidate& c : choice_.candidates) c.time = timings[lanes.at(c.plan.get())];
    choice_.predicted_ns = double(total_cost(choice_.costs.problem, choice_.candidates[2].labels));
  }

  bool is_off() const {
    const double measured = choice_.candidates[2].time.ns;
    return std::fabs(choice_.predicted_ns / measured - 1.0) > kMustExplain;
  }

  /// Takes the times of the chosen engine's groups from inside of it, and assigns once more.
  void second_round() {
    const Candidate& chosen = choice_.candidates[2];
    const std::vector<Label> before = chosen.labels;
    choice_.explanation = fmt::format("predicted {:.4g} ms, measured {:.4g} ms",
                                      choice_.predicted_ns / 1e6, chosen.time.ns / 1e6);
    const std::string worst = correct_times(chosen);
    choice_.costs = precision_graph(choice_.graph, choice_.times);
    const auto again = solve();
    choice_.explanation += worst;
    choice_.predicted_ns = double(total_cost(choice_.costs.problem, before));
    if (again == before) return;
    Candidate next{.name = "chosen", .labels = again, .plan = compiled(again)};
    std::swap(choice_.candidates[2], next);
    const Timing first_time = next.time;
    race();
    if (first_time.ns < choice_.candidates[2].time.ns) {
      std::swap(choice_.candidates[2], next);
      race();
    }
    choice_.explanation += fmt::format(
        "; assigned again from times inside of the chosen engine: {}",
        choice_.candidates[2].labels == before ? "the first assignment is quicker and stays"
                                               : "quicker");
  }

  /// The groups whose times differ most, as text.
  std::string correct_times(const Candidate& chosen) {
    const LabelledGraph& graph = choice_.graph;
    const auto inside = group_times_inside(chosen.plan, graph, options_.build);
    std::vector<std::pair<double, size_t>> differences;
    for (size_t g = 0; g < inside.size(); ++g) {
      GroupTimes& times = choice_.times.groups[g];
      const Label label = chosen.labels[g];
      const bool fused = label == Label::kInt8 && inside[g].writes_float && times.int8_to_float;
      double& slot = label == Label::kFloat  ? times.float32
                     : label == Label::kHalf ? *times.half
                     : fused                 ? *times.int8_to_float
                                             : *times.int8;
      differences.emplace_back(inside[g].ns - slot, g);
      slot = inside[g].ns;
      if (fused) times.int8 = std::min(*times.int8, slot);
    }
    std::sort(differences.begin(), differences.end(),
              [](const auto& a, const auto& b) { return std::fabs(a.first) > std::fabs(b.first); });
    std::string text;
    for (size_t i = 0; i < std::min<size_t>(3, differences.size()); ++i) {
      const auto& [ns, g] = differences[i];
      text += fmt::format("{} {} {:+.3g} µs", text.empty() ? "; beside these neighbours:" : ",",
                          name_of(graph.network, graph.groups[g]), ns / 1e3);
    }
    return text;
  }

  void keep_fastest() {
    choice_.kept = 2;
    if (options_.build.objective == Objective::kSize) return;
    const double chosen = choice_.candidates[2].time.ns;
    double least = chosen / kMustWinBy;
    for (size_t i = 0; i < 2; ++i) {
      if (choice_.candidates[i].time.ns >= least) continue;
      least = choice_.candidates[i].time.ns;
      choice_.kept = i;
    }
  }

  const Network& original_;
  const CalibrationTable* table_;
  const CompileOptions& options_;
  TimingCache times_;
  PrecisionChoice choice_;
};

}  // namespace

PrecisionChoice choose_precision(const Network& original, const CalibrationTable* table,
                                 const CompileOptions& options) {
  return Chooser(original, table, options).run();
}

}  // namespace octile
