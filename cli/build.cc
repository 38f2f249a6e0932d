// octile build: from a model (and samples, or a cache) to a plan.
#include <fmt/format.h>

#include <filesystem>

#include "model_flags.h"
#include "plan_table.h"
#include "session.h"

namespace octile::cli {
namespace {

struct Flags {
  ModelFlags model;
  CalibrationFlags calibration;
  bool int8 = false;
  std::string output, scheme = "static-symmetric", tactics = "timed", timing_cache, isa;
  std::vector<std::string> profiles, precisions, schemes, ranges, disabled;
  const CLI::App* command = nullptr;
};

std::pair<std::string, std::string> split_at_last(const std::string& text, char mark,
                                                  const char* what, const char* form) {
  const size_t at = text.rfind(mark);
  if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
    throw CLI::ValidationError(fmt::format("{} '{}' is not {}", what, text, form));
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

float to_float(const std::string& text, const std::string& what) {
  size_t used = 0;
  float value = 0.0f;
  try {
    value = std::stof(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || text.empty()) {
    throw CLI::ValidationError(fmt::format("{}: '{}' is no number", what, text));
  }
  return value;
}

/// Names of layers or tensors are the model's, else a typing error would change nothing silently.
[[noreturn]] void unknown_name(const char* flag, const char* kind, const std::string& name,
                               const std::vector<std::string>& known) {
  throw CLI::ValidationError(
      fmt::format("{} names {} '{}', which the model does not have; it has {}; `octile inspect "
                  "MODEL` lists all",
                  flag, kind, name, quoted(known)));
}

void apply_ranges(Network& network, const std::vector<std::string>& ranges) {
  for (const std::string& entry : ranges) {
    constexpr const char* kForm = "TENSOR=MIN:MAX";
    const auto [name, value] = split_at_last(entry, '=', "--range", kForm);
    if (value.find(':') == std::string::npos) {
      throw CLI::ValidationError(fmt::format("--range '{}' is not {}", entry, kForm));
    }
    const auto [low, high] = split_at_last(value, ':', "--range", "MIN:MAX");
    const Range range{to_float(low, "--range"), to_float(high, "--range")};
    const auto tensor = network.find_tensor(name);
    if (!tensor) {
      std::vector<std::string> known;
      for (int32_t i = 0; i < network.tensor_count(); ++i) {
        const TensorId id{i};
        const bool ranged = network.alive(id) && network.constant_value(id) == nullptr;
        if (ranged) known.push_back(network.name(id));
      }
      unknown_name("--range", "tensor", name, known);
    }
    usage_of("--range", [&] { network.set_dynamic_range(*tensor, range); });
  }
}

/// The layers that `text` means: one, or all parts of a fused one as `inspect` shows it on a plan
/// ("conv + relu").
std::vector<std::string> layers_named(const Network& network, const std::string& text,
                                      const char* flag) {
  if (network.find_layer(text)) return {text};
  std::vector<std::string> names = split(text, " + ");
  for (const std::string& name : names) {
    if (network.find_layer(name)) continue;
    std::vector<std::string> known;
    for (const LayerId layer : network.layers()) {
      const bool constant = std::holds_alternative<Constant>(network.op(layer));
      if (!constant) known.push_back(network.name(layer));
    }
    unknown_name(flag, "layer", name, known);
  }
  return names;
}

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

/// --precision and --layer-scheme.
void set_layers(BuildOptions& options, const Flags& flags, const Network& network) {
  for (const std::string& entry : flags.precisions) {
    const auto [name, value] = split_at_last(entry, '=', "--precision", "LAYER=float32|int8");
    const Precision precision =
        usage_of("--precision", [&, v = value] { return precision_from_name(v); });
    if (precision == Precision::kInt8 && !flags.int8) {
      throw CLI::ValidationError(fmt::format("--precision {} needs --int8", entry));
    }
    for (const std::string& layer : layers_named(network, name, "--precision")) {
      options.layer_precision[layer] = precision;
    }
  }
  for (const std::string& entry : flags.schemes) {
    const auto [name, value] = split_at_last(entry, '=', "--layer-scheme", "LAYER=SCHEME");
    const Scheme scheme =
        usage_of("--layer-scheme", [&, v = value] { return scheme_from_name(v); });
    for (const std::string& layer : layers_named(network, name, "--layer-scheme")) {
      options.layer_scheme[layer] = scheme;
    }
  }
}

BuildOptions build_options(const Session& session, const Flags& flags, const Network& network) {
  BuildOptions options;
  options.int8 = flags.int8;
  options.scheme = scheme_from_name(flags.scheme);
  for (const std::string& text : flags.profiles) {
    options.profiles.push_back(parse_profile(text, network));
  }
  if (flags.profiles.empty()) {
    if (const auto profile = default_profile(session, network)) options.profiles = {*profile};
  }
  set_layers(options, flags, network);
  options.tactics =
      flags.tactics == "first" ? BuildOptions::Tactics::kFirst : BuildOptions::Tactics::kTimed;
  options.timing_cache = flags.timing_cache;
  if (!flags.isa.empty()) options.isa = isa_from_name(flags.isa);
  options.threads = session.threads;
  options.disabled_passes = flags.disabled;
  options.preprocess = flags.calibration.flags.options().preprocess;
  options.progress = session.progress();
  options.log = session.log();
  // Names were checked one by one above: what is wrong now is a profile.
  usage_of("--profile", [&] { check_options(network, options); });
  return options;
}

/// A flag that would change nothing is a mistake.
void refuse_without_int8(const Flags& flags) {
  if (flags.int8) return;
  for (const char* flag :
       {"--calibrate", "--cache", "--scheme", "--method", "--percentile", "--reproducible",
        "--layer-scheme", "--range", "--recipe", "--first", "--samples", "--seed", "--batch"}) {
    if (flags.command->count(flag) > 0) {
      throw CLI::ValidationError(flag, "needs --int8: without it the engine is a float one");
    }
  }
}

/// A static scheme needs ranges from somewhere.
void refuse_without_ranges(const Flags& flags) {
  const CalibrationFlags& calibration = flags.calibration;
  if (!flags.int8 || is_dynamic(scheme_from_name(flags.scheme)) || !flags.ranges.empty()) return;
  if (!calibration.data.empty() || !calibration.cache.empty()) return;
  throw CLI::ValidationError(
      "--int8 with a static scheme needs --calibrate DATA, --cache FILE or --range; "
      "--scheme dynamic-symmetric needs none");
}

void run(const Session& session, const Flags& flags) {
  refuse_without_int8(flags);
  refuse_without_ranges(flags);
  flags.calibration.check();
  const std::string output =
      flags.output.empty()
          ? std::filesystem::path(flags.model.file).replace_extension(".plan").string()
          : flags.output;
  check_writable("--timing-cache", flags.timing_cache);
  Network network = flags.model.load(session);
  check_writable("-o", output);
  apply_ranges(network, flags.ranges);
  BuildOptions options = build_options(session, flags, network);
  std::optional<CalibrationTable> table;
  if (flags.int8) {
    network = flags.calibration.before_calibration(session, network);
    table = flags.calibration.obtain(session, network);
    flags.calibration.before_build(session, network, options, table ? &*table : nullptr);
  }
  if (table && flags.calibration.flags.preprocess.empty() && !table->preprocess.empty()) {
    options.preprocess = Preprocess::from_json(table->preprocess);
  }
  const Plan plan = build(network, table ? &*table : nullptr, options);
  plan.save(output);
  if (session.verbosity > 0) fmt::print(stderr, "{}", plan_table(plan));
  const PlanSummary summary = summarize(plan);
  fmt::print("{}: {} bytes, {} steps ({} int8, {} float), built on {}\n", output,
             std::filesystem::file_size(output), summary.steps, summary.int8, summary.floats,
             plan.built_on());
}

/// What shapes the engine, calibration aside.
void add_engine_options(CLI::App& command, Flags& flags) {
  command.add_option("--profile", flags.profiles,
                     "INPUT:MIN/OPT/MAX[,INPUT:…], one option a profile (default for a\ndynamic "
                     "batch: 1 / 4 / 8)");
  command.add_option("--precision", flags.precisions,
                     "LAYER=float32|int8, repeatable; a fused layer as `inspect` shows it\n"
                     "(\"conv + relu\") means all its parts");
  command.add_option("--layer-scheme", flags.schemes, "LAYER=SCHEME, repeatable");
  command.add_option("--range", flags.ranges, "TENSOR=MIN:MAX, beats the calibrator, repeatable");
  command
      .add_option("--tactics", flags.tactics,
                  "timed (fastest by measurement) or first (deterministic)")
      ->check(CLI::IsMember({"timed", "first"}))
      ->capture_default_str();
  command.add_option("--timing-cache", flags.timing_cache, "File of measured tactic times");
  command.add_option("--isa", flags.isa, "Strongest instruction set to use")->check(isa_names());
  command.add_option("--disable-pass", flags.disabled, "Name of a graph pass, repeatable")
      ->check(CLI::IsMember(pass_names()));
}

}  // namespace

void add_build(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "build",
      "Build an engine (plan file) from a model.\n"
      "Example: octile build model.onnx --int8 --calibrate images/ --cache model.cache \\\n"
      "           --profile x:1x3x224x224/4x3x224x224/8x3x224x224 -o model.plan");
  auto flags = std::make_shared<Flags>();
  flags->command = command;
  flags->model.add(*command);
  command->add_option("-o,--output", flags->output, "Plan file (default: MODEL with .plan)");
  command->add_flag("--int8", flags->int8, "Quantize (default: a float engine)");
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
  add_engine_options(*command, *flags);
  command->callback([&session, flags] { run(session, *flags); });
}

}  // namespace octile::cli
