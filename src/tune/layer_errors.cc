// See layer_errors.h. Beside every quantized layer its int8 copy is put; means of the difference
// are layers, too, so that only a few numbers a layer leave the engine.
#include "tune/layer_errors.h"

#include <cmath>
#include <limits>
#include <unordered_map>

#include "compile/assign_precision.h"
#include "compile/compile.h"
#include "compile/free_name.h"
#include "compile/passes.h"
#include "tune/int8_copies.h"
#include "tune/observe.h"

namespace octile {
namespace {

struct Probe {
  LayerId layer;
  std::string mean, noise, signal;  // names of the tensors that hold them, by channel
};

class Prober {
 public:
  explicit Prober(const LabelledGraph& graph) : graph_(graph), probed_(graph.network) {}

  void add(size_t g) {
    const LayerId layer = graph_.groups[g].core;
    const Group core{.core = layer, .add = {}, .clamp = {}, .residual = {}};
    const Group copy = add_int8_copy(probed_, core, graph_.labels[g], graph_.ranges);
    const std::string name = probed_.name(copy.core);
    const TensorId y = probed_.output(layer), q = probed_.output(copy.core);
    const TensorId error = probed_.elementwise(q, y, ElementwiseKind::kSub, fresh(name + ".error"));
    probes_.push_back({layer, mean(error, layer, name + ".mean"),
                       mean(squared(error, name + ".error2"), layer, name + ".noise"),
                       mean(squared(y, name + ".signal2"), layer, name + ".signal")});
  }

  const Network& network() const { return probed_; }
  const std::vector<Probe>& probes() const { return probes_; }

 private:
  std::string fresh(const std::string& name) const { return free_name(probed_, name); }

  TensorId squared(TensorId t, const std::string& name) {
    return probed_.elementwise(t, t, ElementwiseKind::kMul, fresh(name));
  }

  std::string mean(TensorId t, LayerId layer, const std::string& name) {
    const int rank = probed_.shape(t).rank();
    const bool product = std::holds_alternative<MatrixMultiply>(probed_.op(layer));
    const int channels = product ? rank - 1 : 1;
    Reduce reduce{.kind = ReduceKind::kMean, .axes = {}, .keep_dims = false};
    for (int axis = 0; axis < rank; ++axis) {
      if (axis != channels) reduce.axes.push_back(axis);
    }
    return probed_.name(probed_.reduce(t, reduce, fresh(name)));
  }

  const LabelledGraph& graph_;
  Network probed_;
  std::vector<Probe> probes_;
};

void add_scaled(std::vector<double>& sum, const Tensor& values, double factor) {
  sum.resize(static_cast<size_t>(values.volume()), 0.0);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += factor * values.as<float>()[i];
}

double average(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

std::vector<LayerError> measured(const Prober& prober, BatchSource& source,
                                 const CalibrationOptions& calibration) {
  std::vector<std::string> names;
  for (const Probe& probe : prober.probes()) {
    names.insert(names.end(), {probe.mean, probe.noise, probe.signal});
  }
  std::unordered_map<std::string, std::vector<double>> sums;
  double rows = 0.0;
  observe(prober.network(), source, calibration, names, "layer errors",
          [&](int64_t count, const std::map<std::string, Tensor>& values) {
            rows += static_cast<double>(count);
            for (const auto& [name, value] : values) {
              add_scaled(sums[name], value, static_cast<double>(count));
            }
          });
  std::vector<LayerError> errors;
  for (const Probe& probe : prober.probes()) {
    LayerError error{.layer = probe.layer, .mean = sums.at(probe.mean)};
    for (double& mean : error.mean) mean /= rows;
    error.noise = average(sums.at(probe.noise)) / rows;
    error.signal = average(sums.at(probe.signal)) / rows;
    errors.push_back(std::move(error));
  }
  return errors;
}

}  // namespace

double LayerError::sqnr_db() const {
  if (noise <= 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(signal / noise);
}

Network prepared(const Network& network, const BuildOptions& options) {
  Network result = network;
  apply_requests(result, options);
  run_passes(result, options.disabled_passes, nullptr);
  return result;
}

std::vector<LayerError> layer_errors(const Network& network, const CalibrationTable* table,
                                     const BuildOptions& options, BatchSource& source,
                                     const CalibrationOptions& calibration) {
  BuildOptions quiet = options;
  quiet.log = nullptr;
  const LabelledGraph graph =
      label_graph(network, table, {.build = quiet, .keep_tensors = false, .preprocess = ""});
  Prober prober(graph);
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    const bool weighted = int8_kind(network, graph.groups[g]) == Int8Kind::kWeighted;
    if (graph.labels[g].int8 && weighted) prober.add(g);
  }
  if (prober.probes().empty()) return {};
  return measured(prober, source, calibration);
}

}  // namespace octile
