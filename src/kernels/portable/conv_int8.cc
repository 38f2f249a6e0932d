// Integer convolution and matrix product with constant weights: the definition of the weighted
// step's bits (docs/arithmetic.md). One output at a time, exactly as the formulas read.
#include <algorithm>
#include <vector>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "plan/geometry.h"

namespace octile::portable {
namespace {

constexpr int64_t kChannelBlock = 16;  // output channels of one parallel item

/// Σ x·w, modulo 2^32: in signed chunks that cannot overflow, so that compilers vectorize.
template <typename X>
uint32_t dot(const X* x, const int8_t* w, int64_t count) {
  constexpr int64_t kChunk = 32768;  // · 255 · 128 < 2^31
  uint32_t sum = 0;
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t n = std::min(kChunk, count - first);
    int32_t part = 0;
    for (int64_t i = 0; i < n; ++i) part += int32_t{x[first + i]} * int32_t{w[first + i]};
    sum += static_cast<uint32_t>(part);
  }
  return sum;
}

class ConvInt8 final : public Prepared {
 public:
  explicit ConvInt8(const StepView& view)
      : step_(*view.as<ConvStep>()),
        g_(geometry_of(step_, view.inputs[0].shape, view.outputs[0].shape)),
        x_(view.inputs[0]),
        y_(view.outputs[0]),
        taps_(g_.kernel_h * g_.kernel_w),
        group_in_(g_.c / g_.groups),
        group_out_(g_.m / g_.groups),
        weights_(view.blob(step_.weights).as<int8_t>()),
        multiplier_(view.blob(step_.multiplier).as<float>()) {
    if (step_.dynamic) {
      bias_float_ = view.blob(step_.bias).as<float>();
      if (x_.shape[0] > 0) images_per_sample_ = g_.n / x_.shape[0];
    } else {
      bias_ = view.blob(step_.bias).as<int32_t>();
    }
    if (step_.residual) residual_ = view.inputs[1];
    tap_sums_.resize(static_cast<size_t>(g_.m * taps_));
    for (int64_t i = 0; i < g_.m * taps_; ++i) {
      int32_t sum = 0;
      for (int64_t c = 0; c < group_in_; ++c) sum += weights_[i * group_in_ + c];
      tap_sums_[static_cast<size_t>(i)] = sum;
    }
  }

  void run(const Buffers& buffers) override {
    const int64_t pixels = g_.n * g_.out_h * g_.out_w;
    const int64_t blocks = (g_.m + kChannelBlock - 1) / kChannelBlock;
    const int64_t work = std::min(kChannelBlock, g_.m) * taps_ * group_in_;
    by_8bit_type(x_.type, [&](const auto* type) {
      const auto* x = static_cast<decltype(type)>(buffers.inputs[0]);
      parallel_for(pixels * blocks, grain_for(work), [&](int64_t begin, int64_t end, int) {
        for (int64_t item = begin; item < end; ++item) {
          const int64_t first = item % blocks * kChannelBlock;
          const int64_t last = std::min(g_.m, first + kChannelBlock);
          for (int64_t m = first; m < last; ++m) one_output(buffers, x, item / blocks, m);
        }
      });
    });
  }

 private:
  template <typename X>
  void one_output(const Buffers& buffers, const X* x, int64_t pixel, int64_t m) const {
    const int64_t n = pixel / (g_.out_h * g_.out_w), index = pixel * g_.m + m;
    int32_t zero = x_.zero_point;
    const int64_t sample = n / images_per_sample_;
    if (step_.dynamic) {
      zero =
          x_.type == DataType::kUInt8 ? static_cast<const int32_t*>(buffers.inputs[2])[sample] : 0;
    }
    uint32_t acc = sum(x, pixel, m, zero);
    if (step_.dynamic) {
      for (int64_t tap = 0; tap < taps_; ++tap) acc -= padded(m, tap, zero);  // −z_x·Σw
      const float scale = static_cast<const float*>(buffers.inputs[1])[sample];
      const float v =
          static_cast<float>(static_cast<int32_t>(acc)) * product_scale(scale, multiplier_[m]) +
          bias_float_[m];
      static_cast<float*>(buffers.outputs[0])[index] =
          clamp_value(v, step_.clamp.lo, step_.clamp.hi);
      return;
    }
    acc += static_cast<uint32_t>(bias_[m]);
    write(buffers, static_cast<int32_t>(acc), m, index);
  }

  void write(const Buffers& buffers, int32_t acc, int64_t m, int64_t index) const {
    const Clamp& clamp = step_.clamp;
    if (is_float(y_)) {
      const float v = static_cast<float>(acc) * multiplier_[m];
      static_cast<float*>(buffers.outputs[0])[index] = clamp_value(v, clamp.lo, clamp.hi);
    } else if (step_.residual) {
      const int32_t r = load_8bit(buffers.inputs[1], residual_.type, index) - residual_.zero_point;
      store_8bit(buffers.outputs[0], index,
                 requantize_add(acc, multiplier_[m], r, step_.residual_multiplier, y_.zero_point,
                                clamp.q_lo, clamp.q_hi));
    } else {
      store_8bit(buffers.outputs[0], index,
                 requantize(acc, multiplier_[m], y_.zero_point, clamp.q_lo, clamp.q_hi));
    }
  }

  /// What a tap on the padding adds: z_x times the sum of its weights.
  uint32_t padded(int64_t m, int64_t tap, int32_t zero) const {
    return static_cast<uint32_t>(zero) *
           static_cast<uint32_t>(tap_sums_[static_cast<size_t>(m * taps_ + tap)]);
  }

  /// Σ x_q·w_q over the window of one output, modulo 2^32. Taps that lie side by side in memory
  /// are one dot product.
  template <typename X>
  uint32_t sum(const X* x, int64_t pixel, int64_t m, int32_t zero) const {
    const int64_t ow = pixel % g_.out_w, oh = pixel / g_.out_w % g_.out_h;
    const int64_t n = pixel / (g_.out_w * g_.out_h), offset = m / group_out_ * group_in_;
    const bool joined = g_.groups == 1 && g_.dilation_w == 1;
    uint32_t acc = 0;
    for (int64_t kh = 0; kh < g_.kernel_h; ++kh) {
      const int64_t ih = oh * g_.stride_h - g_.pad_top + kh * g_.dilation_h;
      for (int64_t kw = 0; kw < g_.kernel_w;) {
        const int64_t iw = ow * g_.stride_w - g_.pad_left + kw * g_.dilation_w;
        const int64_t tap = kh * g_.kernel_w + kw;
        if (ih < 0 || ih >= g_.h || iw < 0 || iw >= g_.w) {
          acc += padded(m, tap, zero);
          ++kw;
          continue;
        }
        const int64_t run = joined ? std::min(g_.kernel_w - kw, g_.w - iw) : 1;
        acc += dot(x + ((n * g_.h + ih) * g_.w + iw) * g_.c + offset,
                   weights_ + (m * taps_ + tap) * group_in_, run * group_in_);
        kw += run;
      }
    }
    return acc;
  }

  ConvStep step_;
  Geometry g_;
  PlanTensor x_, y_, residual_;
  int64_t taps_, group_in_, group_out_, images_per_sample_ = 1;
  const int8_t* weights_;
  const float* multiplier_;
  const int32_t* bias_ = nullptr;
  const float* bias_float_ = nullptr;
  std::vector<int32_t> tap_sums_;  // Σw of one tap of one output channel
};

std::unique_ptr<Prepared> prepare_conv_int8(const StepView& view, const PackedWeights*) {
  return std::make_unique<ConvInt8>(view);
}

}  // namespace

constinit const FunctionTactic kConvInt8{
    "portable.conv.int8", Isa::kPortable, {forms::refuse_conv_bytes, prepare_conv_int8}};

}  // namespace octile::portable
