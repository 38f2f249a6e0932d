// See precision_choice.h. Start reading at run().
#include "tune/precision_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "backend/backend.h"
#include "compile/timing_cache.h"
#include "tune/candidate_engines.h"
#include "tune/goal_keeper.h"
#include "tune/noise.h"

namespace octile {
namespace {

constexpr double kMustExplain = 0.15;       // predicted and measured times apart
constexpr double kMustWinBy = 1.01;         // another engine than the chosen one
constexpr double kMostLambda = 1e18;        // nothing but noise counts
constexpr double kNoiseOfInfinities = 1e9;  // that int8 makes

class Chooser {
 public:
  Chooser(const Network& original, const CalibrationTable* table, const CompileOptions& options,
          const PrecisionGoal& goal)
      : original_(original),
        table_(table),
        options_(options),
        goal_(goal),
        times_(options.build.timing_cache),
        choice_{.graph = labelled(Labelling::Kind::kEvery),
                .times = {},
                .costs = {},
                .noise = {},
                .has_goal = goal.max_loss || goal.min_sqnr_db,
                .pareto = {},
                .candidates = {},
                .explanation = {}},
        engines_(original, table, options, times_, choice_),
        keeper_(goal, choice_.candidates, options.build.log) {}

  PrecisionChoice run() {
    choice_.times = measure_times(original_, table_, choice_.graph, options_, times_);
    times_.save();  // they took long, and evaluate() may throw
    choice_.costs = precision_graph(choice_.graph, choice_.times);
    add_candidate("float", float_labels());
    add_candidate("int8", int8_labels());
    if (goal_.samples != nullptr) measure_noise();
    if (keeper_.has_goal()) {
      search();
    } else {
      add_candidate("chosen", solve(0.0).labels);
    }
    race();
    if (is_off()) second_round();
    if (goal_.evaluate) {
      for (Candidate& c : choice_.candidates) keeper_.evaluate(c);
    }
    keep_fastest();
    times_.save();
    return std::move(choice_);
  }

 private:
  enum : size_t { kFloatEngine, kInt8Engine, kChosenEngine };  // in choice_.candidates

  Candidate& chosen() { return choice_.candidates[kChosenEngine]; }

  LabelledGraph labelled(Labelling::Kind kind) const {
    CompileOptions own = options_;
    own.labelling.kind = kind;
    if (kind != Labelling::Kind::kEvery) own.build.log = nullptr;  // it has warned once
    return label_graph(original_, table_, own);
  }

  ParetoPoint solve(double lambda) const {
    const Objective objective = options_.build.objective;
    const auto problem = [&](double l) {
      PrecisionProblem p =
          with_preferences(choice_.costs, choice_.graph, objective, l, choice_.noise);
      if (!keeper_.has_goal()) keep_single_layers_float(p);
      return p;
    };
    ParetoPoint point{.lambda = lambda, .labels = cheapest_labels(problem(lambda))};
    drop_unread_int8(choice_.costs.problem, choice_.graph, point.labels);
    point.ns = double(total_cost(problem(0.0), point.labels));
    for (size_t g = 0; g < choice_.noise.size(); ++g) {
      if (point.labels[g] == Label::kInt8) point.noise += choice_.noise[g];
    }
    return point;
  }

  /// Without a goal nothing bounds noise, so that what chains leave out (the last concatenation of
  /// boxes and scores, say) stays float, whatever time it would save.
  void keep_single_layers_float(PrecisionProblem& problem) const {
    const std::vector<Label>& all = choice_.candidates[kInt8Engine].labels;
    for (size_t g = 0; g < all.size(); ++g) {
      auto& cost = problem.groups[g].cost;
      if (all[g] == Label::kInt8 || cost[size_t(Label::kFloat)] == kForbidden) continue;
      cost[size_t(Label::kInt8)] = kForbidden;
    }
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

  /// Every layer that can, single ones aside; the others as in the float engine.
  std::vector<Label> int8_labels() const {
    std::vector<Label> labels = float_labels();
    const std::vector<GroupLabel> chains = labelled(Labelling::Kind::kChains).labels;
    for (size_t g = 0; g < labels.size(); ++g) {
      if (chains[g].int8) labels[g] = Label::kInt8;
    }
    return labels;
  }

  // --- engines ---

  void add_candidate(const std::string& name, const std::vector<Label>& labels) {
    choice_.candidates.push_back(engines_.make(name, labels));
  }

  void race() {
    predict();
    engines_.race();
  }

  void predict() {
    choice_.predicted_ns =
        double(total_cost(choice_.costs.problem, chosen().labels)) + choice_.times.run_ns;
  }

  // --- noise and goals ---

  void measure_noise() {
    const auto found = group_noise(original_, table_, options_.build, *goal_.samples,
                                   goal_.calibration, goal_.noise_samples);
    std::map<std::string, double> by_name;
    for (const GroupNoise& n : found) by_name[n.group] = std::min(n.noise, kNoiseOfInfinities);
    const LabelledGraph& graph = choice_.graph;
    for (const Group& group : graph.groups) {
      const auto at = by_name.find(name_of(graph.network, group));
      choice_.noise.push_back(at == by_name.end() ? 0.0 : at->second);
    }
    choice_.pareto = pareto_hull([&](double lambda) { return solve(lambda); }, kMostLambda);
  }

  /// The quickest point of the curve that keeps to the goal, by bisection: noise falls along it.
  void search() {
    std::vector<ParetoPoint> curve = choice_.pareto;
    const std::vector<Label>& all_float = choice_.candidates[kFloatEngine].labels;
    // Groups whose noise is not known stay in INT8 along the curve.
    if (curve.back().labels != all_float) {
      curve.push_back({.lambda = kMostLambda, .labels = all_float});
    }
    size_t bad = 0, good = curve.size() - 1;  // the last is the float engine
    Candidate best = engines_.make("chosen", curve[good].labels);
    int64_t tried = 0;
    const auto most = int64_t(std::ceil(std::log2(double(curve.size()) + 1.0)));
    for (size_t at = 0; bad < good; at = (bad + good) / 2) {  // the quickest one first
      Candidate next = engines_.make("chosen", curve[at].labels);
      const bool kept = keeper_.keeps(next);
      if (options_.build.progress)
        options_.build.progress("search", ++tried, std::max(most, tried));
      if (kept) {
        good = at;
        best = std::move(next);
      } else {
        bad = at + 1;
      }
    }
    choice_.lambda = curve[good].lambda;
    keeper_.conclude(best);
    choice_.candidates.push_back(std::move(best));
  }

  // --- predicted and measured ---

  bool is_off() { return std::fabs(choice_.predicted_ns / chosen().time.ns - 1.0) > kMustExplain; }

  /// Takes the times of the chosen engine's groups from inside of it, and assigns once more.
  void second_round() {
    const std::vector<Label> before = chosen().labels;
    choice_.explanation = fmt::format("the layers by themselves{} added up to {:.4g} ms; ",
                                      choice_.times.run_ns > 0.0 ? " and an empty run" : "",
                                      choice_.predicted_ns / 1e6);
    choice_.explanation += correct_times();
    choice_.costs = precision_graph(choice_.graph, choice_.times);
    predict();
    if (choice_.predicted_ns < (1.0 - kMustExplain) * chosen().time.ns) {
      const bool on_gpu = device_from_name(options_.build.device).backend != &cpu_backend();
      choice_.explanation += fmt::format(
          "; inside of it they add up to {:.4g} ms: the rest of a run lies between them ({})",
          choice_.predicted_ns / 1e6,
          on_gpu ? "kernels that wait for the one before them to end"
                 : "other programs on this machine, threads that wait");
    }
    const std::vector<Label> again = solve(choice_.lambda).labels;
    if (again == before) return;
    Candidate next = engines_.make("chosen", again);
    if (!keeper_.keeps(next)) return;
    choice_.candidates.push_back(std::move(next));  // both in one race
    race();
    const bool quicker = choice_.candidates.back().time.ns < chosen().time.ns;
    if (quicker) std::swap(chosen(), choice_.candidates.back());
    choice_.candidates.pop_back();
    predict();
    choice_.explanation +=
        fmt::format("; assigned again with these times: {}",
                    quicker ? "quicker" : "the first assignment is quicker and stays");
  }

  /// The groups whose times differ most, as text.
  std::string correct_times() {
    const LabelledGraph& graph = choice_.graph;
    const std::vector<TimeInside> inside = engines_.times_inside(chosen());
    std::vector<std::pair<double, size_t>> differences;
    for (size_t g = 0; g < inside.size(); ++g) {
      GroupTimes& times = choice_.times.groups[g];
      const Label label = chosen().labels[g];
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
      text += fmt::format("{} {} {:+.3g} µs", text.empty() ? "beside these neighbours:" : ",",
                          name_of(graph.network, graph.groups[g]), ns / 1e3);
    }
    return text;
  }

  /// Of those that keep to the goal; the chosen one unless another is clearly quicker.
  void keep_fastest() {
    choice_.kept = kChosenEngine;
    if (options_.build.objective == Objective::kSize) return;
    double least = chosen().time.ns / kMustWinBy;
    for (const size_t i : {kFloatEngine, kInt8Engine}) {
      Candidate& other = choice_.candidates[i];
      if (other.time.ns >= least || !keeper_.keeps(other)) continue;
      least = other.time.ns;
      choice_.kept = i;
    }
  }

  const Network& original_;
  const CalibrationTable* table_;
  const CompileOptions& options_;
  const PrecisionGoal& goal_;
  TimingCache times_;
  PrecisionChoice choice_;
  CandidateEngines engines_;
  GoalKeeper keeper_;
};

}  // namespace

PrecisionChoice choose_precision(const Network& original, const CalibrationTable* table,
                                 const CompileOptions& options, const PrecisionGoal& goal) {
  return Chooser(original, table, options, goal).run();
}

}  // namespace octile
