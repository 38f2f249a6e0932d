// octile bench: latency percentiles and throughput of an engine.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "octile/builder.h"
#include "session.h"

namespace octile::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchFlags {
  std::string file, isa;
  int64_t batch = 1;
  double warmup_s = 0.2, duration_s = 2.0;
  int profile = -1;
  bool json = false, layers = false;
  ConstantFlags constants;
};

/// Smooth, varied, deterministic values in [0, 1].
Tensor make_input(DataType type, const Shape& shape) {
  Tensor values(DataType::kFloat32, shape);
  uint32_t state = 1;
  for (int64_t i = 0; i < values.volume(); ++i) {
    state = state * 1664525u + 1013904223u;
    values.as<float>()[i] = float(state >> 8) / float(1 << 24);
  }
  return values.cast(type);
}

Shape with_batch(Shape shape, int64_t batch) {
  if (shape.rank() > 0) shape[0] = batch;
  return shape;
}

/// A float engine is built on the spot from a model.
Plan load_plan(const Session& session, const BenchFlags& flags) {
  if (is_plan(flags.file)) return Plan::load(flags.file);
  const Network network = load_model(session, flags.file, true, flags.constants);
  BuildOptions options;
  options.device = session.device;
  options.threads = session.threads;
  options.log = session.log();
  Profile profile;
  for (TensorId t : network.inputs()) {
    const Shape& shape = network.shape(t);
    if (shape.is_static()) continue;
    const Shape fixed = with_batch(shape, flags.batch);
    if (!fixed.is_static()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("input '{}' has shape {}: build a plan with --profile and bench that",
                              network.name(t), shape.to_string()));
    }
    profile[network.name(t)] = {fixed, fixed, fixed};
  }
  if (!profile.empty()) options.profiles = {profile};
  return build(network, nullptr, options);
}

int choose_profile(const Engine& engine, const BenchFlags& flags) {
  if (flags.profile >= 0) return flags.profile;
  for (int p = 0; p < engine.profile_count(); ++p) {
    bool fits = true;
    for (const Binding& b : engine.bindings()) {
      if (!b.is_input || b.shape.rank() == 0) continue;
      fits = fits && engine.min_shape(b.name, p)[0] <= flags.batch &&
             flags.batch <= engine.max_shape(b.name, p)[0];
    }
    if (fits) return p;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("no profile of the engine holds batch {}", flags.batch));
}

double percentile(const std::vector<double>& sorted, double p) {
  const auto index = size_t(std::ceil(p / 100.0 * double(sorted.size()))) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

std::vector<double> measure(ExecutionContext& context, double seconds) {
  std::vector<double> ms;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const auto start = Clock::now();
    context.run();
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  } while (Clock::now() < end);
  return ms;
}

struct LayerTime {
  LayerInfo layer;
  std::string tactic;  // the one that ran
  double us = 0.0, percent = 0.0;
};

std::vector<LayerTime> measure_layers(const Engine& engine, ExecutionContext& context, int profile,
                                      double seconds) {
  const auto layers = engine.plan().layers();
  const auto tactics = engine.tactics(profile);
  std::vector<std::vector<double>> ns(layers.size());
  context.set_profiler([&](int step, int64_t t) { ns[size_t(step)].push_back(double(t)); });
  measure(context, seconds);
  context.set_profiler({});
  std::vector<LayerTime> times;
  double total = 0.0;
  for (size_t i = 0; i < layers.size(); ++i) {
    std::sort(ns[i].begin(), ns[i].end());
    times.push_back({layers[i], tactics[i], percentile(ns[i], 50) / 1e3, 0.0});
    total += times.back().us;
  }
  for (LayerTime& time : times) time.percent = total > 0.0 ? 100.0 * time.us / total : 0.0;
  return times;
}

std::string layer_table(const std::vector<LayerTime>& times) {
  std::vector<std::vector<std::string>> rows{{"layer", "step", "precision", "tactic", "us", "%"}};
  for (const LayerTime& t : times) {
    rows.push_back({t.layer.name, t.layer.step, t.layer.precision, t.tactic,
                    fmt::format("{:.2f}", t.us), fmt::format("{:.1f}", t.percent)});
  }
  return format_table(rows);
}

nlohmann::json layer_json(const std::vector<LayerTime>& times) {
  nlohmann::json list = nlohmann::json::array();
  for (const LayerTime& t : times) {
    list.push_back({{"name", t.layer.name},
                    {"step", t.layer.step},
                    {"precision", t.layer.precision},
                    {"tactic", t.tactic},
                    {"us", t.us},
                    {"percent", t.percent}});
  }
  return list;
}

/// Everything that one run of the command found out.
struct Report {
  std::string file, isa, device;
  int64_t batch = 1;
  int threads = 1, profile = 0;
  std::vector<double> ms;  // sorted
  std::vector<LayerTime> layers;
  double mean() const { return std::accumulate(ms.begin(), ms.end(), 0.0) / double(ms.size()); }
  double throughput() const { return 1000.0 * double(batch) / mean(); }
};

void print_json(const Report& r, bool with_layers) {
  nlohmann::json json = {{"file", r.file},
                         {"batch", r.batch},
                         {"threads", r.threads},
                         {"isa", r.isa},
                         {"device", r.device},
                         {"profile", r.profile},
                         {"runs", r.ms.size()},
                         {"latency_ms",
                          {{"mean", r.mean()},
                           {"min", r.ms.front()},
                           {"p50", percentile(r.ms, 50)},
                           {"p90", percentile(r.ms, 90)},
                           {"p95", percentile(r.ms, 95)},
                           {"p99", percentile(r.ms, 99)},
                           {"max", r.ms.back()}}},
                         {"throughput_per_s", r.throughput()}};
  if (with_layers) json["layers"] = layer_json(r.layers);
  fmt::print("{}\n", json.dump(2));
}

void print_text(const Report& r, bool with_layers) {
  const bool cpu = r.device == "cpu";
  fmt::print("{}: batch {}, profile {}, {}, {}, {} runs\n", r.file, r.batch, r.profile, r.isa,
             cpu ? fmt::format("{} threads", r.threads) : r.device, r.ms.size());
  fmt::print(
      "latency ms: min {:.4f}  p50 {:.4f}  p90 {:.4f}  p95 {:.4f}  p99 {:.4f}  max {:.4f}"
      "\nthroughput: {:.1f} samples/s\n",
      r.ms.front(), percentile(r.ms, 50), percentile(r.ms, 90), percentile(r.ms, 95),
      percentile(r.ms, 99), r.ms.back(), r.throughput());
  if (with_layers) fmt::print("\n{}", layer_table(r.layers));
}

void run_bench(const Session& session, const BenchFlags& flags) {
  const Plan plan = load_plan(session, flags);
  EngineOptions options;
  options.device = session.device;
  options.threads = session.threads;
  options.log = session.log();
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  const Engine engine = Engine::load(plan, options);
  Report report{.file = flags.file,
                .isa = std::string(engine.isa()),
                .device = engine.device(),
                .batch = flags.batch};
  report.threads = session.threads > 0 ? session.threads : devices()[0].cores;
  report.profile = choose_profile(engine, flags);
  ExecutionContext context = engine.create_context(report.profile);
  for (const Binding& b : engine.bindings()) {
    if (!b.is_input) continue;
    const Shape shape = with_batch(engine.opt_shape(b.name, report.profile), flags.batch);
    context.set_input(b.name, make_input(b.type, shape));
  }
  measure(context, flags.warmup_s);
  report.ms = measure(context, flags.duration_s);
  std::sort(report.ms.begin(), report.ms.end());
  if (flags.layers) {
    report.layers = measure_layers(engine, context, report.profile, flags.duration_s);
  }
  flags.json ? print_json(report, flags.layers) : print_text(report, flags.layers);
}

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "bench",
      "Measure latency and throughput of a plan, or of a model as a float engine.\n"
      "Example: octile bench model.plan --batch 8 --threads 1 --layers");
  auto flags = std::make_shared<BenchFlags>();
  command->add_option("file", flags->file, "A plan or an .onnx file")->required();
  command->add_option("--batch", flags->batch, "Extent of axis 0")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_option("--warmup", flags->warmup_s, "Seconds before measuring")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--duration", flags->duration_s, "Seconds of measuring")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--profile", flags->profile,
                   "Optimization profile (default: the first that holds the batch)")
      ->check(at_least(0));
  command->add_option("--isa", flags->isa, "Strongest instruction set to use")->check(isa_names());
  command->add_flag("--layers", flags->layers, "Add median times a step");
  command->add_flag("--json", flags->json, "JSON instead of text");
  flags->constants.add(*command);
  command->callback([&session, flags] { run_bench(session, *flags); });
}

}  // namespace octile::cli
