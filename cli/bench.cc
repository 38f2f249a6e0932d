// octile bench: latency percentiles and throughput of one engine, or of several in turns.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench_report.h"
#include "octile/builder.h"
#include "session.h"

namespace octile::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTurn_s = 0.02;  // short beside what disturbs a machine

struct BenchFlags {
  std::vector<std::string> files;
  std::string isa;
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
Plan load_plan(const Session& session, const BenchFlags& flags, const std::string& file) {
  if (is_plan(file)) return Plan::load(file);
  const Network network = load_model(session, file, true, flags.constants);
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
              fmt::format("no profile of the engine holds batch {}; say with --batch what the "
                          "plan was built for (octile inspect shows its profiles)",
                          flags.batch));
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

/// One plan, loaded, with its inputs.
struct Lane {
  Engine engine;
  ExecutionContext context;
  BenchReport report;
};

Lane load(const Session& session, const BenchFlags& flags, const std::string& file) {
  EngineOptions options;
  options.device = session.device;
  options.threads = session.threads;
  options.log = session.log();
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  Engine engine = Engine::load(load_plan(session, flags, file), options);
  const int profile = choose_profile(engine, flags);
  ExecutionContext context = engine.create_context(profile);
  for (const Binding& b : engine.bindings()) {
    if (!b.is_input) continue;
    const Shape shape = with_batch(engine.opt_shape(b.name, profile), flags.batch);
    context.set_input(b.name, make_input(b.type, shape));
  }
  BenchReport report{.file = file,
                     .isa = std::string(engine.isa()),
                     .device = engine.device(),
                     .batch = flags.batch,
                     .threads = session.threads > 0 ? session.threads : devices()[0].cores,
                     .profile = profile};
  return {std::move(engine), std::move(context), std::move(report)};
}

/// `seconds` for each: what disturbs the machine disturbs all. The first run of a turn does not
/// count: the other plans have driven its weights out of the caches.
void measure_in_turns(std::vector<Lane>& lanes, double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds * double(lanes.size()));
  do {
    for (Lane& lane : lanes) {
      lane.context.run();
      std::vector<double> ms = measure(lane.context, kTurn_s);
      std::sort(ms.begin(), ms.end());
      lane.report.turns.push_back(percentile(ms, 50));
      lane.report.ms.insert(lane.report.ms.end(), ms.begin(), ms.end());
    }
  } while (Clock::now() < end);
}

void print_json(const std::vector<BenchReport>& reports) {
  nlohmann::json json = json_of(reports[0]);
  if (reports.size() > 1) {
    json = nlohmann::json::array();
    for (const BenchReport& report : reports) json.push_back(json_of(report));
  }
  fmt::print("{}\n", json.dump(2));
}

void print_text(const std::vector<BenchReport>& reports) {
  for (const BenchReport& report : reports) fmt::print("{}", text_of(report));
  if (reports.size() > 1) fmt::print("{}", comparison_of(reports));
}

void run_bench(const Session& session, const BenchFlags& flags) {
  flags.constants.need_model(!std::ranges::all_of(flags.files, is_plan));
  std::vector<Lane> lanes;
  for (const std::string& file : flags.files) lanes.push_back(load(session, flags, file));
  for (Lane& lane : lanes) measure(lane.context, flags.warmup_s);
  if (lanes.size() == 1) {
    lanes[0].report.ms = measure(lanes[0].context, flags.duration_s);
  } else {
    measure_in_turns(lanes, flags.duration_s);
  }
  std::vector<BenchReport> reports;
  for (Lane& lane : lanes) {
    BenchReport& report = lane.report;
    std::sort(report.ms.begin(), report.ms.end());
    if (flags.layers) {
      report.layers = measure_layers(lane.engine, lane.context, report.profile, flags.duration_s);
    }
    reports.push_back(std::move(report));
  }
  flags.json ? print_json(reports) : print_text(reports);
}

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "bench",
      "Measure latency and throughput of a plan, or of a model as a float engine; of several in\n"
      "turns, so that they can be compared.\n"
      "Example: octile bench model.plan --batch 8 --threads 1 --layers\n"
      "         octile bench float.plan int8.plan");
  auto flags = std::make_shared<BenchFlags>();
  command->add_option("file", flags->files, "Plans or .onnx files")->required();
  command->add_option("--batch", flags->batch, "Extent of axis 0")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_option("--warmup", flags->warmup_s, "Seconds before measuring")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--duration", flags->duration_s, "Seconds of measuring, for each file")
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
