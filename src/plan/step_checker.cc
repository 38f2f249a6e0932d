// The rules of single steps; see step_checker.h. Start reading at ConvStep's.
#include "plan/step_checker.h"

#include "arithmetic/quantize.h"
#include "base/error.h"
#include "ops/ops.h"

namespace octile {
namespace {

bool is_bytes(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

/// True for (N, C, spatial…) → (N, spatial…, C) from kChannelsLast to kPlain, and the way back.
bool moves_channels(const Shuffle& op, Layout from, Layout to) {
  if (from == to || op.has_reshape || !op.second.empty()) return false;
  const auto rank = static_cast<int64_t>(op.first.size());
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t channels = to == Layout::kPlain ? rank - 1 : 1, source = rank - channels;
    const int64_t shifted = to == Layout::kPlain ? i + 1 : i - 1;
    const int64_t wanted = i == 0 ? 0 : i == channels ? source : shifted;
    if (op.first[static_cast<size_t>(i)] != wanted) return false;
  }
  return rank >= 3;
}

/// The checks on one step; `need` names the step in its message.
class StepChecker {
 public:
  StepChecker(const PlanData& plan, const PlanStep& step, const std::string& origin)
      : plan_(plan), step_(step), origin_(origin) {}

  void need(bool condition, std::string_view what) const {
    check(condition, ErrorCode::kInvalidFile,
          "{}: step '{}' ({}): {}; the plan is damaged, build "
          "it again",
          origin_, step_.name, name_of(step_.step), what);
  }

  void operator()(const ConvStep& s) const {
    window(s.window);
    channels(s.in_channels, s.out_channels, s.groups);
    const bool floats = is_real(in(0).type);
    const bool affine = in(0).type == DataType::kUInt8;
    need(floats || is_bytes(in(0).type), "input type");
    need(!s.dynamic || !floats, "a dynamic step needs 8-bit input");
    need(!(s.dynamic && s.residual), "a dynamic step takes no residual");
    count(1 + size_t(s.residual) + (s.dynamic ? 1 + size_t(affine) : 0), 1);
    need(floats      ? out(0).type == in(0).type
         : s.dynamic ? out(0).type == DataType::kFloat32
                     : is_real(out(0).type) || is_bytes(out(0).type),
         "output type");
    need(!s.rows || s.window.kernel == std::vector<int64_t>({1, 1}), "rows need a 1x1 kernel");
    image_layout(0, s.rows);
    need(out(0).layout == in(0).layout, "output layout");
    if (s.residual) {
      need(in(1).type == out(0).type || (is_bytes(in(1).type) && is_bytes(out(0).type)),
           "residual type");
      need(in(1).layout == out(0).layout, "residual layout");
    }
    if (s.dynamic) {
      need(in(1).type == DataType::kFloat32, "scale type");
      need(!affine || in(2).type == DataType::kInt32, "zero point type");
    }
    if (!floats && !s.dynamic) quantized(in(0));
    if (is_bytes(out(0).type)) quantized(out(0));
    clamp(s.clamp, out(0).type);
    blob(s.weights, floats ? DataType::kFloat32 : DataType::kInt8,
         {s.out_channels, s.window.kernel[0], s.window.kernel[1], s.in_channels / s.groups});
    const DataType bias = floats || s.dynamic ? DataType::kFloat32 : DataType::kInt32;
    if (!floats || s.bias >= 0) blob(s.bias, bias, {s.out_channels});
    if (!floats) multipliers(s.multiplier, s.out_channels);
    if (s.residual && !floats) multiplier(s.residual_multiplier);
  }

  void operator()(const DeconvStep& s) const {
    window(s.window);
    channels(s.in_channels, s.out_channels, s.groups);
    count(1, 1);
    floats_only();
    image_layout(0, false);
    need(out(0).layout == Layout::kChannelsLast, "output layout");
    need(s.output_padding.size() == 2, "output padding");
    need(s.clamp.lo <= s.clamp.hi, "bounds of the clamp");
    blob(s.weights, DataType::kFloat32,
         {s.in_channels, s.window.kernel[0], s.window.kernel[1], s.out_channels / s.groups});
    if (s.bias >= 0) blob(s.bias, DataType::kFloat32, {s.out_channels});
  }

  void operator()(const PoolStep& s) const {
    count(1, 1);
    if (!s.global) {
      window(s.window);
      for (size_t axis = 0; axis < 2; ++axis) {  // every window holds a pixel
        const int64_t extent = (s.window.kernel[axis] - 1) * s.window.dilation[axis] + 1;
        need(s.window.pad_before[axis] < extent && s.window.pad_after[axis] < extent,
             "the padding is as large as the window");
      }
    }
    image_layout(0, false);
    need(out(0).layout == in(0).layout, "output layout");
    const bool bytes = is_bytes(in(0).type);
    need(bytes || is_real(in(0).type), "input type");
    if (s.kind == PoolingKind::kMax) {
      need(in(0).type == out(0).type && in(0).scale == out(0).scale &&
               in(0).zero_point == out(0).zero_point,
           "a maximum keeps type and scale");
    } else if (bytes) {
      need(is_bytes(out(0).type), "output type");
      quantized(in(0));
      quantized(out(0));
    } else {
      need(out(0).type == in(0).type, "output type");
    }
  }

  void operator()(const EltwiseStep& s) const {
    count(2, 1);
    if (is_bytes(out(0).type)) {
      need(is_bytes(in(0).type) && is_bytes(in(1).type), "operand types");
      need(s.kind == ElementwiseKind::kAdd || s.kind == ElementwiseKind::kMul, "kind");
      for (const PlanTensor* t : {&in(0), &in(1), &out(0)}) quantized(*t);
      multiplier(s.m_a);
      if (s.kind == ElementwiseKind::kAdd) multiplier(s.m_b);
    } else {
      floats_only();
    }
    need(in(0).layout == out(0).layout && in(1).layout == out(0).layout, "layouts");
    need(out(0).layout == Layout::kPlain || in(0).shape.rank() == in(1).shape.rank(),
         "channels-last operands need equal ranks");
    clamp(s.clamp, out(0).type);
  }

  void operator()(const ActivationStep&) const {
    count(1, 1);
    floats_only();
    need(in(0).layout == out(0).layout, "layouts");
  }

  void operator()(const LookupStep& s) const {
    count(1, 1);
    need(is_bytes(in(0).type) && is_bytes(out(0).type), "types");
    need(in(0).layout == out(0).layout, "layouts");
    blob(s.table, DataType::kUInt8, {256});
  }

  void operator()(const QuantizeStep& s) const {
    need(!step_.outputs.empty(), "outputs");
    const bool affine = out(0).type == DataType::kUInt8;
    count(1, s.dynamic ? 2 + size_t(affine) : 1);
    need(is_real(in(0).type) && is_bytes(out(0).type), "types");
    range(s.q_lo, s.q_hi, out(0).type);
    if (!s.dynamic) return quantized(out(0));
    need(out(1).type == DataType::kFloat32 && out(1).layout == Layout::kPlain, "scale type");
    need(!affine || (out(2).type == DataType::kInt32 && out(2).layout == Layout::kPlain),
         "zero point type");
  }

  void operator()(const DequantizeStep& s) const {
    need(!step_.inputs.empty(), "inputs");
    const bool affine = in(0).type == DataType::kUInt8;
    count(s.dynamic ? 2 + size_t(affine) : 1, 1);
    need(is_bytes(in(0).type) && is_real(out(0).type), "types");
    if (!s.dynamic) return quantized(in(0));
    need(in(1).type == DataType::kFloat32, "scale type");
    need(!affine || in(2).type == DataType::kInt32, "zero point type");
  }

  void operator()(const ConcatStep&) const {
    need(!step_.inputs.empty(), "inputs");
    count(step_.inputs.size(), 1);
    for (size_t i = 0; i < step_.inputs.size(); ++i) {
      need(in(i).type == out(0).type && in(i).layout == out(0).layout &&
               in(i).scale == out(0).scale && in(i).zero_point == out(0).zero_point,
           "inputs of different type, layout or scale");
    }
  }

  void operator()(const ReorderStep&) const {
    count(1, 1);
    if (!is_real(in(0).type) || !is_real(out(0).type)) same_values();
  }

  void operator()(const ViewStep& s) const {
    count(1, 1);
    same_values();
    const auto* shuffle = std::get_if<Shuffle>(&s.op);
    need(std::holds_alternative<Identity>(s.op) ||
             (shuffle != nullptr && moves_channels(*shuffle, in(0).layout, out(0).layout)) ||
             (shuffle != nullptr && shuffle->first.empty() && shuffle->second.empty()),
         "a view only reshapes, or says that the channels are the last axis");
  }

  void operator()(const SoftmaxStep& s) const {
    count(1, 1);
    need(is_real(out(0).type), "output type");
    need(in(0).layout == Layout::kPlain && out(0).layout == Layout::kPlain, "layouts");
    if (is_real(in(0).type)) return floats_only();
    need(is_bytes(in(0).type), "input type");
    blob(s.table, DataType::kInt32, {256});
  }

  void operator()(const MatMulStep& s) const {
    count(2, 1);
    for (const PlanTensor* t : {&in(0), &in(1), &out(0)}) {
      need(t->layout == Layout::kPlain, "layouts");
    }
    need(in(0).shape.rank() >= 2 && in(1).shape.rank() >= 2, "operands need two axes");
    if (is_real(in(0).type)) {
      floats_only();
      return clamp(s.clamp, out(0).type);
    }
    need(is_bytes(in(0).type) && in(1).type == DataType::kInt8, "operand types");
    need(is_real(out(0).type) || is_bytes(out(0).type), "output type");
    for (const PlanTensor* t : {&in(0), &in(1)}) quantized(*t);
    if (is_bytes(out(0).type)) quantized(out(0));
    multiplier(s.multiplier);
    clamp(s.clamp, out(0).type);
  }

  void operator()(const NormalizeStep& s) const {
    count(1, 1);
    floats_only();
    need(in(0).layout == Layout::kPlain && out(0).layout == Layout::kPlain, "layouts");
    const Shape& x = in(0).shape;
    need(s.axes >= 1 && s.axes <= x.rank(), "axes");
    need(s.epsilon >= 0.0f, "epsilon");
    Shape group;
    for (int64_t axis = x.rank() - s.axes; axis < x.rank(); ++axis) {
      group.push_back(x[static_cast<int>(axis)]);
    }
    for (const int32_t parameter : {s.scale, s.shift}) {
      if (parameter >= 0) blob(parameter, DataType::kFloat32, group);
    }
  }

  void operator()(const GenericStep& s) const {
    std::vector<TensorInfo> infos;
    for (size_t i = 0; i < step_.inputs.size(); ++i) {
      need(in(i).layout == Layout::kPlain, "layouts");
      infos.push_back({in(i).type, in(i).shape, nullptr});
    }
    need(!std::holds_alternative<Constant>(s.op), "a constant is no step");
    for (size_t i = 0; i < step_.outputs.size(); ++i) {
      need(out(i).layout == Layout::kPlain, "layouts");
    }
    std::vector<TensorInfo> made;
    try {
      made = infer(s.op, infos);
    } catch (const Error& error) {
      need(false, error.what());
    }
    need(made.size() == step_.outputs.size(), "wrong number of outputs");
    for (size_t i = 0; i < step_.outputs.size(); ++i) need(made[i].type == out(i).type, "types");
  }

 private:
  const PlanTensor& in(size_t i) const { return plan_.tensors[size_t(step_.inputs[i])]; }
  const PlanTensor& out(size_t i) const { return plan_.tensors[size_t(step_.outputs[i])]; }

  void count(size_t inputs, size_t outputs) const {
    need(step_.inputs.size() == inputs && step_.outputs.size() == outputs,
         "wrong number of inputs or outputs");
  }
  void floats_only() const {
    for (size_t i = 0; i < step_.inputs.size(); ++i) {
      need(in(i).type == out(0).type, "input type");
    }
    need(is_real(out(0).type), "output type");
  }
  void window(const Window& w) const {
    constexpr int64_t kLargest = 1 << 20;
    for (const auto* list : {&w.kernel, &w.stride, &w.dilation, &w.pad_before, &w.pad_after}) {
      need(list->size() == 2, "a window needs two axes");
      const bool pad = list == &w.pad_before || list == &w.pad_after;
      for (int64_t v : *list) need(v >= (pad ? 0 : 1) && v <= kLargest, "window out of range");
    }
  }
  void channels(int64_t c, int64_t m, int64_t groups) const {
    constexpr int64_t kLargest = 1 << 30;
    need(c >= 1 && m >= 1 && c <= kLargest && m <= kLargest, "channels out of range");
    need(groups >= 1 && c % groups == 0 && m % groups == 0, "groups do not divide channels");
  }
  void image_layout(size_t i, bool rows) const {
    const int rank = in(i).shape.rank();
    need(rows ? in(i).layout == Layout::kPlain && rank >= 1
              : in(i).layout == Layout::kChannelsLast && (rank == 3 || rank == 4),
         "input layout");
  }
  void quantized(const PlanTensor& t) const {
    constexpr float kLargest = std::numeric_limits<float>::max();
    need(t.scale > 0.0f && t.scale <= kLargest, "a quantized tensor without scale");
    const bool affine = t.type == DataType::kUInt8;
    need(t.zero_point >= (affine ? 0 : -128) && t.zero_point <= (affine ? 255 : 127),
         "zero point out of range");
  }
  void range(int32_t lo, int32_t hi, DataType type) const {
    const bool affine = type == DataType::kUInt8;
    need(lo <= hi && lo >= (affine ? 0 : -128) && hi <= (affine ? 255 : 127),
         "quantized bounds out of range");
  }
  void clamp(const Clamp& c, DataType out_type) const {
    if (is_bytes(out_type)) range(c.q_lo, c.q_hi, out_type);
    need(c.lo <= c.hi, "bounds of the clamp");
  }
  void blob(int32_t index, DataType type, const Shape& shape) const {
    need(index >= 0 && size_t(index) < plan_.blobs.size(), "a weight is missing");
    const Blob& b = plan_.blobs[size_t(index)];
    need(b.type == type, "a weight has the wrong type");
    need(holds(b.bytes.size(), type, shape), "a weight has the wrong size");
  }
  void multiplier(float m) const {
    need(is_usable_multiplier(m), "a multiplier is not positive, finite and normal");
  }
  void multipliers(int32_t index, int64_t channels) const {
    blob(index, DataType::kFloat32, {channels});
    const auto values = plan_.blobs[size_t(index)].as<float>();
    for (int64_t c = 0; c < channels; ++c) multiplier(values[c]);
  }
  void same_values() const {
    need(in(0).type == out(0).type && in(0).scale == out(0).scale &&
             in(0).zero_point == out(0).zero_point,
         "types differ");
  }

  const PlanData& plan_;
  const PlanStep& step_;
  const std::string& origin_;
};

}  // namespace

bool holds(size_t bytes, DataType type, const Shape& shape) {
  size_t need = size_of(type);
  for (int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(need, static_cast<size_t>(extent), &need)) {
      return false;
    }
  }
  return bytes == need;
}

void check_step(const PlanData& plan, const PlanStep& step, const std::string& origin) {
  std::visit(StepChecker(plan, step, origin), step.step);
}

}  // namespace octile
