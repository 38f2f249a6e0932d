// octile build: from a model (and samples, or a cache) to a plan.
#include <fmt/format.h>

#include <filesystem>

#include "goal_flags.h"
#include "layer_flags.h"
#include "model_flags.h"
#include "octile/report.h"
#include "plan_table.h"
#include "session.h"

namespace octile::cli {
namespace {

struct BuildFlags {
  ModelFlags model;
  CalibrationFlags calibration;
  bool int8 = false, fp16 = false;
  std::string output, scheme = "static-symmetric", tactics = "timed", timing_cache, isa;
  std::vector<std::string> profiles, metadata;
  LayerFlags layers;
  GoalFlags goal;
  const CLI::App* command = nullptr;
};

/// What TensorRT's example profile is: a model whose batch alone is dynamic needs no --profile.
std::optional<Profile> default_profile(const Session& session, const Network& network) {
  constexpr int64_t kMin = 1, kOpt = 4, kMax = 8;
  Profile profile;
  for (const TensorId input : network.inputs()) {
    Shape shape = network.shape(input);
    if (shape.is_static()) continue;
    const auto with_batch = [&](int64_t n) {
      shape[0] = n;
      return shape;
    };
    if (!with_batch(kMin).is_static()) return std::nullopt;  // the error names the input
    profile[network.name(input)] = {with_batch(kMin), with_batch(kOpt), with_batch(kMax)};
  }
  if (profile.empty()) return std::nullopt;
  session.log()(LogLevel::kInfo,
                fmt::format("no --profile: batch {} to {}, fastest at {}", kMin, kMax, kOpt));
  return profile;
}

/// KEY=VALUE, where the value may hold further marks.
std::map<std::string, std::string> parse_metadata(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> metadata;
  for (const std::string& text : texts) {
    const size_t mark = text.find('=');
    if (mark == std::string::npos || mark == 0) {
      throw CLI::ValidationError(fmt::format("--metadata '{}' is not KEY=VALUE", text));
    }
    if (!metadata.emplace(text.substr(0, mark), text.substr(mark + 1)).second) {
      throw CLI::ValidationError(
          fmt::format("--metadata gives the key '{}' twice", text.substr(0, mark)));
    }
  }
  return metadata;
}

BuildOptions build_options(const Session& session, const BuildFlags& flags,
                           const Network& network) {
  BuildOptions options;
  options.int8 = flags.int8;
  options.fp16 = flags.fp16;
  options.scheme = scheme_from_name(flags.scheme);
  for (const std::string& text : flags.profiles) {
    options.profiles.push_back(parse_profile(text, network));
  }
  if (flags.profiles.empty()) {
    if (const auto profile = default_profile(session, network)) options.profiles = {*profile};
  }
  flags.goal.set(options);
  flags.layers.set(options, network);
  options.tactics =
      flags.tactics == "first" ? BuildOptions::Tactics::kFirst : BuildOptions::Tactics::kTimed;
  options.timing_cache = flags.timing_cache;
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  options.device = session.device;
  options.threads = session.threads;
  options.preprocess = flags.calibration.flags.options().preprocess;
  options.progress = session.progress();
  options.log = session.log();
  // Names were checked one by one above: what is wrong now is a profile.
  usage_of("--profile", [&] { check_options(network, options); });
  options.metadata = parse_metadata(flags.metadata);
  usage_of("--metadata", [&] { check_options(network, options); });
  return options;
}

/// A flag that would change nothing is a mistake.
void refuse_without_int8(const BuildFlags& flags) {
  if (flags.int8) return;
  for (const char* flag : {"--calibrate", "--cache", "--scheme", "--method", "--percentile",
                           "--reproducible", "--layer-scheme", "--precision-from", "--range",
                           "--recipe", "--first", "--samples", "--seed", "--batch"}) {
    if (flags.command->count(flag) > 0) {
      throw CLI::ValidationError(flag, "needs --int8: without it the engine is a float one");
    }
  }
}

/// A static scheme needs ranges from somewhere.
void refuse_without_ranges(const BuildFlags& flags) {
  const CalibrationFlags& calibration = flags.calibration;
  if (!flags.int8 || is_dynamic(scheme_from_name(flags.scheme)) || !flags.layers.ranges.empty())
    return;
  if (!calibration.data.empty() || !calibration.cache.empty()) return;
  throw CLI::ValidationError(
      "--int8 with a static scheme needs --calibrate DATA, --cache FILE or --range; "
      "--scheme dynamic-symmetric needs none");
}

/// Samples are prepared, and ranges were found, as the table says where it does: a cache may have
/// been made with other flags.
void write_report(const Session& session, const BuildFlags& flags, const Plan& plan,
                  const Network& network, const CalibrationTable* table, int64_t evaluated) {
  PrecisionReportOptions report{
      .model = std::filesystem::path(flags.model.file).filename().string(),
      .command = session.command_line,
      .method = table != nullptr ? table->method : flags.calibration.method,
      .percentile = table != nullptr && table->percentile > 0.0 ? table->percentile
                                                                : flags.calibration.percentile,
      .evaluated = evaluated};
  std::optional<CalibrationData> histograms;
  if (!flags.calibration.data.empty()) {
    histograms =
        flags.calibration.histograms(session, network, table != nullptr ? table->preprocess : "");
    report.histograms = &*histograms;
  }
  save_text(flags.goal.report, precision_report_html(plan, report));
}

void run_build(const Session& session, const BuildFlags& flags) {
  refuse_without_int8(flags);
  refuse_without_ranges(flags);
  flags.calibration.check();
  const bool chooses = flags.tactics == "timed" && flags.layers.precision_from.empty();
  flags.goal.check(flags.int8, chooses, flags.calibration);
  const std::string output =
      flags.output.empty()
          ? std::filesystem::path(flags.model.file).replace_extension(".plan").string()
          : flags.output;
  check_apart({{"-o", output},
               {"--cache", flags.calibration.cache},
               {"--timing-cache", flags.timing_cache},
               {"--report", flags.goal.report}},
              {{"the model", flags.model.file}, {"--calibrate", flags.calibration.data}});
  check_writable("--timing-cache", flags.timing_cache);
  Network network = flags.model.load(session);
  check_writable("-o", output);
  flags.layers.apply_ranges(network);
  BuildOptions options = build_options(session, flags, network);
  std::optional<CalibrationTable> table;
  const Network float_network = network;  // recipes change the other
  Goal goal(session, flags.goal, flags.calibration, float_network);
  if (flags.int8) {
    flags.calibration.before_calibration(session, network, options);
    table = flags.calibration.obtain(session, network, output);
    flags.calibration.before_build(session, network, options, table ? &*table : nullptr);
  }
  if (table && flags.calibration.flags.preprocess.empty() && !table->preprocess.empty()) {
    options.preprocess = Preprocess::from_json(table->preprocess);
  }
  const Plan plan =
      build(network, table ? &*table : nullptr, options, goal.prepared(options.preprocess));
  plan.save(output);
  if (!flags.goal.report.empty()) {
    write_report(session, flags, plan, network, table ? &*table : nullptr, goal.evaluated());
  }
  if (session.verbosity > 0) fmt::print(stderr, "{}\n{}", plan_table(plan), precision_table(plan));
  const PlanSummary summary = summarize(plan);
  fmt::print("{}: {} bytes, {} steps ({}), built on {}\n", output, size_of_file(output),
             summary.steps, precision_counts(summary), plan.built_on());
}

/// What shapes the engine, calibration aside.
void add_engine_options(CLI::App& command, BuildFlags& flags) {
  command.add_option("--profile", flags.profiles,
                     "INPUT:MIN/OPT/MAX[,INPUT:…], one option a profile (default for a\ndynamic "
                     "batch: 1 / 4 / 8)");
  flags.layers.add(command);
  command.add_option("--precision-from", flags.layers.precision_from,
                     "A plan whose choice of INT8 layers is taken over, without measuring");
  command.add_option("--layer-scheme", flags.layers.schemes, "LAYER=SCHEME, repeatable");
  command
      .add_option("--tactics", flags.tactics,
                  "timed (fastest by measurement) or first (deterministic)")
      ->check(CLI::IsMember({"timed", "first"}))
      ->capture_default_str();
  command.add_option("--metadata", flags.metadata,
                     "KEY=VALUE, repeatable: kept in the plan, shown by `octile inspect`");
  command.add_option("--timing-cache", flags.timing_cache, "File of measured tactic times");
  command.add_option("--isa", flags.isa, "Strongest instruction set to use")->check(isa_names());
}

}  // namespace

void add_build(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "build",
      "Build an engine (plan file) from a model.\n"
      "Example: octile build model.onnx --int8 --calibrate images/ --cache model.cache \\\n"
      "           --profile x:1x3x224x224/4x3x224x224/8x3x224x224 -o model.plan");
  auto flags = std::make_shared<BuildFlags>();
  flags->command = command;
  flags->model.add(*command);
  command->add_option("-o,--output", flags->output, "Plan file (default: MODEL with .plan)");
  command->add_flag("--int8", flags->int8, "Quantize (default: a float engine)");
  command->add_flag("--fp16", flags->fp16,
                    "Half precision where layers are not int8; for --device cuda:N");
  command
      ->add_option("--scheme", flags->scheme,
                   "How activations are quantized; static-affine needs both ends of every range,\n"
                   "which TensorRT's caches do not hold")
      ->check(scheme_names())
      ->capture_default_str();
  flags->calibration.add(
      *command,
      "Calibration cache, Octile's or TensorRT's. Where the file exists it is read, and\n"
      "--calibrate is not run again; else --calibrate is run and the file written");
  flags->calibration.add_recipes(*command);
  flags->goal.add(*command);
  add_engine_options(*command, *flags);
  command->callback([&session, flags] { run_build(session, *flags); });
}

}  // namespace octile::cli
