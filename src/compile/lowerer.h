// The working state of lower(): which plan tensor holds which network tensor, in which layout.
// Start reading at run() in lower.cc; one file a family of groups.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "arithmetic/quantize.h"
#include "compile/grid.h"
#include "compile/lower.h"
#include "compile/weighted.h"

namespace octile {

/// Weights on their 8-bit grid: values in canonical order, one scale an output channel.
struct IntegerWeights {
  Tensor q;  // int8, canonical [M][kh][kw][C/groups], all in [−127, 127]
  std::vector<float> scale;
  /// They leave [−127, 127] (unsigned weights with a zero point): q holds twice the channels of a
  /// group, two summands of each weight, and the input must be doubled().
  bool halves = false;
};

/// (N, C, spatial…) → (N, spatial…, C).
std::vector<int64_t> channels_to_end(int rank);
/// True for slices, paddings and nearest resizes: a channels-last image keeps its layout in them.
bool moves_channels_last(const Op& op, int rank);

class Lowerer {
 public:
  Lowerer(const Network& network, const std::vector<Group>& groups,
          const std::vector<std::string>& notes);
  std::shared_ptr<PlanData> run();

 private:
  // lower.cc: forms, blobs, steps
  bool has_form(TensorId t, Layout layout) const;
  int32_t form(TensorId t, Layout layout);
  int32_t any_form(TensorId t);
  Layout layout_of(TensorId t);  // of any_form
  int32_t materialize(TensorId t, Layout wanted);
  int32_t convert_layout(TensorId t, int32_t from, Layout wanted);
  int32_t add_constant(TensorId t, const Tensor& value);
  int32_t define(TensorId t, Layout layout);
  int32_t define_quantized(TensorId shown, const Quantized& grid, Layout layout);
  int32_t add_tensor(PlanTensor tensor);
  void remember(TensorId t, Layout layout, int32_t index);
  template <typename T>
  int32_t add_blob(DataType type, const Shape& shape, const std::vector<T>& values);
  int32_t add_blob_bytes(DataType type, const Shape& shape, std::span<const std::byte> bytes);
  void emit(Step step, std::vector<int32_t> inputs, std::vector<int32_t> outputs);
  void lower_group(const Group& group);
  void lower_quantize(LayerId layer);
  void lower_dynamic_quantize(LayerId layer, const Quantize& op);
  void finish_outputs();

  // lower_query.cc: questions about the network around a tensor
  std::optional<Quantized> dequantized_from(TensorId t) const {
    return octile::dequantized_from(network_, t);
  }
  std::optional<Quantized> quantized_into(TensorId t) const {
    return octile::quantized_into(network_, t);
  }
  LayerId dynamic_dequantize(TensorId t) const;
  bool wants_channels_last(TensorId t, int depth = 0) const;
  bool read_by_rows_only(TensorId t) const;
  int64_t flattened_channels(TensorId t) const;
  Layout output_layout(TensorId t) const;
  Clamp clamp_of(const Group& group, const std::optional<Quantized>& out) const;
  TensorId residual_of(const Group& group) const;
  bool is_float(TensorId t) const { return network_.type(t) == DataType::kFloat32; }

  // lower_weighted.cc
  bool try_weighted(const Group& group);
  using Weights = IntegerWeights;
  struct StaticSums;
  ConvStep conv_geometry(const Group& group, const Tensor& weights) const;
  bool try_int8_conv(const Group& group, ConvStep step);
  bool static_int8_conv(const Group& group, ConvStep step, const Weights& weights,
                        const Quantized& x);
  std::string make_static_sums(const Group& group, const Weights& weights, const Quantized& x,
                               const std::optional<Quantized>& out, StaticSums& sums) const;
  std::optional<Quantized> fused_output(const Group& group) const;
  void dynamic_int8_conv(const Group& group, ConvStep step, const Weights& weights,
                         LayerId dequantize);
  void float_conv(const Group& group, ConvStep step);
  void add_residual(const Group& group, Layout layout);
  std::vector<float> bias_values(const Group& group, int64_t channels) const;

  // lower_weights.cc
  Tensor canonical_weights(const Group& group, const Tensor& values) const;
  std::optional<Weights> int8_weights(const Group& group) const;
  int32_t doubled(TensorId q, Layout layout, const ConvStep& step);

  // lower_deconvolution.cc
  bool try_deconvolution(const Group& group);

  // lower_arithmetic.cc
  bool try_elementwise(const Group& group);
  bool try_int8_elementwise(const Group& group, EltwiseStep step);
  bool try_lookup(const Group& group);
  bool try_activation(const Group& group);
  bool try_pooling(const Group& group);
  bool average_fits(const PoolStep& step, TensorId x, const Quantized& from, const Quantized& to);
  bool product_fits(const MatrixMultiply& op, TensorId left, const Quantized& a);
  bool try_normalization(const Group& group);
  bool try_softmax(const Group& group);
  bool try_matmul(const Group& group);
  int32_t lookup(int32_t input, const Quantized& from, const Quantized& to, TensorId shown,
                 Layout layout, const Op& op);

  // lower_movement.cc
  bool try_concatenation(const Group& group);
  int32_t transposed_view(int32_t from, std::vector<int64_t> order, Layout layout);
  void emit_on_last_channels(Step step, int32_t image, int32_t output);
  bool try_channels_last(const Group& group);
  bool try_transpose(const Group& group);
  bool try_shuffle(const Group& group);
  bool try_view(const Group& group);
  bool try_int8_movement(const Group& group);
  void generic(const Group& group);

  const Network& network_;
  const std::vector<Group>& groups_;
  const std::vector<std::string>& notes_;
  std::shared_ptr<PlanData> plan_ = std::make_shared<PlanData>();
  std::shared_ptr<std::vector<Tensor>> storage_ = std::make_shared<std::vector<Tensor>>();
  std::unordered_map<int32_t, std::array<int32_t, 2>> forms_;  // by tensor, then layout
  std::map<int32_t, int64_t> flattened_;  // Shuffle outputs (N, C·S) stored as (N, S·C): their C
  std::string step_name_, step_note_;     // of the group being lowered
};

template <typename T>
int32_t Lowerer::add_blob(DataType type, const Shape& shape, const std::vector<T>& values) {
  return add_blob_bytes(type, shape, std::as_bytes(std::span(values)));
}

}  // namespace octile
