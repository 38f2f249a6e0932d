// See candidate_engines.h.
#include "tune/candidate_engines.h"

#include <fmt/format.h>

#include <map>

#include "base/bytes.h"
#include "tune/precision_text.h"

namespace octile {

CandidateEngines::CandidateEngines(const Network& original, const CalibrationTable* table,
                                   const CompileOptions& options, TimingCache& times,
                                   PrecisionChoice& choice)
    : original_(original),
      table_(table),
      options_(options),
      times_(times),
      choice_(choice),
      measured_on_(measured_on(original, choice.graph, options)) {}

Candidate CandidateEngines::make(const std::string& name, const std::vector<Label>& labels) {
  for (const Candidate& other : choice_.candidates) {
    if (other.labels != labels) continue;
    Candidate same = other;
    same.name = name;
    return same;
  }
  return {.name = name, .labels = labels, .plan = compiled(labels)};
}

std::shared_ptr<const PlanData> CandidateEngines::compiled(const std::vector<Label>& labels) {
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

void CandidateEngines::race() {
  if (times_are_known()) return;
  Race race(options_.build);
  std::map<const PlanData*, size_t> lanes;
  for (const Candidate& c : choice_.candidates) {
    if (lanes.emplace(c.plan.get(), lanes.size()).second) race.add(c.plan);
  }
  const std::vector<Timing> timings = race.whole_runs();
  for (const Candidate& c : choice_.candidates) {
    const Timing& time = timings[lanes.at(c.plan.get())];
    const std::string key = race_key_of(c.labels);
    times_.put(key + "ns", time.ns);
    times_.put(key + "spread-ppm", time.spread * 1e6);
  }
  (void)times_are_known();  // as later builds will read them
}

bool CandidateEngines::times_are_known() {
  for (Candidate& c : choice_.candidates) {
    const std::string key = race_key_of(c.labels);
    const auto ns = times_.find(key + "ns");
    if (!ns) return false;
    c.time = {*ns, times_.find(key + "spread-ppm").value_or(0.0) / 1e6};
  }
  return true;
}

/// Of an engine with these labels, for the timing cache.
std::string CandidateEngines::key_of(const std::vector<Label>& labels) const {
  Hash hash;
  for (const Label label : labels) hash.add_number(uint64_t(label));
  return fmt::format("engine {} {} ", measured_on_, hash.hex());
}

/// The same in the race of choice_.candidates.
std::string CandidateEngines::race_key_of(const std::vector<Label>& labels) const {
  Hash racers;
  for (const Candidate& c : choice_.candidates) racers.add(key_of(c.labels));
  return fmt::format("{}among {} ", key_of(labels), racers.hex());
}

std::vector<TimeInside> CandidateEngines::times_inside(const Candidate& engine) {
  std::vector<TimeInside> inside;
  const std::string key = key_of(engine.labels);
  for (size_t g = 0; g < choice_.graph.groups.size(); ++g) {
    const auto ns = times_.find(fmt::format("{}group {}", key, g));
    const auto writes_float = times_.find(fmt::format("{}group {} writes-float", key, g));
    if (!ns || !writes_float) break;
    inside.push_back({*ns, *writes_float > 0.0});
  }
  if (inside.size() == choice_.graph.groups.size()) return inside;
  inside =
      group_times_inside(engine.plan, choice_.graph, engine.labels, choice_.times, options_.build);
  for (size_t g = 0; g < inside.size(); ++g) {
    inside[g].ns = times_.put(fmt::format("{}group {}", key, g), inside[g].ns);
    times_.put(fmt::format("{}group {} writes-float", key, g), inside[g].writes_float ? 1 : 0);
  }
  return inside;
}

}  // namespace octile
