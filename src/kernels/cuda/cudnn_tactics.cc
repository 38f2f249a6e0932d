// Float convolutions by cuDNN: bias, residual and ReLU in one call, other clamps by one more
// kernel. Float32 throughout (no TF32: float stays float), or float16 summed in float32.
#include "base/error.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/vendor.h"
#include "plan/geometry.h"

namespace octile::cuda {
namespace {

constexpr cudnnConvolutionFwdAlgo_t kAlgorithm =
    CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;  // the one that takes any activation

Geometry cudnn_geometry(const StepView& view) {
  return geometry_of(*view.as<ConvStep>(), view.inputs[0].shape, view.outputs[0].shape);
}

/// The descriptors of one convolution.
class Descriptors {
 public:
  Descriptors(const Geometry& g, Real type, bool relu) {
    const auto i = [](int64_t v) { return static_cast<int>(v); };
    const Cudnn& c = cudnn();
    check_cudnn(c.create_tensor(&x), "a descriptor");
    check_cudnn(c.create_tensor(&y), "a descriptor");
    check_cudnn(c.create_tensor(&bias), "a descriptor");
    check_cudnn(c.create_filter(&w), "a descriptor");
    check_cudnn(c.create_convolution(&convolution), "a descriptor");
    check_cudnn(c.create_activation(&activation), "a descriptor");
    constexpr auto kLast = CUDNN_TENSOR_NHWC;
    constexpr auto kFloat = CUDNN_DATA_FLOAT;
    const bool halves = type == Real::kHalf;
    const auto data = halves ? CUDNN_DATA_HALF : kFloat;
    check_cudnn(c.set_tensor(x, kLast, data, i(g.n), i(g.c), i(g.h), i(g.w)), "the input");
    check_cudnn(c.set_tensor(y, kLast, data, i(g.n), i(g.m), i(g.out_h), i(g.out_w)), "the output");
    check_cudnn(c.set_tensor(bias, kLast, data, 1, i(g.m), 1, 1), "the bias");
    check_cudnn(
        c.set_filter(w, data, kLast, i(g.m), i(g.c / g.groups), i(g.kernel_h), i(g.kernel_w)),
        "the weights");
    check_cudnn(
        c.set_convolution(convolution, i(g.pad_top), i(g.pad_left), i(g.stride_h), i(g.stride_w),
                          i(g.dilation_h), i(g.dilation_w), CUDNN_CROSS_CORRELATION, kFloat),
        "the convolution");
    check_cudnn(c.set_groups(convolution, i(g.groups)), "the groups");
    check_cudnn(c.set_math(convolution, halves ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH),
                "the arithmetic");
    check_cudnn(
        c.set_activation(activation, relu ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_IDENTITY,
                         CUDNN_PROPAGATE_NAN, 0.0),
        "the activation");
  }
  ~Descriptors() {
    const Cudnn& c = cudnn();
    (void)c.destroy_tensor(x);
    (void)c.destroy_tensor(y);
    (void)c.destroy_tensor(bias);
    (void)c.destroy_filter(w);
    (void)c.destroy_convolution(convolution);
    (void)c.destroy_activation(activation);
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  size_t workspace_bytes() const {
    size_t bytes = 0;
    check_cudnn(cudnn().workspace_size(cudnn_handle(), x, w, convolution, y, kAlgorithm, &bytes),
                "asking for scratch");
    return bytes;
  }

  cudnnTensorDescriptor_t x = nullptr, y = nullptr, bias = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  cudnnActivationDescriptor_t activation = nullptr;
};

bool is_relu(const Clamp& clamp) { return clamp.lo == 0.0f && clamp.hi == kInfinity; }
bool is_open(const Clamp& clamp) { return clamp.lo == -kInfinity && clamp.hi == kInfinity; }

class CudnnConvolution final : public Prepared {
 public:
  CudnnConvolution(const StepView& view, const DeviceWeights& weights)
      : clamp_(view.as<ConvStep>()->clamp),
        residual_(view.as<ConvStep>()->residual),
        count_(view.outputs[0].shape.volume()),
        type_(real_type(view.outputs[0])),
        descriptors_(cudnn_geometry(view), type_, is_relu(clamp_)),
        workspace_bytes_(descriptors_.workspace_bytes()),
        weights_(weights.as<void>(0)),
        bias_(weights.as<void>(1)) {}

  void run(const Buffers& b) override {
    const Cudnn& c = cudnn();
    const Descriptors& d = descriptors_;
    const cudnnHandle_t handle = cudnn_handle();
    check_cudnn(c.set_stream(handle, static_cast<cudaStream_t>(b.stream)), "choosing a stream");
    const float one = 1.0f, of_residual = residual_ ? 1.0f : 0.0f;
    const void* z = residual_ ? b.inputs[1] : b.outputs[0];
    check_cudnn(c.forward(handle, &one, d.x, b.inputs[0], d.w, weights_, d.convolution, kAlgorithm,
                          b.workspace, workspace_bytes_, &of_residual, d.y, z, d.bias, bias_,
                          d.activation, d.y, b.outputs[0]),
                "a convolution");
    if (is_open(clamp_) || is_relu(clamp_)) return;
    launch_activation(static_cast<int>(ActivationKind::kClip), clamp_.lo, clamp_.hi, type_,
                      b.outputs[0], b.outputs[0], count_, b.stream);
  }

 private:
  Clamp clamp_;
  bool residual_;
  int64_t count_;
  Real type_;
  Descriptors descriptors_;
  size_t workspace_bytes_;
  const void *weights_, *bias_;
};

class CudnnTactic final : public Tactic {
 public:
  std::string_view name() const override { return "cudnn.conv"; }
  Isa isa() const override { return Isa::kDp4a; }

  std::string refuse(const StepView& view, const Device& device) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr) return "not a convolution";
    if (step->rows) return "a product";
    if (step->groups != 1) return "it has groups";
    for (const PlanTensor& t : view.inputs) {
      if (!is_real(t.type)) return "an input is not float";
    }
    if (!is_real(view.outputs[0].type)) return "the output is not float";
    if (!is_image(view.inputs[0]) || !is_image(view.outputs[0])) return "not a channels-last image";
    if (view.inputs[0].shape.volume() > INT32_MAX || view.outputs[0].shape.volume() > INT32_MAX ||
        view.inputs[0].shape.volume() == 0) {
      return "too large, or empty";
    }
    const Geometry g = cudnn_geometry(view);
    const auto extent = [](int64_t in, int64_t pad, int64_t kernel, int64_t dilation,
                           int64_t stride) {
      return (in + 2 * pad - ((kernel - 1) * dilation + 1)) / stride + 1;
    };
    if (extent(g.h, g.pad_top, g.kernel_h, g.dilation_h, g.stride_h) != g.out_h ||
        extent(g.w, g.pad_left, g.kernel_w, g.dilation_w, g.stride_w) != g.out_w) {
      return "the padding differs before and after";
    }
    if (!cudnn().refusal.empty()) return cudnn().refusal;
    try {
      device.accelerator->make_current();
      (void)Descriptors(g, real_type(view.outputs[0]), is_relu(step->clamp)).workspace_bytes();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const auto& step = *view.as<ConvStep>();
    auto weights = std::make_unique<DeviceWeights>();
    const Real type = real_type(view.outputs[0]);
    weights->add_reals(device, view, step.weights, type);
    if (step.bias >= 0) {
      weights->add_reals(device, view, step.bias, type);
    } else {  // zeros of either type
      weights->add(device, std::vector<float>(static_cast<size_t>(step.out_channels)));
    }
    return weights;
  }

  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    device.accelerator->make_current();
    return Descriptors(cudnn_geometry(view), real_type(view.outputs[0]),
                       is_relu(view.as<ConvStep>()->clamp))
        .workspace_bytes();
  }

  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    device.accelerator->make_current();
    return std::make_unique<CudnnConvolution>(view, static_cast<const DeviceWeights&>(*packed));
  }
};

}  // namespace

const Tactic& cudnn_tactic() {
  static const CudnnTactic tactic;
  return tactic;
}

}  // namespace octile::cuda
