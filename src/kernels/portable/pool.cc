// Pooling of channels-last images. Maxima ignore the padding; int8 averages are an integer sum of
// (x_q − z_x) and one multiply by a factor that depends on the count alone.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/parallel_for.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "plan/geometry.h"

namespace octile::portable {
namespace {

/// Taps [begin, end) of one window on one axis that lie on the image, and how many the average
/// divides by.
struct Taps {
  int64_t start = 0, begin = 0, end = 0, step = 1, counted = 0;
  int64_t at(int64_t tap) const { return start + tap * step; }
};

Taps taps_of(int64_t out, int64_t extent, int64_t kernel, int64_t stride, int64_t dilation,
             int64_t before, int64_t after, bool count_padding) {
  Taps taps{.start = out * stride - before, .begin = kernel, .step = dilation};
  for (int64_t k = kernel - 1; k >= 0; --k) {
    if (taps.at(k) >= 0 && taps.at(k) < extent) {
      taps.begin = k;
      taps.end = std::max(taps.end, k + 1);
    }
    // A rounded-up last window may reach beyond the padding too; those taps never count.
    taps.counted +=
        count_padding ? taps.at(k) < extent + after : taps.at(k) >= 0 && taps.at(k) < extent;
  }
  taps.begin = std::min(taps.begin, taps.end);
  return taps;
}

template <typename T>
bool is_nan(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

class Pool final : public Prepared {
 public:
  explicit Pool(const StepView& view)
      : step_(*view.as<PoolStep>()),
        g_(geometry_of(step_, view.inputs[0].shape, view.outputs[0].shape)),
        x_(view.inputs[0]),
        y_(view.outputs[0]) {
    for (int64_t oh = 0; oh < g_.out_h; ++oh) {
      rows_.push_back(taps_of(oh, g_.h, g_.kernel_h, g_.stride_h, g_.dilation_h, g_.pad_top,
                              g_.pad_bottom, step_.count_padding));
    }
    for (int64_t ow = 0; ow < g_.out_w; ++ow) {
      columns_.push_back(taps_of(ow, g_.w, g_.kernel_w, g_.stride_w, g_.dilation_w, g_.pad_left,
                                 g_.pad_right, step_.count_padding));
    }
  }

  void run(const Buffers& buffers) override {
    const int64_t work = g_.kernel_h * g_.kernel_w * g_.c;
    parallel_for(g_.n * g_.out_h * g_.out_w, grain_for(work), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) one_pixel(buffers, i);
    });
  }

 private:
  void one_pixel(const Buffers& buffers, int64_t pixel) const {
    const Taps& rows = rows_[static_cast<size_t>(pixel / g_.out_w % g_.out_h)];
    const Taps& columns = columns_[static_cast<size_t>(pixel % g_.out_w)];
    const int64_t image = pixel / (g_.out_w * g_.out_h) * g_.h * g_.w * g_.c;
    if (is_float(x_)) {
      const auto* x = static_cast<const float*>(buffers.inputs[0]) + image;
      auto* y = static_cast<float*>(buffers.outputs[0]) + pixel * g_.c;
      step_.kind == PoolingKind::kMax ? maximum(x, rows, columns, y)
                                      : average_float(x, rows, columns, y);
      return;
    }
    by_8bit_type(x_.type, [&](const auto* type) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(type)>>;
      const auto* x = static_cast<const T*>(buffers.inputs[0]) + image;
      if (step_.kind == PoolingKind::kMax) {
        maximum(x, rows, columns, static_cast<T*>(buffers.outputs[0]) + pixel * g_.c);
      } else {
        average_8bit(x, rows, columns, buffers.outputs[0], pixel * g_.c);
      }
    });
  }

  /// Calls f(the C channels of one pixel) for all taps on the image.
  template <typename T, typename F>
  void for_taps(const T* x, const Taps& rows, const Taps& columns, F&& f) const {
    for (int64_t kh = rows.begin; kh < rows.end; ++kh) {
      for (int64_t kw = columns.begin; kw < columns.end; ++kw) {
        f(x + (rows.at(kh) * g_.w + columns.at(kw)) * g_.c);
      }
    }
  }

  template <typename T>
  void maximum(const T* x, const Taps& rows, const Taps& columns, T* y) const {
    const T least =
        std::is_same_v<T, float> ? static_cast<T>(-kInfinity) : std::numeric_limits<T>::lowest();
    std::fill_n(y, g_.c, least);
    for_taps(x, rows, columns, [&](const T* from) {
      for (int64_t c = 0; c < g_.c; ++c) {
        const bool wins = from[c] > y[c] || is_nan(from[c]);  // NaN wins and stays
        y[c] = wins ? from[c] : y[c];
      }
    });
  }

  void average_float(const float* x, const Taps& rows, const Taps& columns, float* y) const {
    const int64_t count = rows.counted * columns.counted;
    for (int64_t c = 0; c < g_.c; ++c) {
      double sum = 0.0;
      for_taps(x, rows, columns, [&](const float* from) { sum += static_cast<double>(from[c]); });
      y[c] = count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
    }
  }

  template <typename T>
  void average_8bit(const T* x, const Taps& rows, const Taps& columns, void* y, int64_t at) const {
    const int64_t count = rows.counted * columns.counted;
    const float m = count == 0 ? 0.0f : average_multiplier(x_.scale, y_.scale, count);
    for (int64_t c = 0; c < g_.c; ++c) {
      int32_t sum = 0;
      for_taps(x, rows, columns, [&](const T* from) { sum += int32_t{from[c]} - x_.zero_point; });
      store_8bit(y, at + c, requantize(sum, m, y_.zero_point, lowest(y_.type), highest(y_.type)));
    }
  }

  PoolStep step_;
  Geometry g_;
  PlanTensor x_, y_;
  std::vector<Taps> rows_, columns_;  // by output row and column
};

std::unique_ptr<Prepared> prepare_pool(const StepView& view, const PackedWeights*) {
  return std::make_unique<Pool>(view);
}

}  // namespace

constinit const FunctionTactic kPoolInt8{
    "portable.pool.int8", Isa::kPortable, {forms::refuse_pool_bytes, prepare_pool}};
constinit const FunctionTactic kPoolFloat{
    "portable.pool.float", Isa::kPortable, {forms::refuse_pool_floats, prepare_pool}};

}  // namespace octile::portable
