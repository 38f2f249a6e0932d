// Float deconvolution: every output pixel gathers the inputs whose windows reach it.
#include <algorithm>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "ops/window.h"

namespace octile::portable {
namespace {

class DeconvFloat final : public Prepared {
 public:
  explicit DeconvFloat(const StepView& view)
      : step_(*view.as<DeconvStep>()),
        n_(view.inputs[0].shape[0]),
        c_(step_.in_channels),
        m_(step_.out_channels),
        axes_(deconvolution_axes({step_.window, step_.groups, step_.output_padding},
                                 view.inputs[0].shape, view.outputs[0].shape)),
        weights_(view.blob(step_.weights).as<float>()) {
    if (step_.bias >= 0) bias_ = view.blob(step_.bias).as<float>();
  }

  void run(const Buffers& buffers) override {
    const int64_t parts = step_.groups * blocks();
    const int64_t work = axes_.kernel_volume() * c_ / step_.groups * kLanes;
    parallel_for(n_ * axes_.out_volume() * parts, grain_for(work),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t i = begin; i < end; ++i) one_block(buffers, i / parts, i % parts);
                 });
  }

 private:
  int64_t group_out() const { return m_ / step_.groups; }
  int64_t blocks() const { return (group_out() + kLanes - 1) / kLanes; }

  /// Input index on `axis` that tap `tap` brings to output `out`, or −1.
  int64_t source(size_t axis, int64_t out, int64_t tap) const {
    const int64_t spread = out + axes_.before[axis] - tap * axes_.dilation[axis];
    if (spread < 0 || spread % axes_.stride[axis] != 0) return -1;
    const int64_t in = spread / axes_.stride[axis];
    return in < axes_.in[axis] ? in : -1;
  }

  void one_block(const Buffers& buffers, int64_t pixel, int64_t part) const {
    const int64_t group = part / blocks(), in_group = part % blocks() * kLanes;
    const int64_t first = group * group_out() + in_group;
    const int64_t count = std::min(kLanes, group_out() - in_group);
    float sums[kLanes] = {};
    if (bias_ != nullptr) std::copy_n(bias_ + first, count, sums);
    const auto* x = static_cast<const float*>(buffers.inputs[0]);
    const int64_t ow = pixel % axes_.out[2], oh = pixel / axes_.out[2] % axes_.out[1];
    const int64_t n = pixel / axes_.out_volume(), depth = c_ / step_.groups;
    for (int64_t kh = 0; kh < axes_.kernel[1]; ++kh) {
      const int64_t ih = source(1, oh, kh);
      for (int64_t kw = 0; kw < axes_.kernel[2] && ih >= 0; ++kw) {
        const int64_t iw = source(2, ow, kw);
        if (iw < 0) continue;
        const float* from = x + ((n * axes_.in[1] + ih) * axes_.in[2] + iw) * c_ + group * depth;
        const float* w =
            weights_ +
            ((group * depth * axes_.kernel[1] + kh) * axes_.kernel[2] + kw) * group_out() +
            in_group;
        for (int64_t c = 0; c < depth; ++c, w += axes_.kernel_volume() * group_out()) {
          for (int64_t i = 0; i < count; ++i) sums[i] += from[c] * w[i];
        }
      }
    }
    auto* y = static_cast<float*>(buffers.outputs[0]) + pixel * m_ + first;
    for (int64_t i = 0; i < count; ++i) y[i] = clamp_float(sums[i], step_.clamp.lo, step_.clamp.hi);
  }

  DeconvStep step_;
  int64_t n_, c_, m_;
  WindowAxes axes_;
  const float* weights_;
  const float* bias_ = nullptr;
};

std::unique_ptr<Prepared> prepare_deconv_float(const StepView& view, const PackedWeights*) {
  return std::make_unique<DeconvFloat>(view);
}

}  // namespace

constinit const FunctionTactic kDeconvFloat{
    "portable.deconv.float", Isa::kPortable, {forms::refuse_deconv, prepare_deconv_float}};

}  // namespace octile::portable
