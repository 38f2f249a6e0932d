// octile report: why each layer of a plan has its precision, as one HTML page.
#include "octile/report.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "session.h"

namespace octile::cli {
namespace {

struct ReportFlags {
  std::string plan, output, model, data, method;
  double percentile = 99.99;
  const CLI::Option* percentile_option = nullptr;
  bool json = false;
  DataFlags flags;
  ConstantFlags constants;
};

/// Distributions of the samples, prepared as the plan's.
CalibrationData histograms_of(const Session& session, const ReportFlags& flags, const Plan& plan) {
  const Network network = load_model(session, flags.model, false, flags.constants);
  DataOptions data = flags.flags.options(plan.preprocess());
  for (const TensorId input : network.inputs()) {
    data.input_shapes[network.name(input)] = network.shape(input);
    data.input_types[network.name(input)] = network.type(input);
  }
  CalibrationOptions options;
  options.threads = session.threads;
  options.progress = session.progress();
  options.log = session.log();
  return collect(network, *open_data(flags.data, data), options);
}

void run_report(const Session& session, const ReportFlags& flags) {
  if (flags.data.empty() != flags.model.empty()) {
    throw CLI::ValidationError("--model and --calibrate draw distributions together: give both");
  }
  flags.constants.need_model(!flags.model.empty());
  if (flags.percentile_option->count() > 0 && flags.method != "percentile") {
    throw CLI::ValidationError("--percentile", "needs --method percentile");
  }
  const Plan plan = Plan::load(flags.plan);
  PrecisionReportOptions options;
  std::optional<CalibrationData> histograms;
  if (!flags.data.empty()) {
    histograms = histograms_of(session, flags, plan);
    options.histograms = &*histograms;
    options.model = std::filesystem::path(flags.model).filename().string();
    options.method = flags.method;
    options.percentile = flags.percentile;
  }
  if (flags.json) {
    fmt::print("{}\n", precision_report_json(plan, options));
    return;
  }
  const std::string output =
      flags.output.empty() ? std::filesystem::path(flags.plan).replace_extension(".html").string()
                           : flags.output;
  check_apart({{"-o", output}}, {{"the plan", flags.plan}, {"--model", flags.model}});
  check_writable("-o", output);
  save_text(output, precision_report_html(plan, options));
  fmt::print("{}: {} bytes\n", output, size_of_file(output));
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "report",
      "Show why each layer of a plan has its precision: the times, conversions and noise that the\n"
      "build measured, as one HTML page.\n"
      "Example: octile report model.plan --model model.onnx --calibrate images/");
  auto flags = std::make_shared<ReportFlags>();
  command->add_option("plan", flags->plan, "A plan that `octile build --int8` made")->required();
  command->add_option("-o,--output", flags->output, "HTML file (default: PLAN with .html)");
  command->add_option("--model", flags->model, "The model, to draw its tensors' distributions");
  command->add_option("--calibrate", flags->data, "Samples for --model");
  command->add_option("--method", flags->method, "By which the plan's ranges were found")
      ->check(method_names());
  flags->percentile_option =
      command->add_option("--percentile", flags->percentile, "For --method percentile")
          ->check(CLI::Range(50.0, 100.0))
          ->capture_default_str();
  flags->flags.add(*command);
  flags->constants.add(*command);
  command->add_flag("--json", flags->json, "Print the report's data instead");
  command->callback([&session, flags] { run_report(session, *flags); });
}

}  // namespace octile::cli
