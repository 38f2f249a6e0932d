// octile bench: latency percentiles and throughput of an engine.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "octile/builder.h"
#include "session.h"

namespace octile::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
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
Plan load_plan(const Session& session, const Flags& flags) {
  if (is_plan(flags.file)) return Plan::load(flags.file);
  const Network network = load_model(session, flags.file, true, flags.constants);
  BuildOptions options;
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

int choose_profile(const Engine& engine, const Flags& flags) {
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

std::vector<std::vector<std::string>> layer_rows(const Engine& engine, ExecutionContext& context,
                                                 int profile, double seconds) {
  const auto layers = engine.plan().layers();
  const auto tactics = engine.tactics(profile);
  std::vector<std::vector<double>> ns(layers.size());
  context.set_profiler([&](int step, int64_t t) { ns[size_t(step)].push_back(double(t)); });
  measure(context, seconds);
  context.set_profiler({});
  std::vector<double> medians;
  double total = 0.0;
  for (auto& list : ns) {
    std::sort(list.begin(), list.end());
    medians.push_back(percentile(list, 50));
    total += medians.back();
  }
  std::vector<std::vector<std::string>> rows{{"layer", "step", "precision", "tactic", "us", "%"}};
  for (size_t i = 0; i < layers.size(); ++i) {
    rows.push_back({layers[i].name, layers[i].step, layers[i].precision, tactics[i],
                    fmt::format("{:.2f}", medians[i] / 1e3),
                    fmt::format("{:.1f}", 100.0 * medians[i] / total)});
  }
  return rows;
}

void run(const Session& session, const Flags& flags) {
  const Plan plan = load_plan(session, flags);
  EngineOptions options;
  options.threads = session.threads;
  options.log = session.log();
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  const Engine engine = Engine::load(plan, options);
  const int profile = choose_profile(engine, flags);
  ExecutionContext context = engine.create_context(profile);
  for (const Binding& b : engine.bindings()) {
    if (!b.is_input) continue;
    context.set_input(
        b.name, make_input(b.type, with_batch(engine.opt_shape(b.name, profile), flags.batch)));
  }
  measure(context, flags.warmup_s);
  std::vector<double> ms = measure(context, flags.duration_s);
  std::sort(ms.begin(), ms.end());
  double sum = 0.0;
  for (double v : ms) sum += v;
  const double mean = sum / double(ms.size());
  const double throughput = 1000.0 * double(flags.batch) / mean;
  const int threads = session.threads > 0 ? session.threads : devices()[0].cores;
  if (flags.json) {
    nlohmann::json json = {{"file", flags.file},
                           {"batch", flags.batch},
                           {"threads", threads},
                           {"isa", engine.isa()},
                           {"profile", profile},
                           {"runs", ms.size()},
                           {"latency_ms",
                            {{"mean", mean},
                             {"min", ms.front()},
                             {"p50", percentile(ms, 50)},
                             {"p90", percentile(ms, 90)},
                             {"p95", percentile(ms, 95)},
                             {"p99", percentile(ms, 99)},
                             {"max", ms.back()}}},
                           {"throughput_per_s", throughput}};
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}: batch {}, profile {}, {}, {} threads, {} runs\n", flags.file, flags.batch,
               profile, engine.isa(), threads, ms.size());
    fmt::print(
        "latency ms: min {:.4f}  p50 {:.4f}  p90 {:.4f}  p95 {:.4f}  p99 {:.4f}  max {:.4f}"
        "\nthroughput: {:.1f} samples/s\n",
        ms.front(), percentile(ms, 50), percentile(ms, 90), percentile(ms, 95), percentile(ms, 99),
        ms.back(), throughput);
  }
  if (flags.layers) {
    fmt::print("\n{}", format_table(layer_rows(engine, context, profile, flags.duration_s)));
  }
}

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "bench",
      "Measure latency and throughput of a plan, or of a model as a float engine.\n"
      "Example: octile bench model.plan --batch 8 --threads 1 --layers");
  auto flags = std::make_shared<Flags>();
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
  command->add_option("--profile", flags->profile,
                      "Optimization profile (default: the first that holds the batch)");
  command->add_option("--isa", flags->isa, "Strongest instruction set to use")->check(isa_names());
  command->add_flag("--layers", flags->layers, "Add a table of median times a step");
  command->add_flag("--json", flags->json, "JSON instead of text");
  flags->constants.add(*command);
  command->callback([&session, flags] { run(session, *flags); });
}

}  // namespace octile::cli
