// The rows of conv_kernel.h as tactics: a step becomes a ConvProblem, the row says whether it takes
// it, and packed weights go to the device once.
//
// Each row serves dynamic symmetric steps too, whose scales are known at run time: with multipliers
// of 1 it writes float(sum), the very number that the rule goes on with, and one more kernel does
// the rest.

#include <algorithm>

#include "base/error.h"
#include "kernels/cuda/accelerator.h"
#include "kernels/cuda/conv_kernel.h"
#include "kernels/cuda/rows.h"
#include "plan/geometry.h"

namespace octile::cuda {
namespace {

ConvType conv_type(const PlanTensor& t) {
  return is_float(t)                  ? ConvType::kFloat
         : forms::is_half(t)          ? ConvType::kHalf
         : t.type == DataType::kUInt8 ? ConvType::kU8
                                      : ConvType::kS8;
}

/// The 8-bit tensor that is multiplied, whether it was made before or is made on the way.
const PlanTensor& multiplied(const StepView& view) {
  return view.quantized ? *view.quantized : view.inputs[0];
}

/// REQUIRES: problem_refusal() is empty.
ConvProblem problem_of(const StepView& view) {
  const auto& step = *view.as<ConvStep>();
  const PlanTensor &x = multiplied(view), &y = view.outputs[0];
  const Geometry g = geometry_of(step, x.shape, y.shape);
  const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
  ConvProblem p{.batch = g.n,
                .in_h = i(g.h),
                .in_w = i(g.w),
                .in_c = i(g.c),
                .out_h = i(g.out_h),
                .out_w = i(g.out_w),
                .out_c = i(g.m),
                .kernel_h = i(g.kernel_h),
                .kernel_w = i(g.kernel_w),
                .stride_h = i(g.stride_h),
                .stride_w = i(g.stride_w),
                .dilation_h = i(g.dilation_h),
                .dilation_w = i(g.dilation_w),
                .pad_top = i(g.pad_top),
                .pad_left = i(g.pad_left),
                .groups = i(g.groups),
                .x_type = conv_type(x),
                .x_zero_point = x.zero_point,
                .x_stored = conv_type(x),
                .y_type = conv_type(y),
                .y_zero_point = y.zero_point,
                .q_lo = step.clamp.q_lo,
                .q_hi = step.clamp.q_hi,
                .lo = step.clamp.lo,
                .hi = step.clamp.hi,
                .residual = step.residual,
                .residual_multiplier = step.residual_multiplier};
  if (view.quantized) {
    p.x_type = ConvType::kFloat;
    p.x_q_lo = view.step.inner_quantize.q_lo;
    p.x_q_hi = view.step.inner_quantize.q_hi;
    p.x_scale = x.scale;
    p.x_planar = !step.rows && view.inputs[0].layout == Layout::kPlain;
  }
  if (step.dynamic) {
    p.lo = -kInfinity;
    p.hi = kInfinity;
  }
  if (step.residual) {
    p.residual_type = conv_type(view.inputs[1]);
    p.residual_zero_point = view.inputs[1].zero_point;
  }
  return p;
}

std::string problem_refusal(const StepView& view, bool dynamic) {
  const auto* step = view.as<ConvStep>();
  if (step == nullptr) return "not a convolution";
  if (step->dynamic != dynamic) return dynamic ? "its scales are fixed" : "its scales are dynamic";
  const PlanTensor &x = multiplied(view), &y = view.outputs[0];
  if (!is_8bit(x)) return "the input is not 8-bit";
  if (view.quantized && !is_float(view.inputs[0])) return "the input is not float";
  if (dynamic && x.type != DataType::kInt8) return "its zero point is dynamic";
  if (!is_8bit(y) && !is_real(y.type)) return "the output is neither 8-bit nor float";
  if (dynamic && !is_float(y)) return "a dynamic step writes float32";
  if (step->residual && !(is_8bit(y) && is_8bit(view.inputs[1]))) {
    return "a residual needs 8-bit operands";
  }
  for (const PlanTensor* t : {&x, &y}) {
    if (step->rows ? !is_plain(*t) : !is_image(*t)) return "the layout is not the step's";
    if (t->shape.volume() == 0) return "a tensor is empty";
  }
  return "";
}

ConvDevice conv_device(const Device& device) {
  const GpuInfo& gpu = gpu_info(*device.accelerator);
  return {gpu.level, gpu.multiprocessors, gpu.shared_bytes};
}

class ConvPrepared final : public Prepared {
 public:
  ConvPrepared(const ConvKernel& kernel, const StepView& view, const DeviceWeights& weights,
               const Device& device)
      : kernel_(kernel),
        problem_(problem_of(view)),
        device_(conv_device(device)),
        packed_(weights.as<uint8_t>(0)),
        dynamic_(view.as<ConvStep>()->dynamic),
        counters_(device.accelerator, kConvCounters * sizeof(uint32_t)) {
    device.accelerator->fill(counters_.data(), 0, counters_.bytes(), nullptr);
    const std::string failure = device.accelerator->wait(nullptr);
    check(failure.empty(), ErrorCode::kDevice, "{}: step '{}': {}", device.accelerator->id(),
          view.step.name, failure);
    if (!dynamic_) return;
    const auto& step = *view.as<ConvStep>();
    const int64_t rows = problem_.batch * problem_.out_h * problem_.out_w;
    tail_ = {.rows = rows,
             .rows_per_sample = rows / view.inputs[0].shape[0],
             .m = problem_.out_c,
             .lo = step.clamp.lo,
             .hi = step.clamp.hi,
             .multiplier = weights.as<float>(1),
             .bias = weights.as<float>(2)};
  }

  void run(const Buffers& b) override {
    kernel_.launch(kernel_, problem_, device_,
                   {.x = b.inputs[0],
                    .residual = problem_.residual ? b.inputs[1] : nullptr,
                    .y = b.outputs[0],
                    .packed = packed_,
                    .workspace = b.workspace,
                    .counters = counters_.as<uint32_t>()},
                   static_cast<Stream>(b.stream));
    if (!dynamic_) return;
    launch_dynamic_tail(tail_, static_cast<const float*>(b.inputs[1]),
                        static_cast<float*>(b.outputs[0]), b.stream);
  }

 private:
  const ConvKernel& kernel_;
  ConvProblem problem_;
  ConvDevice device_;
  const uint8_t* packed_;
  bool dynamic_;
  DynamicTail tail_;
  Memory counters_;
};

class ConvTactic final : public Tactic {
 public:
  ConvTactic(const ConvKernel& kernel, bool dynamic)
      : kernel_(kernel),
        dynamic_(dynamic),
        name_(std::string(kernel.name) + (dynamic ? ".dynamic" : "")) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override {
    return kernel_.level >= 90 ? Isa::kWgmma : kernel_.level >= 80 ? Isa::kMma : Isa::kDp4a;
  }
  std::string refuse(const StepView& view, const Device& device) const override {
    if (std::string reason = problem_refusal(view, dynamic_); !reason.empty()) return reason;
    return kernel_.refuse(kernel_, problem_of(view), conv_device(device));
  }
  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const auto& step = *view.as<ConvStep>();
    const ConvProblem problem = problem_of(view);
    std::vector<uint8_t> bytes(kernel_.packed_bytes(kernel_, problem));
    const std::vector<int32_t> zeros(dynamic_ ? size_t(step.out_channels) : 0, 0);
    const std::vector<float> ones(dynamic_ ? size_t(step.out_channels) : 0, 1.0f);
    kernel_.pack(kernel_, problem,
                 {view.blob(step.weights).as<int8_t>(),
                  dynamic_ ? zeros.data() : view.blob(step.bias).as<int32_t>(),
                  dynamic_ ? ones.data() : view.blob(step.multiplier).as<float>()},
                 bytes.data());
    auto weights = std::make_unique<DeviceWeights>();
    weights->add(device, bytes);
    if (dynamic_) {
      weights->add_blob(device, view, step.multiplier);
      weights->add_blob(device, view, step.bias);
    }
    return weights;
  }
  bool quantizes_input() const override { return kernel_.for_floats && !dynamic_; }
  const ConvKernel& kernel() const { return kernel_; }
  bool pools() const { return kernel_.pools && !dynamic_; }
  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    return kernel_.workspace_bytes(kernel_, problem_of(view), conv_device(device));
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    return std::make_unique<ConvPrepared>(kernel_, view, static_cast<const DeviceWeights&>(*packed),
                                          device);
  }

 private:
  const ConvKernel& kernel_;
  bool dynamic_;
  std::string name_;
};

/// A convolution and the pooling behind it.
class ConvChain final : public Chain {
 public:
  ConvChain(const ConvKernel& kernel, const ConvProblem& problem, const ConvDevice& device,
            const uint8_t* packed)
      : kernel_(kernel), problem_(problem), device_(device), packed_(packed) {}

  void run(const void* input, void* output, octile::Stream stream) override {
    kernel_.launch(kernel_, problem_, device_, {.x = input, .y = output, .packed = packed_},
                   static_cast<Stream>(stream));
  }

 private:
  const ConvKernel& kernel_;
  ConvProblem problem_;
  ConvDevice device_;
  const uint8_t* packed_;
};

}  // namespace

std::unique_ptr<Chain> convolve_and_pool(const ChosenStep& step, const StepView& pooling,
                                         const Device& device) {
  const auto* pool = pooling.as<PoolStep>();
  const auto* tactic = dynamic_cast<const ConvTactic*>(step.tactic);
  if (pool == nullptr || tactic == nullptr || !tactic->pools()) return nullptr;
  if (!takes_rows_close(*step.view) || !takes_rows_close(pooling)) return nullptr;
  const PlanTensor &x = pooling.inputs[0], &y = pooling.outputs[0];
  if (pool->kind != PoolingKind::kMax || !is_8bit(x) || x.type != y.type || !is_image(x) ||
      !is_image(y) || y.shape.volume() == 0) {
    return nullptr;
  }
  const Geometry g = geometry_of(*pool, x.shape, y.shape);
  const auto is_two = [](int64_t extent) { return extent == 2; };
  if (!std::ranges::all_of(std::array{g.kernel_h, g.kernel_w, g.stride_h, g.stride_w}, is_two) ||
      g.dilation_h != 1 || g.dilation_w != 1 || g.pad_top != 0 || g.pad_left != 0 ||
      g.out_h != g.h / 2 || g.out_w != g.w / 2) {
    return nullptr;
  }
  ConvProblem p = problem_of(*step.view);
  if (p.batch != g.n || p.out_h != g.h || p.out_w != g.w || p.out_c != g.c) return nullptr;
  const auto& multiplier = step.view->blob(step.view->as<ConvStep>()->multiplier);
  const std::span multipliers(multiplier.as<float>(), static_cast<size_t>(p.out_c));
  if (!std::ranges::all_of(multipliers, [](float m) { return m >= 0.0f; })) return nullptr;
  p.pools = true;
  const ConvKernel& kernel = tactic->kernel();
  const ConvDevice on = conv_device(device);
  if (!kernel.refuse(kernel, p, on).empty()) return nullptr;
  const auto& weights = static_cast<const DeviceWeights&>(*step.packed);
  return std::make_unique<ConvChain>(kernel, p, on, weights.as<uint8_t>(0));
}

std::span<const Tactic* const> conv_tactics() {
  static const std::vector<ConvTactic> rows = [] {
    std::vector<ConvTactic> made;
    for (const bool dynamic : {false, true}) {
      for (const ConvKernel* kernel : conv_kernels()) made.emplace_back(*kernel, dynamic);
    }
    return made;
  }();
  static const std::vector<const Tactic*> table = [] {
    std::vector<const Tactic*> list;
    for (const ConvTactic& row : rows) list.push_back(&row);
    return list;
  }();
  return table;
}

}  // namespace octile::cuda
