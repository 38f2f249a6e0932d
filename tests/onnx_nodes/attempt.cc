// See attempt.h.
#include "onnx_nodes/attempt.h"

#include <map>

#include "base/error.h"
#include "graph/interpreter.h"
#include "octile/builder.h"
#include "octile/engine.h"
#include "octile/onnx.h"
#include "onnx_nodes/compare.h"

namespace octile::onnx_nodes {
namespace {

using Constants = std::map<std::string, Tensor>;

bool is_integer(DataType type) { return type != DataType::kFloat32; }

Constants constants_of(const NodeCase& test, const DataSet& data, int round) {
  Constants constants;
  for (size_t i = 0; i < data.inputs.size() && round > 0; ++i) {
    const Tensor& value = data.inputs[i];
    const bool small = value.shape().rank() <= 1 && value.volume() <= kMostParameters;
    const bool wanted = round == 1 ? i > 0 && is_integer(value.type()) : round == 3 || i > 0;
    if (small && wanted) {
      constants.emplace(test.model.graph().input(static_cast<int>(i)).name(), value);
    }
  }
  return constants;
}

/// The first round that imports; the last round's error when none does.
Network import(const NodeCase& test, const DataSet& data, Constants& constants) {
  std::string refusal;
  ErrorCode code = ErrorCode::kInternal;
  for (int round = 0; round <= 3; ++round) {
    OnnxOptions options;
    options.constants = constants_of(test, data, round);
    if (round > 0 && options.constants.size() == constants.size()) continue;
    constants = options.constants;
    try {
      return import_onnx(test.model_file, options);
    } catch (const Error& error) {
      refusal = error.what();
      code = error.code();
    }
  }
  if (const size_t path = refusal.find(".onnx: "); path != std::string::npos) {
    refusal = refusal.substr(path + 7);
  }
  throw Error(code, "import: " + refusal);
}

/// The values of the network's inputs, by name.
std::vector<Tensor> inputs_of(const NodeCase& test, const DataSet& data, const Network& network) {
  std::vector<Tensor> inputs;
  for (const TensorId id : network.inputs()) {
    for (size_t i = 0; i < data.inputs.size(); ++i) {
      if (test.model.graph().input(static_cast<int>(i)).name() == network.name(id)) {
        inputs.push_back(data.inputs[i]);
      }
    }
  }
  check(inputs.size() == network.inputs().size(), ErrorCode::kInternal,
        "the data has no value for some of the network's inputs");
  return inputs;
}

/// Through the plan's bytes, so that what is saved runs as well as what was built.
std::vector<Tensor> run_engine(const Network& network, const std::vector<Tensor>& inputs) {
  BuildOptions options;
  options.tactics = BuildOptions::Tactics::kFirst;
  Profile profile;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorId id = network.inputs()[i];
    const Shape& shape = inputs[i].shape();
    if (!network.shape(id).is_static()) profile[network.name(id)] = {shape, shape, shape};
  }
  if (!profile.empty()) options.profiles = {profile};
  const Plan plan = Plan::parse(build(network, nullptr, options).serialize());
  const Engine engine = Engine::load(plan);
  ExecutionContext context = engine.create_context();
  return context.run(inputs);
}

void compare(const NodeCase& test, const DataSet& data, const std::vector<Tensor>& got,
             std::string_view what) {
  check(got.size() == data.outputs.size(), ErrorCode::kInternal, "{}: {} outputs, but {} expected",
        what, got.size(), data.outputs.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string text =
        difference(data.outputs[i], got[i], data.loose[i] ? kLooseRelative : kRelative);
    check(text.empty(), ErrorCode::kInternal, "{}: output '{}': {}", what,
          test.model.graph().output(static_cast<int>(i)).name(), text);
  }
}

void run_data_set(const NodeCase& test, const DataSet& data, Outcome& outcome) {
  Constants constants;
  const Network network = import(test, data, constants);
  outcome.with_constants = !constants.empty();
  for (size_t i = 0; i < data.outputs.size(); ++i) {
    const std::string& name = test.model.graph().output(static_cast<int>(i)).name();
    check(i < network.outputs().size() && network.name(network.outputs()[i]) == name,
          ErrorCode::kInternal, "output '{}' has another name in the network", name);
  }
  const std::vector<Tensor> inputs = inputs_of(test, data, network);
  compare(test, data, interpret(network, inputs), "interpreter");
  compare(test, data, run_engine(network, inputs), "engine");
}

}  // namespace

Outcome attempt(const NodeCase& test) {
  Outcome outcome;
  try {
    for (const auto& folder : test.data_sets) run_data_set(test, load_data(test, folder), outcome);
  } catch (const std::exception& error) {
    outcome.failure = error.what();
    for (char& c : outcome.failure) c = c == '\n' ? ' ' : c;
    if (outcome.failure.empty()) outcome.failure = "an exception without a message";
  }
  return outcome;
}

}  // namespace octile::onnx_nodes
