// See insert_qdq.h. The interpreter on the network that this makes is the oracle of lower.
#include "compile/insert_qdq.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "compile/free_name.h"
#include "compile/grid.h"
#include "compile/run_time_product.h"
#include "compile/weighted.h"

namespace octile {
namespace {

struct Use {
  LayerId layer;
  int index;
};

class Inserter {
 public:
  Inserter(Network& network, const std::vector<Group>& groups,
           const std::vector<GroupLabel>& labels, const TensorRanges& ranges, QdqStyle style)
      : network_(network), groups_(groups), labels_(labels), ranges_(ranges), style_(style) {}

  void run() {
    choose_schemes();
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (!labels_[g].int8) continue;
      if (int8_kind(network_, groups_[g]) == Int8Kind::kWeighted) quantize_weights(g);
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (labels_[g].int8) quantize_operands(g);
    }
    for (size_t g = 0; style_ == QdqStyle::kOnnxRuntime && g < groups_.size(); ++g) {
      if (labels_[g].int8) quantize_output(g);
    }
    share_dequantized();
  }

 private:
  /// The first int8 group that computes on a class (movement groups go along) decides its scheme;
  /// but right operands of run-time products are symmetric and in [−127, 127].
  void choose_schemes() {
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (!labels_[g].int8 || !is_run_time_product(network_, groups_[g].core)) continue;
      const int32_t right = ranges_.class_of(network_.inputs(groups_[g].core)[1]);
      schemes_.emplace(right, Scheme::kStaticSymmetric);
      narrow_.insert(right);
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (!labels_[g].int8 || is_dynamic(labels_[g].scheme)) continue;
      if (int8_kind(network_, groups_[g]) == Int8Kind::kMovement) continue;
      for (TensorId t : operands_of(network_, groups_[g])) {
        schemes_.emplace(ranges_.class_of(t), labels_[g].scheme);
      }
    }
  }

  bool is_narrow(TensorId t) const { return narrow_.count(ranges_.class_of(t)) != 0; }

  Scheme scheme_of(TensorId t, const GroupLabel& label) const {
    const auto found = schemes_.find(ranges_.class_of(t));
    return found != schemes_.end() ? found->second : label.scheme;
  }

  void quantize_weights(size_t g) {
    const LayerId layer = groups_[g].core;
    float input_scale = 0.0f;
    if (!is_dynamic(labels_[g].scheme)) {
      const TensorId x = network_.inputs(layer)[0];
      input_scale = ranges_.params(x, scheme_of(x, labels_[g]))->scale;
    }
    const int axis = output_channel_axis(network_, layer);
    Quantize quantize{
        .type = DataType::kInt8,
        .scale = weight_scales(network_, layer, input_scale, labels_[g].weight_scales),
        .zero_point = 0,
        .axis = axis,
        .lo = -127,
        .hi = 127,
        .dynamic = false};
    const Dequantize dequantize{
        .scale = quantize.scale, .zero_point = 0, .axis = axis, .dynamic = false};
    if (style_ == QdqStyle::kOnnxRuntime) quantize_bias(layer, input_scale, quantize.scale);
    const TensorId weights = network_.inputs(layer)[1];
    const std::string name = network_.name(layer);
    const TensorId q = network_.quantize(weights, std::move(quantize), name + ".weights.quantize");
    network_.set_input(layer, 1, network_.dequantize(q, dequantize, name + ".weights.dequantize"));
  }

  /// The integers that lowering would add (docs/arithmetic.md), as a constant.
  void quantize_bias(LayerId layer, float input_scale, const std::vector<float>& scales) {
    const bool gemm = std::holds_alternative<Convolution>(network_.op(layer)) ||
                      network_.shape(network_.inputs(layer)[0]).rank() == 2;
    const Tensor* bias = bias_source(network_, layer).value;
    if (!gemm || bias == nullptr) return;
    Tensor q(DataType::kInt32, bias->shape());
    Dequantize dequantize{.scale = {}, .zero_point = 0, .axis = 0, .dynamic = false};
    for (size_t c = 0; c < scales.size(); ++c) {
      const double scale = double(input_scale) * double(scales[c]);
      q.as<int32_t>()[c] =
          static_cast<int32_t>(std::nearbyint(double(bias->as<float>()[c]) / scale));
      dequantize.scale.push_back(static_cast<float>(scale));
    }
    const std::string name = network_.name(layer);
    const TensorId integers = network_.constant(std::move(q), name + ".bias.quantized");
    network_.set_input(layer, 2,
                       network_.dequantize(integers, dequantize, name + ".bias.dequantize"));
  }

  /// A pair behind the group; and one before its clamp where the outer one does not clamp as well.
  /// Both lie on one grid that holds 0, so that the clamp between them changes nothing. What only
  /// float layers read is not cut: the pair is there for the sake of fusion alone.
  void quantize_output(size_t g) {
    const Group& group = groups_[g];
    const TensorId y = output_of(network_, group);
    const bool product = std::holds_alternative<MatrixMultiply>(network_.op(group.core));
    const bool read = static_.count(y.index) != 0;
    if (!ranges_.find(y) || (product && !read)) return;
    const Scheme scheme = scheme_of(y, labels_[g]);
    const QuantParams grid = read ? *ranges_.params(y, scheme) : *ranges_.uncut_params(y, scheme);
    if (!read) static_.emplace(y.index, add_pair(y, grid, is_affine(scheme), is_narrow(y)));
    if (network_.is_output(y)) network_.replace_uses(y, static_.at(y.index));
    if (!group.clamp.valid()) return;
    const ClampBounds bounds = clamp_bounds(std::get<Activation>(network_.op(group.clamp)));
    const bool affine = is_affine(scheme);
    const int32_t lo = affine ? 0 : -128, hi = affine ? 255 : 127;
    const auto on_grid = [&](float bound) {
      return quantize_value(bound, grid.scale, grid.zero_point, lo, hi);
    };
    if (on_grid(bounds.lo) == lo && on_grid(bounds.hi) == hi) return;
    const TensorId inner = network_.inputs(group.clamp)[0];
    network_.set_input(group.clamp, 0, add_pair(inner, grid, affine, is_narrow(y)));
  }

  void quantize_operands(size_t g) {
    const Group& group = groups_[g];
    const bool weighted = int8_kind(network_, group) == Int8Kind::kWeighted;
    const size_t core_operands = weighted ? 1 : network_.inputs(group.core).size();
    for (size_t i = 0; i < core_operands; ++i) reroute({group.core, int(i)}, labels_[g]);
    if (!group.add.valid() || is_dynamic(labels_[g].scheme)) return;
    const int index = network_.inputs(group.add)[0] == group.residual ? 0 : 1;
    if (ranges_.find(group.residual)) reroute({group.add, index}, labels_[g]);
  }

  void reroute(Use use, const GroupLabel& label) {
    const TensorId t = network_.inputs(use.layer)[static_cast<size_t>(use.index)];
    if (network_.type(t) != DataType::kFloat32) return;  // a gather's indices
    const LayerId producer = network_.producer(t);
    if (producer.valid() && std::holds_alternative<Dequantize>(network_.op(producer))) return;
    network_.set_input(use.layer, use.index,
                       is_dynamic(label.scheme) ? dynamic_copy(t, label.scheme)
                                                : static_copy(t, scheme_of(t, label)));
  }

  TensorId static_copy(TensorId t, Scheme scheme) {
    const auto found = static_.find(t.index);
    if (found != static_.end()) return found->second;
    const QuantParams grid =
        is_summand(t) ? *ranges_.uncut_params(t, scheme) : *ranges_.params(t, scheme);
    const TensorId d = add_pair(t, grid, is_affine(scheme), is_narrow(t));
    static_.emplace(t.index, d);
    return d;
  }

  /// A product that only an add reads: lowering adds it in float, so nothing should be cut off it.
  bool is_summand(TensorId t) const {
    const LayerId producer = network_.producer(t);
    const auto readers = network_.consumers(t);
    if (style_ != QdqStyle::kOnnxRuntime || !producer.valid() || readers.size() != 1) return false;
    const auto* op = std::get_if<Elementwise>(&network_.op(readers[0]));
    return op != nullptr && op->kind == ElementwiseKind::kAdd && is_weighted(network_, producer);
  }

  /// t → Quantize → Dequantize; returns the latter's output.
  TensorId add_pair(TensorId t, const QuantParams& params, bool affine, bool narrow) {
    const Quantize quantize{.type = affine ? DataType::kUInt8 : DataType::kInt8,
                            .scale = {params.scale},
                            .zero_point = params.zero_point,
                            .axis = -1,
                            .lo = affine   ? 0
                                  : narrow ? -127
                                           : -128,
                            .hi = affine ? 255 : 127,
                            .dynamic = false};
    const Dequantize dequantize{
        .scale = {params.scale}, .zero_point = params.zero_point, .axis = -1, .dynamic = false};
    const std::string name = network_.name(t);
    const TensorId q = network_.quantize(t, quantize, fresh(name + ".quantize"));
    return network_.dequantize(q, dequantize, fresh(name + ".dequantize"));
  }

  std::string fresh(const std::string& name) const { return free_name(network_, name); }

  TensorId dynamic_copy(TensorId t, Scheme scheme) {
    const bool affine = is_affine(scheme);
    const auto found = dynamic_.find({t.index, affine});
    if (found != dynamic_.end()) return found->second;
    const Quantize quantize{.type = affine ? DataType::kUInt8 : DataType::kInt8,
                            .scale = {},
                            .zero_point = 0,
                            .axis = -1,
                            .lo = affine ? 0 : -128,
                            .hi = affine ? 255 : 127,
                            .dynamic = true};
    const Dequantize dequantize{.scale = {}, .zero_point = 0, .axis = -1, .dynamic = true};
    const std::string name = network_.name(t) + (affine ? ".dynamic_affine" : ".dynamic");
    const LayerId q = network_.add(quantize, {t}, fresh(name + ".quantize"));
    const LayerId d = network_.add(
        dequantize, {network_.output(q, 0), network_.output(q, 1), network_.output(q, 2)},
        fresh(name + ".dequantize"));
    return dynamic_[{t.index, affine}] = network_.output(d);
  }

  /// Tensors made by int8 groups exist in int8 alone: their float readers take the copy. Network
  /// outputs exist in float anyway.
  void share_dequantized() {
    for (size_t g = 0; g < groups_.size(); ++g) {
      const TensorId t = output_of(network_, groups_[g]);
      if (!labels_[g].int8 || network_.is_output(t)) continue;
      const auto copy = static_.find(t.index);
      if (copy == static_.end()) continue;
      for (LayerId consumer : network_.consumers(t)) {
        if (std::holds_alternative<Quantize>(network_.op(consumer))) continue;
        const auto inputs = network_.inputs(consumer);
        for (size_t i = 0; i < inputs.size(); ++i) {
          if (inputs[i] == t) network_.set_input(consumer, int(i), copy->second);
        }
      }
    }
  }

  Network& network_;
  const std::vector<Group>& groups_;
  const std::vector<GroupLabel>& labels_;
  const TensorRanges& ranges_;
  QdqStyle style_;
  std::map<int32_t, Scheme> schemes_;                     // by class
  std::set<int32_t> narrow_;                              // classes without −128
  std::map<int32_t, TensorId> static_;                    // float tensor → dequantized copy
  std::map<std::pair<int32_t, bool>, TensorId> dynamic_;  // (float tensor, affine) → copy
};

}  // namespace

void insert_qdq(Network& network, const std::vector<Group>& groups,
                const std::vector<GroupLabel>& labels, const TensorRanges& ranges, QdqStyle style) {
  Inserter(network, groups, labels, ranges, style).run();
}

void pad_integers(Network& network) {
  for (const LayerId layer : network.layers()) {
    if (!network.alive(layer)) continue;
    const auto* op = std::get_if<Padding>(&network.op(layer));
    if (op == nullptr || network.is_output(network.output(layer))) continue;
    if (!is_zero_padding(*op)) continue;
    const auto from = dequantized_from(network, network.inputs(layer)[0]);
    const auto to = quantized_into(network, network.output(layer));
    if (!from || !to || !from->same_grid(*to)) continue;
    Padding padding = *op;
    padding.value = static_cast<float>(from->zero_point);
    const std::string name = network.name(layer);
    const LayerId quantize = network.producer(to->q);
    const LayerId padded = network.add(std::move(padding), {from->q}, name + ".integers");
    network.replace_uses(to->q, network.output(padded));
    network.remove(quantize);
    network.remove(layer);
    network.rename(padded, name);
  }
}

}  // namespace octile
