// Grouping rules. Fusion decides bits (docs/arithmetic.md), so nothing here looks at timings.
#include "compile/group.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "compile/normalization.h"
#include "compile/weighted.h"

namespace octile {
namespace {

template <typename T>
bool is(const Network& network, LayerId layer) {
  return std::holds_alternative<T>(network.op(layer));
}

bool is_clamp(const Network& network, LayerId layer) {
  const auto* op = std::get_if<Activation>(&network.op(layer));
  return op != nullptr && (op->kind == ActivationKind::kRelu || op->kind == ActivationKind::kClip);
}

/// Consumer of `tensor` when it has exactly one and is no network output.
LayerId only_consumer(const Network& network, TensorId tensor) {
  const auto consumers = network.consumers(tensor);
  return consumers.size() == 1 && !network.is_output(tensor) ? consumers[0] : LayerId{};
}

/// Constant float weights and bias (perhaps through quantization): what a weighted step needs.
bool has_constant_parameters(const Network& network, LayerId layer) {
  if (!is_weighted(network, layer)) return false;
  const auto& inputs = network.inputs(layer);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (network.type(inputs[i]) != DataType::kFloat32) return false;
  }
  return inputs.size() < 3 || constant_float(network, inputs[2]).has_value();
}

/// Convolutions of images and products with constant weights; 3-d windows are single.
bool takes_residual(const Network& network, LayerId layer) {
  if (!has_constant_parameters(network, layer) || is<Deconvolution>(network, layer)) return false;
  if (is<MatrixMultiply>(network, layer)) return true;
  const int rank = network.shape(network.inputs(layer)[0]).rank();
  return rank == 3 || rank == 4;
}

bool takes_clamp(const Network& network, LayerId layer) {
  if (network.type(network.output(layer)) != DataType::kFloat32) return false;
  if (const auto* op = std::get_if<Elementwise>(&network.op(layer))) {
    return op->kind == ElementwiseKind::kAdd || op->kind == ElementwiseKind::kSub ||
           op->kind == ElementwiseKind::kMul;
  }
  if (is<Deconvolution>(network, layer)) {
    return has_constant_parameters(network, layer) &&
           network.shape(network.output(layer)).rank() == 4;
  }
  return takes_residual(network, layer);
}

class Grouper {
 public:
  Grouper(const Network& network, bool fuse, bool residuals)
      : network_(network), fuse_(fuse), residuals_(residuals) {
    layers_ = network.layers();
    for (size_t i = 0; i < layers_.size(); ++i) position_[layers_[i].index] = i;
  }

  std::vector<Group> run() {
    if (fuse_) fuse_normalizations();
    if (fuse_ && residuals_) fuse_residuals();
    for (LayerId layer : layers_) {
      if (is<Constant>(network_, layer) || taken_.count(layer.index) != 0) continue;
      place(Group{.core = layer, .add = {}, .clamp = {}, .residual = {}});
    }
    std::sort(groups_.begin(), groups_.end(), [this](const Group& a, const Group& b) {
      return position_.at(a.last().index) < position_.at(b.last().index);
    });
    return std::move(groups_);
  }

 private:
  void place(Group group) {
    if (fuse_ && group.before.empty() && takes_clamp(network_, group.core)) {
      const LayerId next = only_consumer(network_, network_.output(group.last()));
      if (next.valid() && is_clamp(network_, next)) group.clamp = next;
    }
    for (LayerId layer : group.layers()) taken_.insert(layer.index);
    groups_.push_back(std::move(group));
  }

  void fuse_normalizations() {
    for (LayerId layer : layers_) {
      auto found = normalization_from(network_, layer);
      if (!found) continue;
      Group group;
      group.core = found->layers.back();
      found->layers.pop_back();
      group.before = std::move(found->layers);
      place(std::move(group));
    }
  }

  /// An add takes the later of its two weighted producers, so that the other is already there.
  void fuse_residuals() {
    for (LayerId layer : layers_) {
      const auto* op = std::get_if<Elementwise>(&network_.op(layer));
      if (op == nullptr || op->kind != ElementwiseKind::kAdd) continue;
      const TensorId a = network_.inputs(layer)[0], b = network_.inputs(layer)[1];
      if (network_.shape(a) != network_.shape(b) || a == b) continue;
      Group best;
      for (const auto& [product, other] : {std::pair{a, b}, std::pair{b, a}}) {
        const LayerId core = network_.producer(product);
        if (!core.valid() || network_.constant_value(other) != nullptr) continue;
        if (!takes_residual(network_, core) || taken_.count(core.index) != 0) continue;
        if (!only_consumer(network_, product).valid()) continue;
        if (best.core.valid() && position_.at(core.index) < position_.at(best.core.index)) continue;
        best = Group{.core = core, .add = layer, .clamp = {}, .residual = other};
      }
      if (best.core.valid()) place(best);
    }
  }

  const Network& network_;
  bool fuse_, residuals_;
  std::vector<LayerId> layers_;
  std::unordered_map<int32_t, size_t> position_;
  std::unordered_set<int32_t> taken_;
  std::vector<Group> groups_;
};

Int8Kind elementwise_kind(const Network& network, LayerId layer, const Elementwise& op) {
  if (op.kind != ElementwiseKind::kAdd && op.kind != ElementwiseKind::kMul) return Int8Kind::kNone;
  const auto& inputs = network.inputs(layer);
  for (TensorId t : inputs) {
    if (network.type(t) != DataType::kFloat32 || network.constant_value(t) != nullptr) {
      return Int8Kind::kNone;
    }
  }
  return network.shape(inputs[0]) == network.shape(inputs[1]) ? Int8Kind::kArithmetic
                                                              : Int8Kind::kNone;
}

Int8Kind pooling_kind(const Network& network, LayerId layer, const Pooling& op) {
  const int rank = network.shape(network.inputs(layer)[0]).rank();
  if (rank != 3 && rank != 4) return Int8Kind::kNone;
  return op.kind == PoolingKind::kMax ? Int8Kind::kMovement : Int8Kind::kArithmetic;
}

/// Elements are copied, and no value comes from elsewhere.
bool moves_only(const Resize& op) {
  return op.kind == ResizeKind::kNearest && op.coordinates != ResizeCoordinates::kTfCropAndResize;
}

}  // namespace

bool is_zero_padding(const Padding& op) {
  return op.kind != PaddingKind::kConstant || op.value == 0.0f;
}

std::vector<LayerId> Group::layers() const {
  std::vector<LayerId> list = before;
  list.push_back(core);
  if (add.valid()) list.push_back(add);
  if (clamp.valid()) list.push_back(clamp);
  return list;
}

std::vector<Group> make_groups(const Network& network, bool fuse, bool residuals) {
  return Grouper(network, fuse, residuals).run();
}

Int8Kind int8_kind(const Network& network, const Group& group) {
  const LayerId layer = group.core;
  const Op& op = network.op(layer);
  const auto& inputs = network.inputs(layer);
  if (inputs.empty() || network.type(network.output(layer)) != DataType::kFloat32) {
    return Int8Kind::kNone;
  }
  if (!group.before.empty()) return Int8Kind::kNone;
  if (takes_residual(network, layer)) return Int8Kind::kWeighted;
  if (const auto* elementwise = std::get_if<Elementwise>(&op)) {
    return elementwise_kind(network, layer, *elementwise);
  }
  if (const auto* pool = std::get_if<Pooling>(&op)) return pooling_kind(network, layer, *pool);
  if (std::holds_alternative<Activation>(op)) return Int8Kind::kArithmetic;
  if (const auto* resize = std::get_if<Resize>(&op)) {
    return moves_only(*resize) ? Int8Kind::kMovement : Int8Kind::kNone;
  }
  if (const auto* padding = std::get_if<Padding>(&op)) {
    return is_zero_padding(*padding) ? Int8Kind::kMovement : Int8Kind::kNone;
  }
  if (std::holds_alternative<Concatenation>(op)) {
    const bool constant = std::any_of(inputs.begin(), inputs.end(), [&](TensorId t) {
      return network.constant_value(t) != nullptr;
    });
    return constant ? Int8Kind::kNone : Int8Kind::kMovement;
  }
  const bool moves = std::holds_alternative<Shuffle>(op) || std::holds_alternative<Slice>(op) ||
                     std::holds_alternative<Identity>(op) || std::holds_alternative<Gather>(op);
  return moves && network.constant_value(inputs[0]) == nullptr ? Int8Kind::kMovement
                                                               : Int8Kind::kNone;
}

TensorId output_of(const Network& network, const Group& group) {
  return network.output(group.last());
}

std::vector<TensorId> operands_of(const Network& network, const Group& group) {
  if (!group.before.empty()) return {network.inputs(group.before[0])[0]};  // the mean's
  std::vector<TensorId> operands = network.inputs(group.core);
  if (is_weighted(network, group.core)) operands.resize(1);
  if (group.add.valid()) operands.push_back(group.residual);
  return operands;
}

std::string name_of(const Network& network, const Group& group) {
  if (!group.before.empty()) return network.name(group.before[0]);
  std::string name;
  for (LayerId layer : group.layers()) {
    name += name.empty() ? network.name(layer) : " + " + network.name(layer);
  }
  return name;
}

void make_names_distinct(Network& network, const std::vector<Group>& groups) {
  std::unordered_set<std::string> names;
  for (const Group& group : groups) {
    if (names.insert(name_of(network, group)).second) continue;
    const LayerId first = group.layers().front();
    const std::string base = network.name(first) + ".";
    for (int i = 2; !names.insert(name_of(network, group)).second; ++i) {
      const std::string numbered = base + std::to_string(i);
      if (!network.find_layer(numbered)) network.rename(first, numbered);
    }
  }
}

ClampBounds clamp_bounds(const Activation& op) {
  if (op.kind == ActivationKind::kClip) return {op.alpha, op.beta};
  return {0.0f, std::numeric_limits<float>::infinity()};
}

}  // namespace octile
