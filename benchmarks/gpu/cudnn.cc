// cuDNN's int8 convolutions beside ours: see peers.h. The older interface, without engine plans:
// channels last, or vectors of 32 channels, which its tensor-core kernels were made for.
#include <dlfcn.h>

#include "base/error.h"
#include "kernels/cuda/vendor.h"
#include "peers.h"
#include "problems.h"

namespace octile::benchmark {
namespace {

constexpr auto kAlgorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;

struct Layout {
  const char* variant;
  cudnnTensorFormat_t format;
  cudnnDataType_t type;
  int channels;  // in multiples of
};
const Layout kLayouts[] = {
    {"NHWC", CUDNN_TENSOR_NHWC, CUDNN_DATA_INT8, 4},
    {"NCHW_VECT_C 32", CUDNN_TENSOR_NCHW_VECT_C, static_cast<cudnnDataType_t>(8), 32},  // INT8x32
};

/// Descriptors of one convolution; `fits` is false where one of them is refused.
class Descriptors {
 public:
  Descriptors(const Layout& layout, const cuda::ConvProblem& p) {
    const auto n = static_cast<int>(p.batch);
    made(c.create_tensor(&x)), made(c.create_tensor(&y)), made(c.create_tensor(&bias));
    made(c.create_filter(&w)), made(c.create_convolution(&convolution));
    made(c.create_activation(&activation));
    if (!fits) return;
    made(c.set_tensor(x, layout.format, layout.type, n, p.in_c, p.in_h, p.in_w));
    made(c.set_tensor(y, layout.format, layout.type, n, p.out_c, p.out_h, p.out_w));
    made(c.set_tensor(bias, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, p.out_c, 1, 1));
    made(c.set_filter(w, layout.type, layout.format, p.out_c, p.in_c, p.kernel_h, p.kernel_w));
    made(c.set_convolution(convolution, p.pad_top, p.pad_left, p.stride_h, p.stride_w, 1, 1,
                           CUDNN_CROSS_CORRELATION, CUDNN_DATA_INT32));
    made(c.set_math(convolution, CUDNN_TENSOR_OP_MATH));
    made(c.set_activation(activation, CUDNN_ACTIVATION_RELU, CUDNN_NOT_PROPAGATE_NAN, 0.0));
    if (layout.channels == 32) made(weights_lie_ready(convolution));
    if (!fits) return;
    made(c.workspace_size(cuda::cudnn_handle(), x, w, convolution, y, kAlgorithm, &workspace));
    fits = fits && workspace <= kWorkspace;
  }
  ~Descriptors() {
    for (auto tensor : {x, y, bias}) (void)c.destroy_tensor(tensor);
    (void)c.destroy_filter(w);
    (void)c.destroy_convolution(convolution);
    (void)c.destroy_activation(activation);
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  const cuda::Cudnn& c = cuda::cudnn();
  cudnnTensorDescriptor_t x = nullptr, y = nullptr, bias = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  cudnnActivationDescriptor_t activation = nullptr;
  size_t workspace = 0;
  bool fits = true;

 private:
  void made(cudnnStatus_t status) { fits = fits && status == CUDNN_STATUS_SUCCESS; }

  /// Weights are turned once, not in every call.
  static cudnnStatus_t weights_lie_ready(cudnnConvolutionDescriptor_t convolution) {
    using Set = cudnnStatus_t (*)(cudnnConvolutionDescriptor_t, int);
    void* library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    const auto set =
        library ? reinterpret_cast<Set>(dlsym(library, "cudnnSetConvolutionReorderType")) : nullptr;
    constexpr int kNoReorder = 1;
    return set ? set(convolution, kNoReorder) : CUDNN_STATUS_NOT_SUPPORTED;
  }
};

Replay record(const Machine& machine, const Descriptors& d, const cuda::ConvProblem& p) {
  const Extents e(p);
  const int64_t step = aligned(e.x) + aligned(e.y) * (p.residual ? 2 : 1);
  const uint8_t* bias = machine.weights + aligned(e.weights);
  return Replay(operand_sets(step), [&](int set, cudaStream_t stream) {
    uint8_t* x = machine.arena + set * step;
    uint8_t* y = x + aligned(e.x);
    const float scale = 0.0001f, of_residual = p.residual ? p.residual_multiplier : 0.0f;
    const cudnnHandle_t handle = cuda::cudnn_handle();
    return d.c.set_stream(handle, stream) == CUDNN_STATUS_SUCCESS &&
           d.c.forward(handle, &scale, d.x, x, d.w, machine.weights, d.convolution, kAlgorithm,
                       machine.workspace, d.workspace, &of_residual, d.y,
                       p.residual ? y + aligned(e.y) : y, d.bias, bias, d.activation, d.y,
                       y) == CUDNN_STATUS_SUCCESS;
  });
}

}  // namespace

std::vector<Peer> cudnn_peers(const Machine& machine, const cuda::ConvProblem& p) {
  std::vector<Peer> peers;
  const bool plain = p.x_type != cuda::ConvType::kFloat && p.y_type != cuda::ConvType::kFloat;
  if (!plain || p.groups != 1 || !cudnn_refusal().empty()) return peers;
  for (const Layout& layout : kLayouts) {
    if (p.in_c % layout.channels != 0 || p.out_c % layout.channels != 0) continue;
    const Descriptors descriptors(layout, p);
    if (!descriptors.fits) continue;
    Replay replay = record(machine, descriptors, p);
    if (replay) peers.push_back({"cudnn", "int8", layout.variant, std::move(replay)});
  }
  return peers;
}

std::string cudnn_refusal() {
  if (!cuda::cudnn().refusal.empty()) return cuda::cudnn().refusal;
  try {
    (void)cuda::cudnn_handle();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace octile::benchmark
