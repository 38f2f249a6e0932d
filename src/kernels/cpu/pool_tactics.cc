// Pooling of 8-bit channels-last images over the leaf rows of pool_kernel.h. Output pixels of one
// row whose windows lie wholly on the image are one run; those at the edges are runs of one.
#include <vector>

#include "arithmetic/quantize.h"
#include "base/parallel_for.h"
#include "kernels/cpu/misc_rows.h"
#include "kernels/cpu/pool_kernel.h"
#include "plan/geometry.h"
#include "plan/places.h"

namespace octile::cpu {
namespace {

/// The taps of one output index on one axis that lie on the image.
struct Span {
  int64_t first = 0;    // input index of the first
  int64_t taps = 0;     // how many
  int64_t counted = 0;  // how many the average divides by
  bool operator==(const Span& o) const { return taps == o.taps && counted == o.counted; }
};

struct AxisWindow {
  int64_t in, kernel, stride, dilation, before, after;
};

Span span_of(const AxisWindow& a, int64_t out, bool count_padding) {
  const int64_t start = out * a.stride - a.before;
  const int64_t skipped = start < 0 ? (-start + a.dilation - 1) / a.dilation : 0;
  const auto taps_below = [&](int64_t end) {  // taps at indices < end
    return end <= start ? 0 : std::min(a.kernel, (end - 1 - start) / a.dilation + 1);
  };
  const int64_t taps = std::max<int64_t>(0, taps_below(a.in) - skipped);
  return {start + skipped * a.dilation, taps, count_padding ? taps_below(a.in + a.after) : taps};
}

std::vector<Span> spans_of(const AxisWindow& a, int64_t outs, bool count_padding) {
  std::vector<Span> spans;
  for (int64_t out = 0; out < outs; ++out) spans.push_back(span_of(a, out, count_padding));
  return spans;
}

class Pool final : public Prepared {
 public:
  Pool(const StepView& view, const PoolKernel& kernel)
      : kernel_(kernel),
        step_(*view.as<PoolStep>()),
        g_(geometry_of(step_, view.inputs[0].shape, view.outputs[0].shape)),
        x_(view.inputs[0]),
        y_(view.outputs[0]),
        x_pixel_(row_step(x_)),
        y_pixel_(row_step(y_)),
        rows_(spans_of({g_.h, g_.kernel_h, g_.stride_h, g_.dilation_h, g_.pad_top, g_.pad_bottom},
                       g_.out_h, step_.count_padding)),
        columns_(
            spans_of({g_.w, g_.kernel_w, g_.stride_w, g_.dilation_w, g_.pad_left, g_.pad_right},
                     g_.out_w, step_.count_padding)) {}

  void run(const Buffers& buffers) override {
    const int64_t work = g_.out_w * g_.kernel_h * g_.kernel_w * g_.c;
    if (g_.out_h * g_.out_w == 1) return by_channels(buffers, work);
    parallel_for(g_.n * g_.out_h, grain_of(work), [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) one_row(buffers, row);
    });
  }

 private:
  /// One output pixel a sample: channels are what threads can share.
  void by_channels(const Buffers& buffers, int64_t work) const {
    constexpr int64_t kBlock = 64;
    const int64_t blocks = (g_.c + kBlock - 1) / kBlock;
    parallel_for(g_.n * blocks, grain_of(work / blocks), [&](int64_t begin, int64_t end, int) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t first = item % blocks * kBlock;
        write(buffers, item / blocks, 0, 1, first, std::min(kBlock, g_.c - first));
      }
    });
  }

  void one_row(const Buffers& buffers, int64_t row) const {
    for (int64_t ow = 0; ow < g_.out_w;) {
      // Equal spans start a stride apart where none was cut off before its first tap.
      const Span& span = columns_[static_cast<size_t>(ow)];
      int64_t end = ow + 1;
      while (end < g_.out_w && columns_[static_cast<size_t>(end)] == span &&
             columns_[static_cast<size_t>(end)].first == span.first + (end - ow) * g_.stride_w) {
        ++end;
      }
      write(buffers, row, ow, end - ow, 0, g_.c);
      ow = end;
    }
  }

  /// Output pixels [ow, ow + pixels) of a row, `channels` of each from `channel` on. Several
  /// pixels need all channels.
  void write(const Buffers& buffers, int64_t row, int64_t ow, int64_t pixels, int64_t channel,
             int64_t channels) const {
    const Span& down = rows_[static_cast<size_t>(row % g_.out_h)];
    const Span& across = columns_[static_cast<size_t>(ow)];
    const int64_t line = g_.w * x_pixel_, n = row / g_.out_h;
    PoolRun run{};
    run.y = static_cast<uint8_t*>(buffers.outputs[0]) + (row * g_.out_w + ow) * y_pixel_ + channel;
    if (down.taps == 0 || across.taps == 0) return fill(run.y, pixels, channels);
    run.x = static_cast<const uint8_t*>(buffers.inputs[0]) + (n * g_.h + down.first) * line +
            across.first * x_pixel_ + channel;
    run.pixels = pixels;
    run.step = g_.stride_w * x_pixel_;
    run.y_step = y_pixel_;
    run.rows = down.taps;
    run.row_stride = g_.dilation_h * line;
    run.columns = across.taps;
    run.column_stride = g_.dilation_w * x_pixel_;
    run.channels = channels;
    run.is_signed = x_.type == DataType::kInt8;
    if (step_.kind == PoolingKind::kMax) return kernel_.maximum(run);
    const auto zeros = static_cast<int32_t>(down.taps * across.taps * x_.zero_point);
    const float m = average_multiplier(x_.scale, y_.scale, down.counted * across.counted);
    const int32_t lo = y_.type == DataType::kUInt8 ? 0 : -128;
    kernel_.average(run, {zeros, m, static_cast<float>(lo - y_.zero_point),
                          static_cast<float>(lo + 255 - y_.zero_point), y_.zero_point});
  }

  /// Windows without an element: the least value, or the average 0.
  void fill(uint8_t* y, int64_t pixels, int64_t channels) const {
    const int32_t least = x_.type == DataType::kUInt8 ? 0 : -128;
    const int32_t q = step_.kind == PoolingKind::kMax ? least : y_.zero_point;
    for (int64_t i = 0; i < pixels; ++i, y += y_pixel_) {
      std::fill_n(y, channels, static_cast<uint8_t>(q));
    }
  }

  const PoolKernel& kernel_;
  PoolStep step_;
  Geometry g_;
  PlanTensor x_, y_;
  int64_t x_pixel_, y_pixel_;  // bytes from pixel to pixel
  std::vector<Span> rows_, columns_;
};

std::string refuse_pool(const StepView& view) {
  const auto* step = view.as<PoolStep>();
  if (step == nullptr) return "not a pooling";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_8bit(x) || !is_8bit(y)) return "not 8-bit";
  if (step->kind == PoolingKind::kMax && x.type != y.type) return "a maximum keeps its type";
  for (const PlanTensor* t : {&x, &y}) {
    if (t->layout != Layout::kChannelsLast || t->shape.rank() > 4) return "not channels-last";
  }
  if (!window_sums_fit(*step, x.shape, y.shape)) return "the int32 sum of a window could overflow";
  return "";
}

/// A large window reads each pixel often: those shall lie close together, for level 1 to hold them.
bool pool_takes_rows_apart(const StepView& view) {
  constexpr int64_t kLarge = 16;
  const PoolStep& step = *view.as<PoolStep>();
  return !has_rows_apart(view.inputs[0]) || step.global ||
         step.window.kernel[0] * step.window.kernel[1] <= kLarge;
}

template <const PoolKernel* kernel>
std::unique_ptr<Prepared> prepare_pool(const StepView& view, const PackedWeights*) {
  return std::make_unique<Pool>(view, *kernel);
}

}  // namespace

#if defined(__x86_64__)
constinit const FunctionTactic kPoolAvx2Row{
    "int8.pool.avx2",
    Isa::kAvx2,
    {refuse_pool, prepare_pool<&kPoolAvx2>, nullptr, nullptr, pool_takes_rows_apart}};
constinit const FunctionTactic kPoolAvx512Row{
    "int8.pool.avx512vnni",
    Isa::kAvx512Vnni,
    {refuse_pool, prepare_pool<&kPoolAvx512>, nullptr, nullptr, pool_takes_rows_apart}};
#elif defined(__aarch64__)
constinit const FunctionTactic kPoolNeonRow{
    "int8.pool.neon",
    Isa::kNeon,
    {refuse_pool, prepare_pool<&kPoolNeon>, nullptr, nullptr, pool_takes_rows_apart}};
#endif

}  // namespace octile::cpu
