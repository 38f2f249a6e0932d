// octile inspect: what is in a plan, or in a model.
#include <fmt/format.h>

#include <filesystem>

#include "plan_table.h"
#include "session.h"

namespace octile::cli {
namespace {

struct InspectFlags {
  std::string file;
  bool json = false;
  ConstantFlags constants;
};

nlohmann::json model_json(const Network& network) {
  nlohmann::json layers = nlohmann::json::array();
  for (LayerId layer : network.layers()) {
    std::vector<std::string> inputs, outputs;
    for (TensorId t : network.inputs(layer)) inputs.push_back(network.name(t));
    for (TensorId t : network.outputs(layer)) outputs.push_back(network.name(t));
    layers.push_back({{"name", network.name(layer)},
                      {"op", to_string(network.op(layer))},
                      {"inputs", inputs},
                      {"outputs", outputs},
                      {"shape", network.shape(network.output(layer)).to_vector()}});
  }
  return {{"name", network.name()}, {"digest", network.digest()}, {"layers", layers}};
}

void show_plan(const InspectFlags& flags) {
  const Plan plan = Plan::load(flags.file);
  if (flags.json) {
    // names and metadata may be no UTF-8
    fmt::print("{}\n",
               plan_json(plan).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  const PlanSummary summary = summarize(plan);
  fmt::print("{}: plan '{}', {} bytes, built on {}, {} profiles\n", flags.file, plan.name(),
             std::filesystem::file_size(flags.file), plan.built_on(), plan.profile_count());
  fmt::print("{}", metadata_lines(plan));
  const Engine engine = Engine::load(plan);
  for (const Binding& binding : engine.bindings()) {
    fmt::print("{} '{}': {} {}{}\n", binding.is_input ? "input" : "output", binding.name,
               name_of(binding.type), binding.shape.to_string(),
               binding.from_values ? ", extents depend on values" : "");
    if (!binding.is_input) continue;
    for (int p = 0; p < engine.profile_count(); ++p) {
      fmt::print("  profile {}: min {} opt {} max {}\n", p,
                 engine.min_shape(binding.name, p).to_string(),
                 engine.opt_shape(binding.name, p).to_string(),
                 engine.max_shape(binding.name, p).to_string());
    }
  }
  fmt::print("\n{}\n{} steps: {}; {} bytes of weights\n", plan_table(plan), summary.steps,
             precision_counts(summary), summary.weight_bytes);
  const std::string measured = precision_table(plan);
  if (!measured.empty()) fmt::print("\n{}", measured);
}

void run_inspect(const Session& session, const InspectFlags& flags) {
  const bool plan = is_plan(flags.file);
  flags.constants.need_model(!plan);
  if (plan) return show_plan(flags);
  const Network network = load_model(session, flags.file, false, flags.constants);
  if (flags.json) {
    fmt::print("{}\n", model_json(network).dump(2));
  } else {
    fmt::print("{}\ndigest {}\n", network.to_string(), network.digest());
  }
}

}  // namespace

void add_inspect(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "inspect", "Show a plan's or a model's layers.\nExample: octile inspect model.plan");
  auto flags = std::make_shared<InspectFlags>();
  command->add_option("file", flags->file, "A plan or an .onnx file")->required();
  command->add_flag("--json", flags->json, "JSON instead of a table");
  flags->constants.add(*command);
  command->callback([&session, flags] { run_inspect(session, *flags); });
}

}  // namespace octile::cli
