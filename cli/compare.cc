// octile compare: a float model against an engine or another model, tensor by tensor.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "model_flags.h"
#include "octile/report.h"
#include "session.h"
#include "tally.h"

namespace octile::cli {
namespace {

struct CompareFlags {
  ModelFlags reference;
  std::string candidate, data, cache, json, scheme = "static-symmetric";
  bool int8 = false;
  DataFlags flags;
  MetricFlags metric;
};

struct Candidate {
  std::string name;
  Plan plan;
};

/// A model is built for the batch that will run; the first tactics will do, since all give the
/// same INT8 bits.
Plan build_for(const Session& session, const Network& network, const CalibrationTable* table,
               const CompareFlags& flags) {
  BuildOptions options;
  options.int8 = flags.int8;
  options.scheme = scheme_from_name(flags.scheme);
  options.tactics = BuildOptions::Tactics::kFirst;
  options.threads = session.threads;
  options.log = session.log();
  if (table != nullptr && !table->preprocess.empty()) {
    options.preprocess = Preprocess::from_json(table->preprocess);
  }
  Profile profile;
  for (const TensorId input : network.inputs()) {
    Shape shape = network.shape(input);
    if (shape.is_static()) continue;
    if (shape.rank() > 0 && shape[0] == kDynamic)
      shape[0] = std::max<int64_t>(1, flags.flags.batch);
    if (!shape.is_static()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("input '{}' has shape {}: build a plan with --profile and compare "
                              "that",
                              network.name(input), network.shape(input).to_string()));
    }
    Shape least = shape;
    if (network.shape(input)[0] == kDynamic) least[0] = 1;
    profile[network.name(input)] = {least, shape, shape};
  }
  if (!profile.empty()) options.profiles = {profile};
  return build(network, table, options);
}

Candidate load_candidate(const Session& session, const Network& reference,
                         const CompareFlags& flags) {
  const bool own = flags.candidate.empty();
  if (!own && is_plan(flags.candidate)) {
    if (flags.int8) throw CLI::ValidationError("--int8", "is for models; a plan is built already");
    return {flags.candidate, Plan::load(flags.candidate)};
  }
  const Network network = own ? reference
                              : load_model(session, flags.candidate, flags.reference.dynamic_batch,
                                           flags.reference.constants);
  const std::string& file = own ? flags.reference.file : flags.candidate;
  if (flags.cache.empty()) return {file, build_for(session, network, nullptr, flags)};
  CalibrationTable table = CalibrationTable::load_any(flags.cache);
  check_cache(table, network, {}, flags.cache);
  for (const std::string& warning : table.warnings) session.log()(LogLevel::kWarning, warning);
  return {fmt::format("{} with {} ({})", file, flags.cache, flags.scheme),
          build_for(session, network, &table, flags)};
}

void check_flags(const CompareFlags& flags) {
  flags.metric.check();
  check_apart({{"--json", flags.json}}, {{"the reference", flags.reference.file},
                                         {"the candidate", flags.candidate},
                                         {"--cache", flags.cache}});
  check_writable("--json", flags.json);
  const bool needs_cache = flags.int8 && !is_dynamic(scheme_from_name(flags.scheme));
  if (needs_cache && flags.cache.empty()) {
    throw CLI::ValidationError("--int8", "needs --cache FILE; `octile calibrate` makes one");
  }
  if (!flags.int8 && !flags.cache.empty()) throw CLI::ValidationError("--cache", "needs --int8");
  if (flags.candidate.empty() && !flags.int8) {
    throw CLI::ValidationError(
        "compare needs a second model or plan, or --int8 --cache FILE to build one");
  }
}

DataOptions data_options(const CompareFlags& flags, const Network& network, const Plan& plan) {
  DataOptions options = flags.flags.options(plan.preprocess());
  for (const TensorId input : network.inputs()) {
    const Shape& shape = network.shape(input);
    options.input_shapes[network.name(input)] = shape;
    options.input_types[network.name(input)] = network.type(input);
    if (flags.flags.batch == 0 && shape.rank() > 0 && shape[0] > 0) options.batch = shape[0];
  }
  return options;
}

// --- results ---

std::string table_of(const Comparison& result) {
  std::vector<std::vector<std::string>> rows{
      {"tensor", "layer", "precision", "SQNR dB", "cosine", "max error"}};
  for (const TensorComparison& t : result.tensors) {
    rows.push_back({t.tensor, t.output ? t.layer + " (output)" : t.layer, t.precision,
                    fmt::format("{:.2f}", t.sqnr_db), fmt::format("{:.6f}", t.cosine),
                    fmt::format("{:.4g}", t.max_abs_error)});
  }
  return format_table(rows);
}

/// JSON has no infinity: null.
nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

std::string json_of(const CompareFlags& flags, const Candidate& candidate, const Comparison& result,
                    const std::optional<EndMetric>& metric) {
  nlohmann::json tensors = nlohmann::json::array();
  for (const TensorComparison& t : result.tensors) {
    tensors.push_back({{"tensor", t.tensor},
                       {"layer", t.layer},
                       {"precision", t.precision},
                       {"output", t.output},
                       {"order", t.order},
                       {"sqnr_db", number(t.sqnr_db)},
                       {"cosine", number(t.cosine)},
                       {"max_abs_error", number(t.max_abs_error)}});
  }
  nlohmann::json json = {{"reference", flags.reference.file},
                         {"candidate", candidate.name},
                         {"samples", result.samples},
                         {"metric", nullptr},
                         {"only_reference", result.only_reference},
                         {"only_candidate", result.only_candidate},
                         {"skipped_outputs", result.skipped_outputs},
                         {"tensors", std::move(tensors)}};
  if (metric) {
    json["metric"] = {
        {"name", metric->name}, {"reference", metric->reference}, {"candidate", metric->candidate}};
  }
  return json.dump(2) + "\n";
}

void run_compare(const Session& session, const CompareFlags& flags) {
  check_flags(flags);
  const Network reference = flags.reference.load(session);
  const Candidate candidate = load_candidate(session, reference, flags);
  const DataOptions data = data_options(flags, reference, candidate.plan);
  const auto source = open_data(flags.data, data);
  Tally tally(flags.metric, flags.data, data, *source);
  CompareOptions options;
  options.device = session.device;
  options.threads = session.threads;
  options.progress = session.progress();
  options.log = session.log();
  options.outputs = [&](auto ours, auto theirs, int64_t rows) { tally.add(ours, theirs, rows); };
  const Comparison result = compare(reference, candidate.plan, *source, options);
  const std::optional<EndMetric> metric = tally.value();
  if (!flags.json.empty()) save_text(flags.json, json_of(flags, candidate, result, metric));
  fmt::print("{}", table_of(result));
  fmt::print(
      "{} samples, {} tensors; {} of the reference and {} of the candidate have no "
      "counterpart (fused or folded away)\n",
      result.samples, result.tensors.size(), result.only_reference, result.only_candidate);
  if (metric) {
    fmt::print("{}: {:.4f}, reference {:.4f}, difference {:+.4f}\n", metric->name,
               metric->candidate, metric->reference, metric->candidate - metric->reference);
  }
}

}  // namespace

void add_compare(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "compare",
      "Compare a float model with an engine or another model on samples: SQNR and cosine of\n"
      "every tensor that both have, worst first, and a metric of both.\n"
      "Example: octile compare model.onnx model.plan --data images/ --labels labels.txt");
  auto flags = std::make_shared<CompareFlags>();
  flags->reference.add(*command);
  command->add_option("candidate", flags->candidate,
                      "A plan, or a model that is built on the spot (float or with Q/DQ layers);\n"
                      "without it the model itself, with --int8");
  command->add_option("--data", flags->data, "Samples, as in `octile calibrate --calibrate`")
      ->required();
  flags->flags.add(*command);
  flags->metric.add(*command);
  command->add_flag("--int8", flags->int8, "Quantize the candidate, a model, by --cache");
  command->add_option("--cache", flags->cache, "Calibration cache, Octile's or TensorRT's");
  command->add_option("--scheme", flags->scheme, "Of --int8")
      ->check(scheme_names())
      ->capture_default_str();
  command->add_option("--json", flags->json, "Write everything to this file as well");
  command->callback([&session, flags] { run_compare(session, *flags); });
}

}  // namespace octile::cli
