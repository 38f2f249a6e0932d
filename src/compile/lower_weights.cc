// Weights in the order that steps read them, and as integers: in [−127, 127], whatever 8-bit type
// and zero point the model gave them.
#include <algorithm>
#include <cstring>

#include "compile/channels_innermost.h"
#include "compile/lowerer.h"
#include "ops/ops.h"

namespace octile {
namespace {

/// The largest |q − zero point| that two summands in [−127, 127] make.
constexpr int32_t kLargest = 127, kLargestOfHalves = 254;

/// (K, N) or, transposed, (N, K) → (N, 1, 1, K) with K reordered from (C, S) to (S, C) when the
/// input is a flattened channels-last image of `channels` channels (0: it is not).
Tensor rows_of_product(const Tensor& weights, bool transposed, int64_t channels) {
  const int64_t k = weights.shape()[transposed ? 1 : 0], n = weights.shape()[transposed ? 0 : 1];
  const int64_t pixels = channels > 0 ? k / channels : 1, inner = channels > 0 ? channels : k;
  Tensor result(weights.type(), Shape{n, 1, 1, k});
  const size_t bytes = size_of(weights.type());
  const auto* from = static_cast<const std::byte*>(weights.data());
  auto* to = static_cast<std::byte*>(result.data());
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < inner; ++c) {
        const int64_t source = channels > 0 ? c * pixels + p : c;
        std::memcpy(to + size_t(row * k + p * inner + c) * bytes,
                    from + size_t(transposed ? row * k + source : source * n + row) * bytes, bytes);
      }
    }
  }
  return result;
}

/// q minus the zero point, in int32; beyond kLargestOfHalves it does not matter by how much.
Tensor centred(const Tensor& q, int32_t zero_point) {
  Tensor wide = q.cast(DataType::kInt32);
  for (int64_t i = 0; i < wide.volume(); ++i) {
    const int64_t w = int64_t{wide.as<int32_t>()[i]} - zero_point;
    wide.as<int32_t>()[i] =
        static_cast<int32_t>(std::clamp<int64_t>(w, -kLargestOfHalves - 1, kLargestOfHalves + 1));
  }
  return wide;
}

/// Canonical int32 weights as int8: [M][kh][kw][C], or [M][kh][kw][2·C] where they need halves.
Tensor narrowed(const Tensor& wide, bool halves) {
  Shape shape = wide.shape();
  const int64_t inner = shape[3], copies = halves ? 2 : 1;
  shape[3] *= copies;
  Tensor q(DataType::kInt8, shape);
  for (int64_t i = 0; i < wide.volume(); ++i) {
    const int32_t w = wide.as<int32_t>()[i], first = std::clamp(w, -kLargest, kLargest);
    int8_t* to = q.as<int8_t>() + i / inner * inner * copies + i % inner;
    to[0] = static_cast<int8_t>(first);
    if (halves) to[inner] = static_cast<int8_t>(w - first);
  }
  return q;
}

}  // namespace

Tensor channels_innermost(const Tensor& weights) {
  const Shape& s = weights.shape();
  const int64_t m = s[0], c = s[1], taps = s.volume() / std::max<int64_t>(1, m * c);
  Tensor result(weights.type(), Shape{m, taps, 1, c});
  const size_t bytes = size_of(weights.type());
  const auto* from = static_cast<const std::byte*>(weights.data());
  auto* to = static_cast<std::byte*>(result.data());
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t t = 0; t < taps; ++t) {
      for (int64_t k = 0; k < c; ++k) {
        std::memcpy(to + size_t((i * taps + t) * c + k) * bytes,
                    from + size_t((i * c + k) * taps + t) * bytes, bytes);
      }
    }
  }
  return result;
}

Tensor Lowerer::canonical_weights(const Group& group, const Tensor& values) const {
  const auto* product = std::get_if<MatrixMultiply>(&network_.op(group.core));
  if (product == nullptr) {
    Tensor result = channels_innermost(values);
    const Shape& s = values.shape();
    const bool flat = s.rank() == 3;
    return result.reshaped({s[0], flat ? 1 : s[2], s[flat ? 2 : 3], s[1]});
  }
  return rows_of_product(values, product->transpose_b,
                         flattened_channels(network_.inputs(group.core)[0]));
}

/// Quantized weights, one scale a channel or one for all; nullopt for anything else.
std::optional<Lowerer::Weights> Lowerer::int8_weights(const Group& group) const {
  const auto source = *weight_source(network_, group.core);
  if (source.dequantize == nullptr) return std::nullopt;
  const int axis = output_channel_axis(network_, group.core);
  const int rank = source.value->shape().rank();
  const int64_t quantized_axis = source.dequantize->axis;
  const auto channels = static_cast<size_t>(output_channels(network_, group.core));
  std::vector<float> scale = source.dequantize->scale;
  if (scale.size() == 1) scale.assign(channels, scale[0]);
  const bool along_channels =
      quantized_axis < 0 || quantized_axis % rank == axis || source.dequantize->scale.size() == 1;
  if (scale.size() != channels || !along_channels) return std::nullopt;
  Tensor q = *source.value;
  if (source.quantize != nullptr) {
    q = std::move(evaluate(*source.quantize, std::vector{q.view()})[0]);
  }
  const Tensor wide = centred(q, source.dequantize->zero_point);
  int64_t largest = 0;
  for (const int32_t w : wide.span<int32_t>()) largest = std::max<int64_t>(largest, std::abs(w));
  if (largest > kLargestOfHalves) return std::nullopt;
  const bool halves = largest > kLargest;
  return Weights{narrowed(canonical_weights(group, wide), halves), std::move(scale), halves};
}

/// The input with every group's channels (a product's columns) twice, one copy after the other.
int32_t Lowerer::doubled(TensorId q, Layout layout, const ConvStep& step) {
  const bool whole = step.groups == 1;
  const Layout made = whole ? layout : Layout::kPlain;
  const int32_t x = form(q, made);
  PlanTensor twice = plan_->tensors[static_cast<size_t>(x)];
  const int axis = step.rows ? twice.shape.rank() - 1 : 1;
  twice.name += ".twice";
  twice.blob = -1;
  twice.shape[axis] = step.in_channels;
  const int32_t result = add_tensor(twice);
  if (whole) {
    emit(ConcatStep{axis}, {x, x}, {result});
    return result;
  }
  const int64_t inner = step.in_channels / step.groups / 2;
  Tensor indices(DataType::kInt32, Shape{step.in_channels});
  for (int64_t i = 0; i < step.in_channels; ++i) {
    indices.as<int32_t>()[i] = static_cast<int32_t>(i / (2 * inner) * inner + i % inner);
  }
  const int32_t blob =
      add_blob_bytes(DataType::kInt32, indices.shape(), std::as_bytes(indices.span<int32_t>()));
  const int32_t list = add_tensor({.name = twice.name + ".indices",
                                   .type = DataType::kInt32,
                                   .layout = Layout::kPlain,
                                   .shape = indices.shape(),
                                   .blob = blob});
  emit(GenericStep{Gather{axis}}, {x, list}, {result});
  if (layout == made) return result;
  twice.layout = layout;
  const int32_t turned = add_tensor(std::move(twice));
  emit(ReorderStep{}, {result}, {turned});
  return turned;
}

}  // namespace octile
