// Which tensors a step of each kind has, as every backend's plain rows want them: types, layouts,
// sums that fit. A row with demands of its own asks here first.
#pragma once

#include <cstdint>
#include <string>

#include "backend/backend.h"

namespace octile::forms {

inline bool is_plain(const PlanTensor& t) { return t.layout == Layout::kPlain; }

/// A (N, C, W) or (N, C, H, W) tensor stored channels-last.
inline bool is_image(const PlanTensor& t) {
  return t.layout == Layout::kChannelsLast && (t.shape.rank() == 3 || t.shape.rank() == 4);
}

inline int32_t lowest(DataType type) { return type == DataType::kUInt8 ? 0 : -128; }
inline int32_t highest(DataType type) { return type == DataType::kUInt8 ? 255 : 127; }

inline bool is_half(const PlanTensor& t) { return t.type == DataType::kFloat16; }
/// Whether the step reads or writes float16.
bool has_halves(const StepView& view);
/// The step as it would be in float32 alone: whoever reads float16 as float32 asks with it.
StepView as_floats(const StepView& view);

// "" where the step is of that kind and form, else why not, as text for people.
std::string refuse_activation(const StepView& view);
std::string refuse_concat(const StepView& view);
std::string refuse_conv_bytes(const StepView& view);
std::string refuse_deconv(const StepView& view);
std::string refuse_dequantize(const StepView& view);
std::string refuse_eltwise_bytes(const StepView& view);
std::string refuse_eltwise_floats(const StepView& view);
std::string refuse_lookup(const StepView& view);
std::string refuse_matmul_bytes(const StepView& view);
std::string refuse_matmul_floats(const StepView& view);
std::string refuse_normalize(const StepView& view);
std::string refuse_pool_bytes(const StepView& view);
std::string refuse_pool_floats(const StepView& view);
std::string refuse_quantize(const StepView& view);
std::string refuse_reorder(const StepView& view);
std::string refuse_softmax_bytes(const StepView& view);
std::string refuse_softmax_floats(const StepView& view);

}  // namespace octile::forms
