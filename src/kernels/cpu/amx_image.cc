// See amx_image.h.
#include "kernels/cpu/amx_image.h"

#include <algorithm>
#include <cstring>

#include "base/round_up.h"
#include "kernels/copy_rows.h"

namespace octile {
namespace {

bool may_pad(const Geometry& g, const AmxCut& cut) {
  const bool contiguous = g.dilation_w == 1 || g.kernel_w == 1 || g.groups > 1;
  return !cut.whole && g.stride_h == 1 && g.stride_w == 1 && contiguous;
}

AmxLayout padded(const Geometry& g) {
  AmxLayout l{.form = AmxLayout::Form::kPadded};
  l.pitch = std::max(g.pad_left + g.w, g.out_w + (g.kernel_w - 1) * g.dilation_w);
  l.row_bytes = g.c;
  l.rows = (g.out_h - 1) * l.pitch + g.out_w;
  l.plane_rows = std::max(g.pad_top + g.h, g.out_h + (g.kernel_h - 1) * g.dilation_h);
  l.image_bytes = l.plane_rows * l.pitch * l.row_bytes;
  return l;
}

AmxLayout folded(const Geometry& g, const AmxCut& cut) {
  AmxLayout l{.form = AmxLayout::Form::kFolded};
  l.pitch = g.out_w;
  l.row_bytes = round_up((cut.whole ? g.kernel_h : 1) * g.kernel_w * g.c, kAmxStep);
  l.rows = g.out_h * g.out_w;
  l.planes = cut.whole || g.kernel_h == 1 ? 1 : g.stride_h;
  l.plane_rows = g.out_h + (cut.whole ? 0 : (g.kernel_h - 1) * g.dilation_h / g.stride_h);
  l.image_bytes = l.planes * l.plane_rows * l.pitch * l.row_bytes;
  return l;
}

/// Cycles, roughly: 16 a tile product; 3 a line copied.
double cost(const Geometry& g, const AmxCut& cut, const AmxLayout& l) {
  const int64_t tiles = (l.rows + kAmxTileRows - 1) / kAmxTileRows;
  const int64_t column_tiles = (g.m + kAmxTileColumns - 1) / kAmxTileColumns;
  const double products = double(tiles) * double(column_tiles) * double(cut.steps());
  return 16 * products + 3 * double(l.image_bytes) / 64;
}

/// Where the taps of an output column lie in an image row: columns [first, last) have them all.
struct Inside {
  int64_t first, last;
};

Inside inside(const Geometry& g) {
  const int64_t first = (g.pad_left + g.stride_w - 1) / g.stride_w;
  const int64_t reach = g.w - 1 + g.pad_left - (g.kernel_w - 1) * g.dilation_w;
  const int64_t last = reach < 0 ? 0 : std::min(g.out_w, reach / g.stride_w + 1);
  return {std::min(first, last), last};
}

/// Taps of one output column that may lie on the border.
void fold_edge(const Geometry& g, const uint8_t* row, int zero, int64_t w, uint8_t* to) {
  const int64_t first = w * g.stride_w - g.pad_left;
  if (g.dilation_w == 1 && g.pixel == g.c) {
    const int64_t begin = std::clamp<int64_t>(-first, 0, g.kernel_w);
    const int64_t end = std::clamp<int64_t>(g.w - first, begin, g.kernel_w);
    std::memset(to, zero, size_t(begin * g.c));
    std::memcpy(to + begin * g.c, row + (first + begin) * g.c, size_t((end - begin) * g.c));
    std::memset(to + end * g.c, zero, size_t((g.kernel_w - end) * g.c));
    return;
  }
  for (int64_t tap = 0; tap < g.kernel_w; ++tap, to += g.c) {
    const int64_t from = first + tap * g.dilation_w;
    if (from >= 0 && from < g.w) {
      std::memcpy(to, row + from * g.pixel, size_t(g.c));
    } else {
      std::memset(to, zero, size_t(g.c));
    }
  }
}

/// One image row (null: padding), all its taps of a kernel row, for the output columns [begin,
/// end).
void fold_row(const Geometry& g, const AmxLayout& l, const uint8_t* row, int zero, int64_t begin,
              int64_t end, int64_t room, uint8_t* to) {
  const int64_t run = g.kernel_w * g.c;
  if (row == nullptr) {
    for (int64_t w = begin; w < end; ++w, to += l.row_bytes) std::memset(to, zero, size_t(run));
    return;
  }
  const Inside in = inside(g);
  const int64_t first = std::clamp(in.first, begin, end), last = std::clamp(in.last, first, end);
  for (int64_t w = begin; w < first; ++w, to += l.row_bytes) fold_edge(g, row, zero, w, to);
  if (last > first) {
    const uint8_t* from = row + (first * g.stride_w - g.pad_left) * g.pixel;
    const int64_t count = last - first, step = g.stride_w * g.pixel;
    if (g.dilation_w == 1 && g.pixel == g.c) {
      kAmxKernels.copy(to, l.row_bytes, from, step, run, count, room);
    } else {
      for (int64_t tap = 0; tap < g.kernel_w; ++tap) {
        kAmxKernels.copy(to + tap * g.c, l.row_bytes, from + tap * g.dilation_w * g.pixel, step,
                         g.c, count, room - tap * g.c);
      }
    }
    to += count * l.row_bytes;
  }
  for (int64_t w = last; w < end; ++w, to += l.row_bytes) fold_edge(g, row, zero, w, to);
}

void pad_row(const Geometry& g, const AmxLayout& l, const uint8_t* row, int zero, uint8_t* to) {
  const int64_t line = l.pitch * g.c, left = g.pad_left * g.c, own = row ? g.w * g.c : 0;
  std::memset(to, zero, size_t(left));
  if (own > 0 && g.pixel == g.c) {
    std::memcpy(to + left, row, size_t(own));
  } else if (own > 0) {
    copy_rows(to + left, g.c, row, g.pixel, g.c, g.w);
  }
  std::memset(to + left + own, zero, size_t(line - left - own));
}

}  // namespace

AmxLayout amx_layout(const ConvStep& step, const Geometry& g, const AmxCut& cut) {
  const bool plain = g.kernel_h == 1 && g.kernel_w == 1 && g.stride_h == 1 && g.stride_w == 1 &&
                     g.pad_top == 0 && g.pad_left == 0 && g.out_h == g.h && g.out_w == g.w;
  if ((step.rows || plain) && !step.dynamic) {
    const int64_t rows = g.out_h * g.out_w;
    return {.pitch = g.out_w,
            .row_bytes = g.pixel,
            .rows = rows,
            .plane_rows = g.out_h,
            .image_bytes = rows * g.pixel};
  }
  const AmxLayout fold = folded(g, cut);
  if (!may_pad(g, cut)) return fold;
  const AmxLayout pad = padded(g);
  return cost(g, cut, pad) <= cost(g, cut, fold) ? pad : fold;
}

int64_t amx_image_bytes(const ConvStep& step, const Geometry& g, const AmxCut& cut) {
  if (amx_layout(step, g, cut).form == AmxLayout::Form::kAsItIs) return 0;
  const AmxLayout fold = folded(g, cut);
  int64_t bytes = g.n * fold.image_bytes + kAmxRows * fold.row_bytes;
  if (may_pad(g, cut)) {
    const AmxLayout pad = padded(g);
    bytes = std::max(bytes, g.n * pad.image_bytes + kAmxRows * pad.row_bytes);
  }
  return bytes + cut.steps() * kAmxStep;
}

std::vector<int32_t> amx_step_offsets(const ConvStep& step, const Geometry& g, const AmxCut& cut,
                                      const AmxLayout& l) {
  std::vector<int32_t> offsets;
  const int64_t line = l.pitch * l.row_bytes;
  const bool taps = step.groups > 1;  // a segment is a tap
  for (int64_t s = 0; s < cut.segments; ++s) {
    const int64_t h = (taps ? s / g.kernel_w : s) * g.dilation_h, w = taps ? s % g.kernel_w : 0;
    int64_t at = 0;
    if (l.form == AmxLayout::Form::kPadded) {
      at = h * line + w * g.dilation_w * g.c;
    } else if (l.form == AmxLayout::Form::kFolded && !cut.whole) {
      const int64_t plane = l.planes > 1 ? h % l.planes : 0;
      const int64_t row = l.planes > 1 ? h / l.planes : h / g.stride_h;
      at = (plane * l.plane_rows + row) * line + w * g.c;
    }
    for (int64_t i = 0; i < cut.segment_steps; ++i) offsets.push_back(int32_t(at + i * kAmxStep));
  }
  return offsets;
}

void amx_copy_images(const Geometry& g, const AmxCut& cut, const AmxLayout& l, const uint8_t* x,
                     const int32_t* zeros, int64_t zero_step, int64_t begin, int64_t end,
                     uint8_t* to) {
  const int64_t rows = l.planes * l.plane_rows, line = l.pitch * l.row_bytes;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t image = i / rows, plane = i % rows / l.plane_rows, q = i % rows % l.plane_rows;
    const int zero = zeros[image * zero_step];
    const uint8_t* from = x + image * g.h * g.w * g.pixel;
    uint8_t* at = to + image * l.image_bytes + (plane * l.plane_rows + q) * line;
    if (l.form == AmxLayout::Form::kPadded) {
      const int64_t h = q - g.pad_top;
      pad_row(g, l, h >= 0 && h < g.h ? from + h * g.w * g.pixel : nullptr, zero, at);
      continue;
    }
    const int64_t segments = cut.whole ? g.kernel_h : 1;
    for (int64_t s = 0; s < segments; ++s, at += g.kernel_w * g.c) {
      const int64_t h = q * g.stride_h + plane - g.pad_top + s * g.dilation_h;
      const uint8_t* row = h >= 0 && h < g.h ? from + h * g.w * g.pixel : nullptr;
      fold_row(g, l, row, zero, 0, g.out_w, l.row_bytes - s * g.kernel_w * g.c, at);
    }
  }
}

void amx_copy_windows(const Geometry& g, const AmxLayout& l, const uint8_t* x, int32_t zero,
                      int64_t begin, int64_t end, uint8_t* to) {
  for (int64_t at = begin; at < end;) {
    const int64_t image = at / l.rows, h = at % l.rows / g.out_w, w = at % l.rows % g.out_w;
    const int64_t count = std::min(g.out_w - w, end - at);
    for (int64_t s = 0; s < g.kernel_h; ++s) {
      const int64_t from = h * g.stride_h - g.pad_top + s * g.dilation_h;
      const uint8_t* row =
          from >= 0 && from < g.h ? x + (image * g.h + from) * g.w * g.pixel : nullptr;
      const int64_t in_row = s * g.kernel_w * g.c;
      fold_row(g, l, row, zero, w, w + count, l.row_bytes - in_row, to + in_row);
    }
    at += count;
    to += count * l.row_bytes;
  }
}

}  // namespace octile
