// See assign_precision.h.
#include "compile/assign_precision.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "compile/run_time_product.h"
#include "compile/weighted.h"

namespace octile {
namespace {

/// What the network says about a group: the widest request on any of its layers.
Precision requested_precision(const Network& network, const Group& group) {
  Precision result = Precision::kAuto;
  for (LayerId layer : group.layers()) {
    const Precision wanted = network.precision(layer);
    if (wanted == Precision::kFloat32) return wanted;
    if (wanted != Precision::kAuto && result != Precision::kFloat16) result = wanted;
  }
  return result;
}

Scheme requested_scheme(const Network& network, const Group& group, const BuildOptions& options) {
  for (LayerId layer : group.layers()) {
    if (network.scheme(layer)) return *network.scheme(layer);
  }
  return options.scheme;
}

/// Every name in the options must be a layer's, else a typing error would change nothing silently.
LayerId layer_named(const Network& network, const std::string& name, std::string_view option) {
  const auto layer = network.find_layer(name);
  check(layer.has_value(), ErrorCode::kInvalidArgument,
        "{} names layer '{}', which the network does not have; `octile inspect` on the model lists "
        "the names",
        option, name);
  return *layer;
}

int32_t largest_quantized_input(const QuantParams& params, Scheme scheme) {
  return is_affine(scheme) ? std::max(params.zero_point, 255 - params.zero_point) : 128;
}

bool is_dequantized(const Network& network, TensorId tensor) {
  const LayerId producer = network.producer(tensor);
  return producer.valid() && std::holds_alternative<Dequantize>(network.op(producer));
}

std::string weighted_refusal(const Network& network, const Group& group, const TensorRanges& ranges,
                             Scheme scheme, BuildOptions::WeightScales kind) {
  const TensorId x = network.inputs(group.core)[0];
  const auto source = weight_source(network, group.core);
  const BiasSource bias = bias_source(network, group.core);
  if (source->dequantize != nullptr || is_dequantized(network, x)) return "quantized by the model";
  if (bias.present && bias.value == nullptr) return "the bias is not a constant";
  if (network.type(x) != DataType::kFloat32) return "the input is not float32";
  if (source->value->type() != DataType::kFloat32) return "the weights are not float32";
  float input_scale = 0.0f;
  int32_t largest = 255;
  if (!is_dynamic(scheme)) {
    const auto params = ranges.params(x, scheme);
    if (!params) return fmt::format("no range for tensor '{}'", network.name(x));
    input_scale = params->scale;
    largest = largest_quantized_input(*params, scheme);
  }
  return accumulator_refusal(network, group.core,
                             weight_scales(network, group.core, input_scale, kind), input_scale,
                             largest);
}

std::string range_refusal(const Network& network, const Group& group, const TensorRanges& ranges) {
  std::vector<TensorId> tensors = operands_of(network, group);
  tensors.push_back(output_of(network, group));
  for (TensorId tensor : tensors) {
    if (network.type(tensor) == DataType::kFloat32 && !ranges.find(tensor)) {
      return fmt::format("no range for tensor '{}'", network.name(tensor));
    }
  }
  return "";
}

/// What it makes may stay float, so only its operands need ranges.
std::string product_refusal(const Network& network, const Group& group,
                            const TensorRanges& ranges) {
  for (TensorId t : operands_of(network, group)) {
    if (is_dequantized(network, t)) return "quantized by the model";
    if (!ranges.find(t)) return fmt::format("no range for tensor '{}'", network.name(t));
  }
  return "";
}

class Assigner {
 public:
  Assigner(const Network& network, const std::vector<Group>& groups, const TensorRanges& ranges,
           const BuildOptions& options, const Labelling& labelling)
      : network_(network),
        groups_(groups),
        ranges_(ranges),
        options_(options),
        labelling_(labelling),
        labels_(groups.size()),
        producer_(static_cast<size_t>(network.tensor_count()), -1) {
    for (size_t g = 0; g < groups.size(); ++g) {
      for (LayerId layer : groups[g].layers()) {
        for (TensorId t : network.outputs(layer)) producer_[size_t(t.index)] = int(g);
      }
      kinds_.push_back(int8_kind(network, groups[g]));
    }
  }

  std::vector<GroupLabel> run() {
    std::vector<bool> candidate(groups_.size(), false);
    for (size_t g = 0; g < groups_.size(); ++g) candidate[g] = first_label(g);
    if (labelling_.kind == Labelling::Kind::kChains) keep_chains(candidate);
    warn();
    return std::move(labels_);
  }

 private:
  /// Labels weighted groups; true for arithmetic and movement groups that could be int8.
  bool first_label(size_t g) {
    const Group& group = groups_[g];
    GroupLabel& label = labels_[g];
    label.scheme = requested_scheme(network_, group, options_);
    label.weight_scales = options_.weight_scales;
    if (!labelling_.ignores_requests) label.wanted = requested_precision(network_, group);
    const Precision wanted = label.wanted;
    if (!options_.int8) return false;
    if (wanted == Precision::kFloat32 || wanted == Precision::kFloat16) {
      label.note = fmt::format("{} was asked for", name_of(wanted));
      return false;
    }
    const bool product = is_run_time_product(network_, group.core);
    std::string refusal = "no int8 arithmetic for this layer";
    if (kinds_[g] == Int8Kind::kWeighted) {
      refusal = weighted_refusal(network_, group, ranges_, label.scheme, label.weight_scales);
    } else if (product || kinds_[g] != Int8Kind::kNone) {
      refusal = is_dynamic(label.scheme) ? "dynamic schemes quantize weighted layers alone"
                : product                ? product_refusal(network_, group, ranges_)
                                         : range_refusal(network_, group, ranges_);
    }
    check(refusal.empty() || wanted != Precision::kInt8, ErrorCode::kUnsupported,
          "layer '{}' was asked to run in int8 but cannot: {}", network_.name(group.core), refusal);
    if (!refusal.empty()) {
      if (product || kinds_[g] != Int8Kind::kNone) label.note = refusal;
      if (labelling_.kind == Labelling::Kind::kGiven) take_given(label, name_of(network_, group));
      return false;
    }
    label.can_int8 = true;
    label.int8 = wanted == Precision::kInt8;
    if (label.int8) return false;
    switch (labelling_.kind) {
      case Labelling::Kind::kChains:
        label.int8 = kinds_[g] == Int8Kind::kWeighted || product;
        break;
      case Labelling::Kind::kEvery: label.int8 = true; break;
      case Labelling::Kind::kGiven: take_given(label, name_of(network_, group)); break;
    }
    return !label.int8;
  }

  void take_given(GroupLabel& label, const std::string& name) const {
    const auto found = labelling_.given.find(name);
    if (found == labelling_.given.end()) return;
    if (!label.can_int8) {  // float32 or float16 all the same
      if (found->second.precision != Precision::kInt8) label.wanted = found->second.precision;
      return;
    }
    label.int8 = found->second.precision == Precision::kInt8;
    label.wanted = found->second.precision;
    label.note = found->second.note;
  }

  /// int8 for candidates that have an int8 group before and after them, through candidates.
  void keep_chains(const std::vector<bool>& candidate) {
    const size_t count = groups_.size();
    std::vector<bool> before(count, false), after(count, false);
    for (size_t g = 0; g < count; ++g) {  // running order: producers come first
      if (!candidate[g]) continue;
      for (TensorId t : operands_of(network_, groups_[g])) {
        const int p = producer_[size_t(t.index)];
        const bool from_input =
            p < 0 && kinds_[g] == Int8Kind::kMovement && network_.constant_value(t) == nullptr;
        if (from_input || (p >= 0 && (labels_[size_t(p)].int8 || before[size_t(p)]))) {
          before[g] = true;
        }
      }
    }
    for (size_t g = count; g-- > 0;) {
      const bool pulls =
          (labels_[g].int8 && !is_dynamic(labels_[g].scheme)) || (candidate[g] && after[g]);
      if (!pulls) continue;
      for (TensorId t : operands_of(network_, groups_[g])) {
        const int p = producer_[size_t(t.index)];
        if (p >= 0) after[size_t(p)] = true;
      }
    }
    for (size_t g = 0; g < count; ++g) {
      if (!candidate[g]) continue;
      labels_[g].int8 = before[g] && after[g];
      if (!labels_[g].int8) labels_[g].note = "not between int8 layers";
    }
  }

  void warn() const {
    if (!options_.log || !options_.int8) return;
    std::string names;
    int count = 0;
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (labels_[g].note.rfind("no range", 0) != 0) continue;
      if (++count <= 8)
        names += fmt::format("\n  {}: {}", name_of(network_, groups_[g]), labels_[g].note);
    }
    if (count == 0) return;
    options_.log(LogLevel::kWarning,
                 fmt::format("{} groups stay float because a range is missing; calibrate with this "
                             "network, or give the range by set_dynamic_range (--range):{}{}",
                             count, names, count > 8 ? "\n  …" : ""));
  }

  const Network& network_;
  const std::vector<Group>& groups_;
  const TensorRanges& ranges_;
  const BuildOptions& options_;
  const Labelling& labelling_;
  std::vector<GroupLabel> labels_;
  std::vector<int> producer_;  // group that makes a tensor, −1: input or constant
  std::vector<Int8Kind> kinds_;
};

}  // namespace

std::string accumulator_refusal(const Network& network, LayerId layer,
                                const std::vector<float>& scales, float input_scale,
                                int32_t largest_input) {
  const Tensor& weights = *weight_source(network, layer)->value;
  const BiasSource bias = bias_source(network, layer);
  std::vector<int64_t> sum(scales.size(), 0);
  bool finite = true;
  for_each_weight(weights.shape(), output_channel_axis(network, layer), [&](int64_t i, int64_t c) {
    const float w = weights.as<float>()[i];
    finite = finite && std::isfinite(w);
    sum[size_t(c)] += std::abs(quantize_value(w, scales[size_t(c)], 0, -127, 127));
  });
  if (!finite) return "the weights hold NaN or infinity";
  for (size_t c = 0; c < sum.size(); ++c) {
    const float b = bias.value != nullptr ? bias.value->as<float>()[c] : 0.0f;
    if (!std::isfinite(b)) return "the bias holds NaN or infinity";
    const double bias_q =
        input_scale > 0.0f
            ? std::fabs(std::nearbyint(double(b) / (double(input_scale) * double(scales[c]))))
            : 0.0;
    if (double(sum[c]) * largest_input + bias_q >= 0x1p31) {
      return fmt::format("the int32 sum of channel {} could overflow", c);
    }
  }
  return "";
}

void apply_requests(Network& network, const BuildOptions& options) {
  for (const auto& [name, precision] : options.layer_precision) {
    check(options.int8 || precision != Precision::kInt8, ErrorCode::kInvalidArgument,
          "layer '{}' was asked to run in int8, but BuildOptions::int8 is false: set it (--int8)",
          name);
    check(
        options.fp16 || precision != Precision::kFloat16, ErrorCode::kInvalidArgument,
        "layer '{}' was asked to run in float16, but BuildOptions::fp16 is false: set it (--fp16)",
        name);
    network.set_precision(layer_named(network, name, "layer_precision"), precision);
  }
  for (const auto& [name, scheme] : options.layer_scheme) {
    network.set_scheme(layer_named(network, name, "layer_scheme"), scheme);
  }
}

std::vector<GroupLabel> assign_precision(const Network& network, const std::vector<Group>& groups,
                                         const TensorRanges& ranges, const BuildOptions& options,
                                         const Labelling& labelling) {
  return Assigner(network, groups, ranges, options, labelling).run();
}

}  // namespace octile
