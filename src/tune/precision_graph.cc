// See precision_graph.h.
#include "tune/precision_graph.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "compile/weighted.h"

namespace octile {
namespace {

constexpr double kMostNoise = 1e14;  // more than any layer takes, in time or in bytes

int64_t whole_ns(double ns) { return std::llround(std::max(ns, 0.0)); }

/// Bytes of a group's weights in float32.
int64_t weight_bytes(const LabelledGraph& graph, size_t g) {
  const LayerId core = graph.groups[g].core;
  if (!is_weighted(graph.network, core)) return 0;
  const auto source = weight_source(graph.network, core);
  return source && source->value != nullptr ? source->value->volume() * 4 : 0;
}

GroupCosts group_costs(const LabelledGraph& graph, const GroupTimes& times, size_t g) {
  const GroupLabel& label = graph.labels[g];
  const auto at = [](Label l) { return size_t(l); };
  GroupCosts costs;
  costs.dynamic = is_dynamic(label.scheme);
  costs.cost[at(Label::kFloat)] = whole_ns(times.float32);
  costs.cost[at(Label::kHalf)] = times.half ? whole_ns(*times.half) : kForbidden;
  costs.cost[at(Label::kInt8)] = label.can_int8 && times.int8 ? whole_ns(*times.int8) : kForbidden;
  const auto only = [&](Label wanted) {
    if (costs.cost[at(wanted)] == kForbidden) return;
    for (int l = 0; l < kLabels; ++l) {
      if (Label(l) != wanted) costs.cost[size_t(l)] = kForbidden;
    }
  };
  if (label.wanted == Precision::kFloat32) only(Label::kFloat);
  if (label.wanted == Precision::kFloat16) only(Label::kHalf);
  if (label.wanted == Precision::kInt8) only(Label::kInt8);
  return costs;
}

/// Tensors between groups; what they cost comes from the producer's and their own times.
class TensorBuilder {
 public:
  TensorBuilder(const LabelledGraph& graph, const MeasuredTimes& times)
      : graph_(graph), times_(times), at_(size_t(graph.network.tensor_count()), -1) {}

  PrecisionGraph run() {
    PrecisionGraph result;
    const Network& network = graph_.network;
    std::vector<int> producer(at_.size(), -1);
    for (size_t g = 0; g < graph_.groups.size(); ++g) {
      for (TensorId t : operands_of(network, graph_.groups[g])) {
        if (network.type(t) != DataType::kFloat32 || network.constant_value(t)) continue;
        TensorCosts& costs = entry(t, producer[size_t(t.index)]);
        std::vector<int>& readers = costs.consumers;
        if (readers.empty() || readers.back() != int(g)) readers.push_back(int(g));
        const bool first = t == operands_of(network, graph_.groups[g])[0];
        if (first && times_.groups[g].quantizes_input) {  // and no other reader in INT8
          costs.convert[size_t(Label::kFloat)][size_t(Label::kInt8)] = 0;
        }
      }
      for (LayerId layer : graph_.groups[g].layers()) {
        for (TensorId t : network.outputs(layer)) producer[size_t(t.index)] = int(g);
      }
    }
    for (TensorId t : network.outputs()) {
      if (network.type(t) == DataType::kFloat32) {
        entry(t, producer[size_t(t.index)]).wants_float = true;
      }
    }
    for (TensorCosts& costs : list_) {
      if (costs.wants_float) price_output(costs);
    }
    result.problem.tensors = std::move(list_);
    result.tensors = std::move(tensors_);
    return result;
  }

 private:
  /// An output is made in float, whatever its producer computes in, and quantized for readers in
  /// INT8.
  static void price_output(TensorCosts& costs) {
    const auto& [from8, to32] = std::pair{size_t(Label::kInt8), size_t(Label::kFloat)};
    if (costs.producer < 0 || costs.write[from8][to32] == kForbidden) return;
    costs.convert[from8][to32] = costs.write[from8][to32] + costs.convert[to32][from8];
  }

  TensorCosts& entry(TensorId t, int producer) {
    int& at = at_[size_t(t.index)];
    if (at >= 0) return list_[size_t(at)];
    at = int(list_.size());
    tensors_.push_back(t);
    TensorCosts& costs = list_.emplace_back();
    costs.producer = producer;
    const ConversionTimes& own = times_.conversions[size_t(t.index)];
    const auto set = [&](Label from, Label to, double ns) {
      costs.convert[size_t(from)][size_t(to)] = whole_ns(ns);
    };
    set(Label::kFloat, Label::kInt8, own.quantize);
    set(Label::kInt8, Label::kFloat, own.dequantize);
    set(Label::kFloat, Label::kHalf, own.to_half);
    set(Label::kHalf, Label::kFloat, own.from_half);
    set(Label::kHalf, Label::kInt8, own.half_to_int8);
    set(Label::kInt8, Label::kHalf, own.int8_to_half);
    costs.dynamic_quantize = whole_ns(own.dynamic_quantize);
    if (producer < 0) return costs;
    const GroupTimes& made = times_.groups[size_t(producer)];
    if (made.int8 && made.int8_to_float) {
      const int64_t extra = whole_ns(*made.int8_to_float - *made.int8);
      auto& write = costs.write[size_t(Label::kInt8)];
      write[size_t(Label::kFloat)] = extra;
      // Lowering has the kernel write float wherever nobody reads int8, even where a Dequantize
      // step would be quicker: that one must not look cheaper.
      int64_t& dequantize = costs.convert[size_t(Label::kInt8)][size_t(Label::kFloat)];
      dequantize = std::max(dequantize, extra);
      write[size_t(Label::kHalf)] = extra;  // half the bytes: at most that
    }
    return costs;
  }

  const LabelledGraph& graph_;
  const MeasuredTimes& times_;
  std::vector<int> at_;  // by tensor of the network: index into list_
  std::vector<TensorCosts> list_;
  std::vector<TensorId> tensors_;  // by list_
};

/// Calls `visit` on everything that a problem counts and that is not forbidden.
template <class Visit>
void for_each_cost(PrecisionProblem& problem, const Visit& visit) {
  const auto each = [&](auto& costs) {
    for (int64_t& cost : costs) {
      if (cost != kForbidden) visit(cost);
    }
  };
  for (GroupCosts& group : problem.groups) each(group.cost);
  for (TensorCosts& tensor : problem.tensors) {
    for (auto& from : tensor.convert) each(from);
    for (auto& from : tensor.write) each(from);
    visit(tensor.dynamic_quantize);
  }
}

/// Bytes of weights first: all times together become less than one byte.
void count_bytes(const LabelledGraph& graph, PrecisionProblem& problem) {
  constexpr int64_t kByte = 100000, kBytes[kLabels] = {4, 2, 1};
  int64_t all = 1;
  for_each_cost(problem, [&](int64_t cost) { all += cost; });
  const double scale = double(kByte) / double(std::max(all, kByte));
  for_each_cost(problem, [&](int64_t& cost) { cost = int64_t(double(cost) * scale); });
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    const int64_t weights = weight_bytes(graph, g) / 4;
    for (size_t l = 0; l < size_t(kLabels); ++l) {
      int64_t& cost = problem.groups[g].cost[l];
      if (cost != kForbidden) cost += weights * kBytes[l] * kByte;
    }
  }
}

}  // namespace

PrecisionGraph precision_graph(const LabelledGraph& graph, const MeasuredTimes& times) {
  PrecisionGraph result = TensorBuilder(graph, times).run();
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    result.problem.groups.push_back(group_costs(graph, times.groups[g], g));
  }
  return result;
}

PrecisionProblem with_preferences(const PrecisionGraph& measured, const LabelledGraph& graph,
                                  Objective objective, double lambda,
                                  const std::vector<double>& noise) {
  PrecisionProblem problem = measured.problem;
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    auto& cost = problem.groups[g].cost;
    int64_t& int8 = cost[size_t(Label::kInt8)];
    const int64_t float32 = cost[size_t(Label::kFloat)];
    if (int8 == kForbidden) continue;
    if (float32 != kForbidden) int8 += whole_ns(kInt8Margin * double(float32));
  }
  if (objective == Objective::kSize) count_bytes(graph, problem);
  for (size_t g = 0; g < noise.size(); ++g) {
    int64_t& int8 = problem.groups[g].cost[size_t(Label::kInt8)];
    if (int8 != kForbidden) int8 += whole_ns(std::min(lambda * noise[g], kMostNoise));
  }
  return problem;
}

void drop_unread_int8(const PrecisionProblem& problem, const LabelledGraph& graph,
                      std::vector<Label>& labels) {
  std::vector<const TensorCosts*> made(labels.size(), nullptr);
  for (const TensorCosts& t : problem.tensors) {
    if (t.producer >= 0) made[size_t(t.producer)] = &t;
  }
  const auto reads_int8 = [&](int g) {
    return labels[size_t(g)] == Label::kInt8 && !problem.groups[size_t(g)].dynamic;
  };
  const auto is_read = [&](const TensorCosts* t) {  // an output is made in float
    return t != nullptr && !t->wants_float &&
           std::any_of(t->consumers.begin(), t->consumers.end(), reads_int8);
  };
  for (size_t g = labels.size(); g-- > 0;) {  // readers first
    const Int8Kind kind = int8_kind(graph.network, graph.groups[g]);
    const auto& cost = problem.groups[g].cost;
    if (labels[g] != Label::kInt8 || cost[size_t(Label::kFloat)] == kForbidden) continue;
    if (kind != Int8Kind::kArithmetic && kind != Int8Kind::kMovement) continue;
    if (is_read(made[g])) continue;
    const int64_t half = cost[size_t(Label::kHalf)];
    labels[g] =
        half != kForbidden && half < cost[size_t(Label::kFloat)] ? Label::kHalf : Label::kFloat;
  }
}

Precision precision_of(Label label) {
  switch (label) {
    case Label::kFloat: return Precision::kFloat32;
    case Label::kHalf: return Precision::kFloat16;
    case Label::kInt8: break;
  }
  return Precision::kInt8;
}

bool is_constant_conversion(const Network& network, const Group& group) {
  for (LayerId layer = group.core; layer.valid();) {
    const Op& op = network.op(layer);
    if (!std::holds_alternative<Quantize>(op) && !std::holds_alternative<Dequantize>(op)) {
      return false;
    }
    const TensorId from = network.inputs(layer)[0];
    if (network.constant_value(from) != nullptr) return true;
    layer = network.producer(from);
  }
  return false;
}

ConversionCosts conversions_at(const PrecisionProblem& problem,
                               const std::vector<TensorId>& tensors,
                               const std::vector<Label>& labels, int group) {
  const auto is_int8 = [&](int g) { return g == group || labels[size_t(g)] == Label::kInt8; };
  constexpr size_t kFrom32 = size_t(Label::kFloat), kTo8 = size_t(Label::kInt8);
  ConversionCosts costs;
  double dearest = 0.0;
  const auto note = [&](double& sum, double ns, size_t tensor) {
    sum += ns;
    if (ns > dearest) costs.dearest = tensors[tensor];
    dearest = std::max(dearest, ns);
  };
  for (size_t k = 0; k < problem.tensors.size(); ++k) {
    const TensorCosts& t = problem.tensors[k];
    const auto in_int8 = std::count_if(t.consumers.begin(), t.consumers.end(), is_int8);
    if (t.producer == group) {
      const bool float_reader = t.wants_float || in_int8 < std::ssize(t.consumers);
      if (!float_reader) continue;
      int64_t ns = t.convert[kTo8][kFrom32];  // of an output: its quantize for readers as well
      if ((in_int8 == 0 || t.wants_float) && t.write[kTo8][kFrom32] != kForbidden) {
        ns = std::min(ns, t.write[kTo8][kFrom32]);
      }
      note(costs.dequantize, double(ns), k);
    } else if (std::count(t.consumers.begin(), t.consumers.end(), group) != 0) {
      const bool dynamic = problem.groups[size_t(group)].dynamic;
      const bool is_float = t.producer < 0 || t.wants_float;  // an output is made in float
      const Label from = is_float ? Label::kFloat : labels[size_t(t.producer)];
      const int64_t ns = dynamic ? t.dynamic_quantize : t.convert[size_t(from)][kTo8];
      note(costs.quantize, double(ns) / double(in_int8), k);
    }
  }
  return costs;
}

}  // namespace octile
