// octile run: an engine on samples; predictions, metrics, outputs.
#include <fmt/format.h>

#include <algorithm>

#include "collected.h"
#include "metric_flags.h"
#include "octile/report.h"
#include "session.h"

namespace octile::cli {
namespace {

struct RunFlags {
  std::string plan, data, reference, output, isa;
  int profile = -1;
  int64_t show = 5;
  DataFlags flags;
  MetricFlags metric;
};

/// The first profile that holds the batch, so that `--batch 64` just works.
int profile_for(const Engine& engine, const std::string& input, int64_t batch, int wanted) {
  if (wanted >= 0) return wanted;
  for (int p = 0; p < engine.profile_count(); ++p) {
    const Shape low = engine.min_shape(input, p), high = engine.max_shape(input, p);
    if (low.rank() == 0 || (low[0] <= batch && batch <= high[0])) return p;
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("no profile of the engine holds batch {}; choose another --batch", batch));
}

std::vector<Binding> bindings_of(const Engine& engine, bool inputs) {
  std::vector<Binding> list;
  for (const Binding& b : engine.bindings()) {
    if (b.is_input == inputs) list.push_back(b);
  }
  return list;
}

/// Every array must have a place, and every input an array.
void check_keys(const Batch& batch, const std::vector<Binding>& inputs, const std::string& data) {
  std::vector<std::string> names;
  for (const Binding& input : inputs) names.push_back(input.name);
  for (const auto& [key, array] : batch) {
    const bool known =
        key.empty() ? names.size() == 1 : std::find(names.begin(), names.end(), key) != names.end();
    if (known) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--data {}: {}, but the engine's inputs are {}; use an .npz with these "
                            "keys",
                            data, key.empty() ? "one array without a name" : "key '" + key + "'",
                            quoted(names)));
  }
  for (const std::string& name : names) {
    if (batch.contains(name) || batch.contains("")) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--data {}: no array for the engine's input '{}'; add that key to the "
                            ".npz",
                            data, name));
  }
}

/// A batch that had to be filled up gives results that nobody can tell apart where an output's rows
/// are not the samples.
void refuse_surplus(const Engine& engine, const std::vector<std::string>& kept, int64_t rows,
                    int64_t least) {
  for (const Binding& b : bindings_of(engine, false)) {
    const bool asked = std::find(kept.begin(), kept.end(), b.name) != kept.end();
    if (!asked || !b.from_values) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("a batch of {} is less than the profile's {}, and output '{}' has as "
                            "many rows as its values ask for, so the surplus cannot be dropped; "
                            "choose --samples so that every batch is full, or build with a profile "
                            "from batch 1",
                            rows, least, b.name));
  }
}

/// What of the outputs is kept: memory grows with the number of samples.
using Names = std::vector<std::string>;

Collected run_all(const Session& session, const Engine& engine, BatchSource& source,
                  const RunFlags& flags, int profile, int64_t batch, const Names& kept,
                  Ap50* boxes = nullptr) {
  const auto inputs = bindings_of(engine, true);
  const int chosen = profile_for(engine, inputs[0].name, batch, profile);
  ExecutionContext context = engine.create_context(chosen);
  const Shape low = engine.min_shape(inputs[0].name, chosen);
  const int64_t least = low.rank() > 0 ? low[0] : 0;
  const ProgressFunction progress = session.progress();
  Collected collected;
  for (const Binding& b : bindings_of(engine, false)) {
    if (b.from_values) collected.keep_apart(b.name);
  }
  int64_t done = 0;
  while (auto samples = source.next()) {
    check_keys(*samples, inputs, flags.data);
    int64_t rows = 0;
    for (auto& [name, array] : *samples) {
      const std::string input = name.empty() ? inputs[0].name : name;
      rows = array.shape()[0];
      context.set_input(input, rows < least ? with_rows(array, least) : array);
    }
    done += rows;
    if (rows < least) {
      refuse_surplus(engine, kept, rows, least);
      session.log()(LogLevel::kInfo,
                    fmt::format("run: a batch of {} is less than the profile's {}: its last sample "
                                "is repeated, the surplus results are dropped",
                                rows, least));
    }
    context.run();
    for (const std::string& output : kept) {
      const Tensor result = context.output(output);
      const bool padded = rows < least && result.shape().rank() > 0 && result.shape()[0] == least;
      collected.add(output, padded ? with_rows(result, rows) : result);
    }
    if (boxes != nullptr) {
      std::vector<Tensor> outputs;
      for (const Binding& b : bindings_of(engine, false)) outputs.push_back(context.output(b.name));
      boxes->add(outputs, rows);
    }
    if (progress) progress("run", done, source.size());
  }
  return collected;
}

DataOptions data_options(const RunFlags& flags, const Engine& engine) {
  DataOptions options = flags.flags.options(engine.plan().preprocess());
  if (flags.flags.batch == 0) {  // what the profile was made for
    const Shape shape =
        engine.opt_shape(bindings_of(engine, true)[0].name, std::max(0, flags.profile));
    if (shape.rank() > 0) options.batch = std::max<int64_t>(1, shape[0]);
  }
  for (const Binding& b : bindings_of(engine, true)) {
    options.input_shapes[b.name] = b.shape;
    options.input_types[b.name] = b.type;
  }
  return options;
}

/// One row a sample: what predictions and metrics are read from.
bool are_scores(const Binding& output) {
  return output.type == DataType::kFloat32 && output.shape.rank() == 2 && !output.from_values;
}

void show_predictions(const std::vector<Tensor>& batches, int64_t count) {
  int64_t sample = 0;
  for (const Tensor& scores : batches) {
    const int64_t n = scores.shape()[0], classes = scores.shape()[1];
    for (int64_t i = 0; i < n && sample < count && classes > 0; ++i, ++sample) {
      const float* row = scores.as<float>() + i * classes;
      const auto best = std::max_element(row, row + classes) - row;
      fmt::print("sample {}: class {} ({:.6g})\n", sample, best, row[best]);
    }
  }
}

/// Before anything runs, since that may take long.
void check_metric(const RunFlags& flags, const Binding& output,
                  const std::vector<int64_t>& labels) {
  const std::string& metric = flags.metric.metric;
  if (metric.empty() || flags.metric.boxes()) return;
  if (metric == "agreement" && flags.reference.empty()) {
    throw CLI::ValidationError("--metric agreement needs --reference PLAN, usually a float one");
  }
  if (metric != "agreement" && labels.empty()) {
    throw CLI::ValidationError("--metric " + metric +
                               " needs labels: --labels FILE, or a data set that carries them");
  }
  if (output.type == DataType::kFloat32 && output.shape.rank() >= 2 && !output.from_values) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("--metric {}: output '{}' is {} {}{}, not float32 scores (N, classes)",
                          metric, output.name, name_of(output.type), output.shape.to_string(),
                          output.from_values ? " (its shape depends on values)" : ""));
}

Engine load_engine(const Session& session, const std::string& plan, const std::string& isa) {
  EngineOptions options;
  options.device = session.device;
  options.threads = session.threads;
  options.log = session.log();
  if (!isa.empty()) options.isa = isa_from_name(isa);
  return Engine::load(plan, options);
}

/// --reference, loaded before anything runs, with an output to compare.
std::optional<Engine> load_reference(const Session& session, const RunFlags& flags,
                                     const std::string& output) {
  if (flags.metric.metric != "agreement") return std::nullopt;
  Engine engine = load_engine(session, flags.reference, "");
  for (const Binding& b : bindings_of(engine, false)) {
    if (b.name == output) return engine;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("--reference {}: the plan has no output '{}'; build it from the same "
                          "model",
                          flags.reference, output));
}

Names kept_outputs(const RunFlags& flags, const std::vector<Binding>& outputs) {
  Names names;
  for (const Binding& output : outputs) {
    if (!flags.output.empty()) names.push_back(output.name);
  }
  const bool scores =
      (!flags.metric.metric.empty() && !flags.metric.boxes()) || are_scores(outputs[0]);
  if (names.empty() && scores) names.push_back(outputs[0].name);
  return names;
}

void run_plan(const Session& session, const RunFlags& flags) {
  check_apart({{"-o", flags.output}}, {{"the plan", flags.plan}, {"--data", flags.data}});
  check_writable("-o", flags.output);
  flags.metric.check();
  const Engine engine = load_engine(session, flags.plan, flags.isa);
  const DataOptions options = data_options(flags, engine);
  const auto source = open_data(flags.data, options);
  const auto outputs = bindings_of(engine, false);
  const Binding& first = outputs[0];
  const std::vector<int64_t> labels = labels_for(flags.metric, flags.data, options, *source);
  check_metric(flags, first, labels);
  const std::optional<Engine> reference = load_reference(session, flags, first.name);
  const Names kept = kept_outputs(flags, outputs);
  std::optional<Ap50> boxes;
  if (flags.metric.boxes()) boxes.emplace(flags.metric, flags.data, *source);
  const auto collected = run_all(session, engine, *source, flags, flags.profile, options.batch,
                                 kept, boxes ? &*boxes : nullptr);
  if (!flags.output.empty()) {
    const auto arrays = collected.arrays();
    save_npz(flags.output, arrays);
    session.log()(LogLevel::kInfo, fmt::format("{}: {} arrays", flags.output, arrays.size()));
  } else if (kept.empty() && !boxes) {
    session.log()(LogLevel::kInfo, fmt::format("output '{}' is no list of scores: nothing to "
                                               "print; -o FILE.npz writes the outputs",
                                               first.name));
  }
  if (are_scores(first)) show_predictions(collected.parts(first.name), flags.show);
  if (reference) {
    const auto again = open_data(flags.data, options);
    const auto theirs =
        run_all(session, *reference, *again, flags, -1, options.batch, {first.name});
    fmt::print("agreement: {:.4f}\n",
               top1_agreement(collected.joined(first.name), theirs.joined(first.name)));
  } else if (boxes) {
    fmt::print("ap50: {:.4f}\n", boxes->value());
  } else if (!flags.metric.metric.empty() || (are_scores(first) && !labels.empty())) {
    const std::string metric = flags.metric.metric.empty() ? "top1" : flags.metric.metric;
    fmt::print("{}: {:.4f}\n", metric,
               top_k_accuracy(collected.joined(first.name), labels, metric == "top5" ? 5 : 1));
  }
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "run",
      "Run an engine on samples: predictions, a metric, outputs as .npz.\n"
      "Example: octile run model.plan --data images/ --labels labels.txt --metric top5");
  auto flags = std::make_shared<RunFlags>();
  command->add_option("plan", flags->plan, "The plan")->required();
  command->add_option("--data", flags->data, "Samples, as in `octile calibrate --calibrate`")
      ->required();
  flags->flags.add(*command);
  flags->metric.add(*command);
  command->add_option("--reference", flags->reference, "Plan to agree with");
  command->add_option(
      "-o,--output", flags->output,
      "Write all outputs to this .npz, the batches joined along axis 0; where their\n"
      "shapes do not allow that (or depend on values), batch by batch as NAME.0, NAME.1 …");
  command->add_option("--show", flags->show, "Print so many predictions")
      ->check(at_least(0))
      ->capture_default_str();
  command
      ->add_option("--profile", flags->profile,
                   "Optimization profile (default: the first that holds the batch)")
      ->check(at_least(0));
  command->add_option("--isa", flags->isa, "Strongest instruction set to use")->check(isa_names());
  command->callback([&session, flags] { run_plan(session, *flags); });
}

}  // namespace octile::cli
