// See precision_choice.h. Start reading at run().
#include "tune/precision_choice.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/bytes.h"
#include "base/error.h"
#include "compile/timing_cache.h"
#include "tune/noise.h"
#include "tune/precision_text.h"

namespace octile {
namespace {

constexpr double kMustExplain = 0.15;  // predicted and measured times apart
constexpr double kMustWinBy = 1.01;    // another engine than the chosen one
constexpr double kMostLambda = 1e18;   // nothing but noise counts
constexpr double kMostNoise = 1e9;     // where int8 makes infinities

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
                .has_goal = has_goal(),
                .pareto = {},
                .candidates = {},
                .explanation = {}},
        measured_on_(measured_on(original, choice_.graph, options)) {}

  PrecisionChoice run() {
    choice_.times = measure_times(original_, table_, choice_.graph, options_, times_);
    times_.save();  // they took long, and evaluate() may throw
    choice_.costs = precision_graph(choice_.graph, choice_.times);
    add_candidate("float", float_labels());
    add_candidate("int8", int8_labels());
    if (goal_.samples != nullptr) measure_noise();
    if (has_goal()) {
      search();
    } else {
      add_candidate("chosen", solve(0.0).labels);
    }
    race();
    if (is_off()) second_round();
    if (goal_.evaluate) {
      for (Candidate& c : choice_.candidates) evaluate(c);
    }
    keep_fastest();
    times_.save();
    return std::move(choice_);
  }

 private:
  enum : size_t { kFloatEngine, kInt8Engine, kChosenEngine };  // in choice_.candidates

  bool has_goal() const { return goal_.max_loss || goal_.min_sqnr_db; }
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
      if (!has_goal()) keep_single_layers_float(p);
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

  Candidate candidate(const std::string& name, const std::vector<Label>& labels) {
    for (const Candidate& other : choice_.candidates) {
      if (other.labels != labels) continue;
      Candidate same = other;
      same.name = name;
      return same;
    }
    return {.name = name, .labels = labels, .plan = compiled(labels)};
  }

  void add_candidate(const std::string& name, const std::vector<Label>& labels) {
    choice_.candidates.push_back(candidate(name, labels));
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

  /// Times each plan once, whatever its names; unless the cache knows them all.
  void race() {
    predict();
    if (times_are_known()) return;
    Race race(options_.build);
    std::map<const PlanData*, size_t> lanes;
    for (const Candidate& c : choice_.candidates) {
      if (lanes.emplace(c.plan.get(), lanes.size()).second) race.add(c.plan);
    }
    const std::vector<Timing> timings = race.whole_runs();
    for (const Candidate& c : choice_.candidates) {
      const Timing& time = timings[lanes.at(c.plan.get())];
      times_.put(key_of(c.labels) + "ns", time.ns);
      times_.put(key_of(c.labels) + "spread-ppm", time.spread * 1e6);
    }
    (void)times_are_known();  // as later builds will read them
  }

  void predict() {
    choice_.predicted_ns = double(total_cost(choice_.costs.problem, chosen().labels));
  }

  bool times_are_known() {
    for (Candidate& c : choice_.candidates) {
      const auto ns = times_.find(key_of(c.labels) + "ns");
      if (!ns) return false;
      c.time = {*ns, times_.find(key_of(c.labels) + "spread-ppm").value_or(0.0) / 1e6};
    }
    return true;
  }

  /// Of an engine with these labels, for the timing cache.
  std::string key_of(const std::vector<Label>& labels) const {
    Hash hash;
    for (const Label label : labels) hash.add_number(uint64_t(label));
    return fmt::format("engine {} {} ", measured_on_, hash.hex());
  }

  // --- noise and goals ---

  void measure_noise() {
    const auto found = group_noise(original_, table_, options_.build, *goal_.samples,
                                   goal_.calibration, goal_.noise_samples);
    std::map<std::string, double> by_name;
    for (const GroupNoise& n : found) by_name[n.group] = std::min(n.noise, kMostNoise);
    const LabelledGraph& graph = choice_.graph;
    for (const Group& group : graph.groups) {
      const auto at = by_name.find(name_of(graph.network, group));
      choice_.noise.push_back(at == by_name.end() ? 0.0 : at->second);
    }
    choice_.pareto = pareto_hull([&](double lambda) { return solve(lambda); }, kMostLambda);
  }

  void evaluate(Candidate& c) {
    for (const Candidate& other : choice_.candidates) {
      if (!c.accuracy && other.plan == c.plan) c.accuracy = other.accuracy;
    }
    if (!c.accuracy) c.accuracy = goal_.evaluate(Plan(c.plan));
  }

  bool keeps_goal(Candidate& c) {
    if (!has_goal()) return true;
    evaluate(c);
    const auto& sqnr = c.accuracy->sqnr_db;  // nullopt: its outputs cannot be compared
    if (goal_.min_sqnr_db && !(sqnr && *sqnr >= *goal_.min_sqnr_db)) return false;
    if (!goal_.max_loss) return true;
    check(c.accuracy->metric && c.accuracy->reference, ErrorCode::kInvalidArgument,
          "max_loss needs a metric of the engine and of the float network; evaluate() gave {}",
          c.accuracy->metric ? "the engine's alone" : "none");
    constexpr double kRounding = 1e-9;  // 0.3 points of 1000 samples are not quite 0.3
    return *c.accuracy->reference - *c.accuracy->metric <= *goal_.max_loss + kRounding;
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
    Candidate best = candidate("chosen", curve[good].labels);
    int64_t tried = 0;
    const auto most = int64_t(std::ceil(std::log2(double(curve.size()) + 1.0)));
    for (size_t at = 0; bad < good; at = (bad + good) / 2) {  // the quickest one first
      Candidate next = candidate("chosen", curve[at].labels);
      const bool kept = keeps_goal(next);
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
    const bool kept = keeps_goal(best);
    check(!goal_.min_sqnr_db || best.accuracy->sqnr_db, ErrorCode::kInvalidArgument,
          "min_sqnr_db needs the SQNR of the outputs, and there is none: they hold integers, or "
          "evaluate() gave none; max_loss with a metric can say what they are worth");
    if (!kept && options_.build.log) {
      options_.build.log(LogLevel::kWarning,
                         "no engine keeps to the goal: what was asked to run in int8, or float's "
                         "own deviation, is more than it allows; the least noisy one is kept");
    }
    choice_.candidates.push_back(std::move(best));
  }

  // --- predicted and measured ---

  bool is_off() { return std::fabs(choice_.predicted_ns / chosen().time.ns - 1.0) > kMustExplain; }

  /// Takes the times of the chosen engine's groups from inside of it, and assigns once more.
  void second_round() {
    const std::vector<Label> before = chosen().labels;
    choice_.explanation =
        fmt::format("the layers by themselves added up to {:.4g} ms; ", choice_.predicted_ns / 1e6);
    choice_.explanation += correct_times();
    choice_.costs = precision_graph(choice_.graph, choice_.times);
    predict();
    if (choice_.predicted_ns < (1.0 - kMustExplain) * chosen().time.ns) {
      choice_.explanation += fmt::format(
          "; inside of it they add up to {:.4g} ms: the rest of a run lies between them "
          "(other programs on this machine, threads that wait)",
          choice_.predicted_ns / 1e6);
    }
    const std::vector<Label> again = solve(choice_.lambda).labels;
    if (again == before) return;
    Candidate next = candidate("chosen", again);
    if (!keeps_goal(next)) return;
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

  std::vector<TimeInside> times_inside() {
    std::vector<TimeInside> inside;
    const std::string key = key_of(chosen().labels);
    for (size_t g = 0; g < choice_.graph.groups.size(); ++g) {
      const auto ns = times_.find(fmt::format("{}group {}", key, g));
      const auto writes_float = times_.find(fmt::format("{}group {} writes-float", key, g));
      if (!ns || !writes_float) break;
      inside.push_back({*ns, *writes_float > 0.0});
    }
    if (inside.size() == choice_.graph.groups.size()) return inside;
    inside = group_times_inside(chosen().plan, choice_.graph, chosen().labels, options_.build);
    for (size_t g = 0; g < inside.size(); ++g) {
      inside[g].ns = times_.put(fmt::format("{}group {}", key, g), inside[g].ns);
      times_.put(fmt::format("{}group {} writes-float", key, g), inside[g].writes_float ? 1 : 0);
    }
    return inside;
  }

  /// The groups whose times differ most, as text.
  std::string correct_times() {
    const LabelledGraph& graph = choice_.graph;
    const std::vector<TimeInside> inside = times_inside();
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
      if (other.time.ns >= least || !keeps_goal(other)) continue;
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
  std::string measured_on_;
};

}  // namespace

PrecisionChoice choose_precision(const Network& original, const CalibrationTable* table,
                                 const CompileOptions& options, const PrecisionGoal& goal) {
  return Chooser(original, table, options, goal).run();
}

}  // namespace octile
