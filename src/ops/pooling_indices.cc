// PoolingIndices: where the maxima of a max pooling stand, the first of equals; NaN wins, as there.
#include "base/parallel_for.h"
#include "ops/sum_tile.h"
#include "ops/window.h"

namespace octile {
namespace {

struct Searched {
  const PoolingIndices& op;
  WindowAxes axes;

  int64_t offset(int64_t d, int64_t h, int64_t w) const {
    return op.column_major ? (w * axes.in[1] + h) * axes.in[0] + d
                           : (d * axes.in[1] + h) * axes.in[2] + w;
  }

  /// The offset in its plane of the window's maximum; 0 when the window misses the image.
  template <typename T>
  int64_t best(const T* plane, const std::array<Taps, 3>& taps) const {
    const T* most = nullptr;
    int64_t found = 0;
    for (int64_t i = taps[0].begin; i < taps[0].end; ++i) {
      const int64_t d = taps[0].start + i * axes.dilation[0];
      for (int64_t j = taps[1].begin; j < taps[1].end; ++j) {
        const int64_t h = taps[1].start + j * axes.dilation[1];
        for (int64_t k = taps[2].begin; k < taps[2].end; ++k) {
          const int64_t w = taps[2].start + k * axes.dilation[2];
          const T* at = plane + (d * axes.in[1] + h) * axes.in[2] + w;
          const bool better = most == nullptr || *at > *most || (is_nan(*at) && !is_nan(*most));
          if (!better) continue;
          most = at;
          found = offset(d, h, w);
        }
      }
    }
    return found;
  }

  template <typename T>
  void plane(const T* x, int64_t first, int64_t* y) const {
    for (int64_t d = 0; d < axes.out[0]; ++d) {
      for (int64_t h = 0; h < axes.out[1]; ++h) {
        for (int64_t w = 0; w < axes.out[2]; ++w) {
          *y++ = first + best(x, {taps_of(axes, 0, d), taps_of(axes, 1, h), taps_of(axes, 2, w)});
        }
      }
    }
  }
};

template <typename T>
void find(const PoolingIndices& op, const TensorView& in, const MutableTensorView& out) {
  const Searched searched{op, window_axes(op.window, in.shape, out.shape)};
  const WindowAxes& axes = searched.axes;
  const int64_t work = axes.out_volume() * axes.kernel_volume();
  parallel_for(in.shape[0] * in.shape[1], grain_for(work), [&](int64_t begin, int64_t end, int) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t first = plane * axes.in_volume();
      searched.plane(in.as<T>() + first, first, out.as<int64_t>() + plane * axes.out_volume());
    }
  });
}

}  // namespace

Inferred infer_op(const PoolingIndices& op, Infos in) {
  Pooling pooling;
  pooling.window = op.window;
  Inferred out = infer_op(pooling, in);
  out[0].type = DataType::kInt64;
  return out;
}

void evaluate_op(const PoolingIndices& op, Views in, Outs out) {
  switch (in[0].type) {
    case DataType::kInt8: return find<int8_t>(op, in[0], out[0]);
    case DataType::kUInt8: return find<uint8_t>(op, in[0], out[0]);
    case DataType::kInt32: return find<int32_t>(op, in[0], out[0]);
    case DataType::kInt64: return find<int64_t>(op, in[0], out[0]);
    default: return find<float>(op, in[0], out[0]);
  }
}

}  // namespace octile
