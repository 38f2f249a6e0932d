// octile run: an engine on samples; predictions, metrics, outputs.
#include <fmt/format.h>

#include <cstring>
#include <fstream>

#include "octile/report.h"
#include "session.h"

namespace octile::cli {
namespace {

struct Flags {
  std::string plan, data, labels, metric, reference, output, isa;
  int profile = -1;
  int64_t show = 5;
  DataFlags flags;
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

/// Outputs of all batches, joined along axis 0, by output name.
class Collected {
 public:
  void add(const std::string& name, const Tensor& part) { parts_[name].push_back(part); }
  Tensor joined(const std::string& name) const {
    const std::vector<Tensor>& parts = parts_.at(name);
    Shape shape = parts[0].shape();
    if (shape.rank() == 0) return parts.back();
    shape[0] = 0;
    for (const Tensor& t : parts) shape[0] += t.shape()[0];
    Tensor all(parts[0].type(), shape);
    auto* to = static_cast<std::byte*>(all.data());
    for (const Tensor& t : parts) {
      std::memcpy(to, t.data(), t.bytes());
      to += t.bytes();
    }
    return all;
  }

 private:
  std::map<std::string, std::vector<Tensor>> parts_;
};

Collected run_all(const Session& session, const Engine& engine, BatchSource& source, int profile,
                  int64_t batch) {
  const auto inputs = bindings_of(engine, true), outputs = bindings_of(engine, false);
  ExecutionContext context =
      engine.create_context(profile_for(engine, inputs[0].name, batch, profile));
  const ProgressFunction progress = session.progress();
  Collected collected;
  int64_t done = 0;
  while (auto samples = source.next()) {
    for (auto& [name, array] : *samples) {
      const std::string input = name.empty() ? inputs[0].name : name;
      context.set_input(input, array);
      if (input == inputs[0].name) done += array.shape()[0];
    }
    context.run();
    for (const Binding& output : outputs) {
      collected.add(output.name, context.output(output.name));
    }
    if (progress) progress("run", done, source.size());
  }
  return collected;
}

DataOptions data_options(const Flags& flags, const Engine& engine) {
  DataOptions options = flags.flags.options(engine.plan().preprocess());
  if (flags.flags.batch == 0) {  // what the profile was made for
    const Shape shape =
        engine.opt_shape(bindings_of(engine, true)[0].name, std::max(0, flags.profile));
    if (shape.rank() > 0) options.batch = std::max<int64_t>(1, shape[0]);
  }
  for (const Binding& b : bindings_of(engine, true)) options.input_shapes[b.name] = b.shape;
  return options;
}

void show_predictions(const Tensor& scores, int64_t count) {
  const int64_t n = std::min(scores.shape()[0], count);
  const int64_t classes = n > 0 ? scores.volume() / scores.shape()[0] : 0;
  for (int64_t i = 0; i < n; ++i) {
    const float* row = scores.as<float>() + i * classes;
    const auto best = std::max_element(row, row + classes) - row;
    fmt::print("sample {}: class {} ({:.6g})\n", i, best, row[best]);
  }
}

std::vector<int64_t> labels_for(const Flags& flags, const BatchSource& source) {
  if (flags.labels.empty()) return source.labels();
  if (flags.flags.seed >= 0) {
    throw CLI::ValidationError(
        "--labels with --seed: a file of labels cannot follow samples drawn at random; use data "
        "that carry their labels");
  }
  std::vector<int64_t> labels = load_labels(flags.labels);
  const auto first = size_t(std::max<int64_t>(0, flags.flags.first));
  if (first < labels.size() && int64_t(labels.size()) > source.size()) {
    labels.erase(labels.begin(), labels.begin() + ptrdiff_t(first));
    labels.resize(std::min(labels.size(), size_t(source.size())));
  }
  return labels;
}

Tensor reference_scores(const Session& session, const Flags& flags, const DataOptions& options,
                        const std::string& output) {
  EngineOptions engine_options;
  engine_options.threads = session.threads;
  const Engine engine = Engine::load(flags.reference, engine_options);
  const auto source = open_data(flags.data, options);
  return run_all(session, engine, *source, -1, options.batch).joined(output);
}

void print_metric(const Session& session, const Flags& flags, const DataOptions& options,
                  const Tensor& scores, const std::vector<int64_t>& labels,
                  const std::string& output) {
  if (flags.metric == "agreement") {
    const Tensor other = reference_scores(session, flags, options, output);
    fmt::print("agreement: {:.4f}\n", top1_agreement(scores, other));
    return;
  }
  fmt::print("{}: {:.4f}\n", flags.metric,
             top_k_accuracy(scores, labels, flags.metric == "top5" ? 5 : 1));
}

/// Before anything runs, since that may take long.
void check_metric(const Flags& flags, const std::vector<int64_t>& labels) {
  if (flags.metric == "agreement") {
    if (!flags.reference.empty()) return;
    throw CLI::ValidationError("--metric agreement needs --reference PLAN, usually a float one");
  }
  if (flags.metric.empty() || !labels.empty()) return;
  throw CLI::ValidationError("--metric " + flags.metric +
                             " needs labels: --labels FILE, or a data set that carries them");
}

void run(const Session& session, const Flags& flags) {
  EngineOptions engine_options;
  engine_options.threads = session.threads;
  engine_options.log = session.log();
  if (!flags.isa.empty()) engine_options.isa = isa_from_name(flags.isa);
  const Engine engine = Engine::load(flags.plan, engine_options);
  const DataOptions options = data_options(flags, engine);
  const auto source = open_data(flags.data, options);
  const std::vector<int64_t> labels = labels_for(flags, *source);
  check_metric(flags, labels);
  const Collected collected = run_all(session, engine, *source, flags.profile, options.batch);
  const auto outputs = bindings_of(engine, false);
  if (!flags.output.empty()) {
    std::map<std::string, Tensor> arrays;
    for (const Binding& b : outputs) arrays[b.name] = collected.joined(b.name);
    save_npz(flags.output, arrays);
    fmt::print(stderr, "{}: {} arrays\n", flags.output, arrays.size());
  }
  const Tensor scores = collected.joined(outputs[0].name);
  const bool classes = scores.type() == DataType::kFloat32 && scores.shape().rank() == 2;
  if (classes) show_predictions(scores, flags.show);
  if (!flags.metric.empty()) {
    print_metric(session, flags, options, scores, labels, outputs[0].name);
  } else if (classes && !labels.empty()) {
    fmt::print("top1: {:.4f}\n", top_k_accuracy(scores, labels, 1));
  }
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "run",
      "Run an engine on samples: predictions, a metric, outputs as .npz.\n"
      "Example: octile run model.plan --data images/ --labels labels.txt --metric top5");
  auto flags = std::make_shared<Flags>();
  command->add_option("plan", flags->plan, "The plan")->required();
  command->add_option("--data", flags->data, "Samples, as in `octile calibrate --calibrate`")
      ->required();
  flags->flags.add(*command);
  command->add_option("--labels", flags->labels,
                      "Labels: one integer a line, .npy, or IDX (default: those of the data)");
  command->add_option("--metric", flags->metric, "top1, top5 or agreement")
      ->check(CLI::IsMember({"top1", "top5", "agreement"}));
  command->add_option("--reference", flags->reference, "Plan to agree with");
  command->add_option("-o,--output", flags->output, "Write all outputs to this .npz");
  command->add_option("--show", flags->show, "Print so many predictions")->capture_default_str();
  command->add_option("--profile", flags->profile,
                      "Optimization profile (default: the first that holds the batch)");
  command->add_option("--isa", flags->isa, "Strongest instruction set to use")->check(isa_names());
  command->callback([&session, flags] { run(session, *flags); });
}

}  // namespace octile::cli
