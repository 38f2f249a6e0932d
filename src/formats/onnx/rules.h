// How every ONNX operator becomes layers: rules by family, gathered in the one table of rules.cc.
#pragma once

#include <span>
#include <string_view>

#include "formats/onnx/node.h"

namespace octile {

/// A constant that is made, not read, has at most so many elements: a few bytes of a file must not
/// cost gigabytes.
inline constexpr int64_t kMostMadeElements = int64_t{1} << 24;

/// Adds the layers of one node and sets its outputs. Throws kInvalidFile / kUnsupported.
using Rule = void (*)(Node& node);

struct RuleRow {
  std::string_view domain;  // "" is ONNX's own
  std::string_view op_type;
  Rule rule;
  /// Nodes whose inputs are all constants are computed at import. Not so quantization (lowering
  /// reads the scales from the layers) and control flow (its nodes are, one by one).
  bool folds = true;
};

/// All rows.
std::span<const RuleRow> onnx_rules();
/// The row of an operator, or nullptr.
const RuleRow* find_rule(std::string_view domain, std::string_view op_type);

// rules_window.cc
void import_conv(Node& node);
void import_conv_transpose(Node& node);
void import_pool(Node& node);
void import_global_pool(Node& node);
/// Window and groups of a convolution whose weights are input `weights`.
Convolution read_convolution(Node& node, int weights);
Pooling read_pooling(Node& node);
// rules_activation.cc
void import_activation(Node& node);
void import_clip(Node& node);
void import_prelu(Node& node);
void import_celu(Node& node);
void import_gelu(Node& node);
void import_shrink(Node& node);
// rules_elementwise.cc
void import_binary(Node& node);
void import_variadic(Node& node);
void import_pow(Node& node);
void import_mod(Node& node);
void import_unary(Node& node);
void import_is_inf(Node& node);
void import_where(Node& node);
void import_cast(Node& node);
void import_bit_shift(Node& node);
// rules_index.cc
void import_one_hot(Node& node);
void import_hardmax(Node& node);
void import_eye_like(Node& node);
void import_trilu(Node& node);
void import_compress(Node& node);
void import_reverse_sequence(Node& node);
// rules_loss.cc
void import_nll_loss(Node& node);
void import_softmax_cross_entropy_loss(Node& node);
// rules_linear.cc
void import_matmul(Node& node);
void import_gemm(Node& node);
// rules_shape.cc
void import_reshape(Node& node);
void import_flatten(Node& node);
void import_squeeze(Node& node);
void import_unsqueeze(Node& node);
void import_transpose(Node& node);
void import_identity(Node& node);
void import_dropout(Node& node);
void import_depth_to_space(Node& node);
void import_space_to_depth(Node& node);
// rules_value.cc
void import_constant(Node& node);
void import_constant_of_shape(Node& node);
void import_range(Node& node);
void import_shape(Node& node);
void import_size(Node& node);
// rules_movement.cc
void import_concat(Node& node);
void import_split(Node& node);
void import_slice(Node& node);
void import_pad(Node& node);
void import_gather(Node& node);
void import_expand(Node& node);
void import_tile(Node& node);
// rules_resize.cc
void import_resize(Node& node);
void import_upsample(Node& node);
// rules_reduce.cc
void import_reduce(Node& node);
void import_softmax(Node& node);
void import_log_softmax(Node& node);
/// x − max − log Σ e^(x − max) over the axes.
TensorId log_softmax(Node& node, TensorId x, const std::vector<int64_t>& axes);
void import_top_k(Node& node);
void import_arg_best(Node& node);
// rules_normalize.cc
void import_batch_normalization(Node& node);
void import_instance_normalization(Node& node);
void import_group_normalization(Node& node);
void import_layer_normalization(Node& node);
void import_lp_normalization(Node& node);
void import_mean_variance_normalization(Node& node);
void import_lrn(Node& node);
// rules_indexed.cc
void import_gather_elements(Node& node);
void import_gather_nd(Node& node);
void import_scatter_elements(Node& node);
void import_scatter_nd(Node& node);
void import_max_unpool(Node& node);
// rules_sample.cc
void import_grid_sample(Node& node);
void import_roi_align(Node& node);
// rules_values.cc
void import_non_zero(Node& node);
void import_unique(Node& node);
void import_non_max_suppression(Node& node);
// rules_algebra.cc
void import_cumulative_sum(Node& node);
void import_determinant(Node& node);
// rules_einsum.cc
void import_einsum(Node& node);
// rules_recurrent.cc
void import_recurrent(Node& node);
// rules_signal.cc
void import_dft(Node& node);
void import_stft(Node& node);
void import_window(Node& node);
void import_mel_weight_matrix(Node& node);
// rules_control.cc
void import_if(Node& node);
void import_loop(Node& node);
// rules_scan.cc
void import_scan(Node& node);
// rules_quantize.cc
void import_quantize_linear(Node& node);
void import_dequantize_linear(Node& node);
// rules_integer.cc
void import_conv_integer(Node& node);
void import_matmul_integer(Node& node);
void import_dynamic_quantize_linear(Node& node);
// rules_qlinear.cc
void import_qlinear_conv(Node& node);
void import_qlinear_matmul(Node& node);
void import_qgemm(Node& node);
void import_matmul_integer_to_float(Node& node);
void import_dynamic_quantize_matmul(Node& node);
// rules_qlinear_pointwise.cc
void import_qlinear_add(Node& node);
void import_qlinear_mul(Node& node);
void import_qlinear_average_pool(Node& node);
void import_qlinear_global_average_pool(Node& node);
void import_qlinear_sigmoid(Node& node);
void import_qlinear_leaky_relu(Node& node);
void import_qlinear_softmax(Node& node);
void import_qlinear_concat(Node& node);

}  // namespace octile
