// See amx_image.h.
#include "kernels/cpu/amx_image.h"

#include <algorithm>
#include <cstring>

#include "base/round_up.h"
#include "kernels/copy_rows.h"

namespace octile {
namespace {

bool may_pad(const Geometry& g) { return g.dilation_w == 1 || g.kernel_w == 1 || g.groups > 1; }

/// Planes hold every stride_h-th image row; one is enough where the kernel has one row.
int64_t planes_of(const Geometry& g) { return g.kernel_h == 1 ? 1 : g.stride_h; }

AmxLayout padded(const Geometry& g) {
  AmxLayout l{.form = AmxLayout::Form::kPadded};
  const int64_t columns = (g.out_w - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1;
  l.pitch = (columns + g.stride_w - 1) / g.stride_w;
  l.row_bytes = g.stride_w * g.c;
  l.rows = (g.out_h - 1) * l.pitch + g.out_w;
  l.planes = planes_of(g);
  l.plane_rows = g.out_h + (g.kernel_h - 1) * g.dilation_h / g.stride_h;
  l.image_bytes = l.planes * l.plane_rows * l.pitch * l.row_bytes;
  return l;
}

AmxLayout folded(const Geometry& g) {
  AmxLayout l{.form = AmxLayout::Form::kFolded};
  l.pitch = g.out_w;
  l.row_bytes = round_up(g.kernel_w * g.c, kAmxStep);
  l.rows = g.out_h * g.out_w;
  l.planes = planes_of(g);
  l.plane_rows = g.out_h + (g.kernel_h - 1) * g.dilation_h / g.stride_h;
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

/// One image row (null: padding): all its taps of a kernel row for every output column.
void fold_row(const Geometry& g, const AmxLayout& l, const uint8_t* row, int zero, uint8_t* to) {
  const int64_t run = g.kernel_w * g.c;
  if (row == nullptr) {
    for (int64_t w = 0; w < g.out_w; ++w, to += l.row_bytes) std::memset(to, zero, size_t(run));
    return;
  }
  const Inside in = inside(g);
  for (int64_t w = 0; w < in.first; ++w, to += l.row_bytes) fold_edge(g, row, zero, w, to);
  if (in.last > in.first) {
    const uint8_t* from = row + (in.first * g.stride_w - g.pad_left) * g.pixel;
    const int64_t count = in.last - in.first, step = g.stride_w * g.pixel;
    if (g.dilation_w == 1 && g.pixel == g.c) {
      kAmxKernels.copy(to, l.row_bytes, from, step, run, count, l.row_bytes);
    } else {
      for (int64_t tap = 0; tap < g.kernel_w; ++tap) {
        kAmxKernels.copy(to + tap * g.c, l.row_bytes, from + tap * g.dilation_w * g.pixel, step,
                         g.c, count, l.row_bytes - tap * g.c);
      }
    }
    to += count * l.row_bytes;
  }
  for (int64_t w = in.last; w < g.out_w; ++w, to += l.row_bytes) fold_edge(g, row, zero, w, to);
}

void pad_row(const Geometry& g, const AmxLayout& l, const uint8_t* row, int zero, uint8_t* to) {
  const int64_t line = l.pitch * l.row_bytes, left = std::min(line, g.pad_left * g.c);
  const int64_t own = row == nullptr ? 0 : std::min(line - left, g.w * g.c);
  std::memset(to, zero, size_t(left));
  if (own > 0 && g.pixel == g.c) {
    std::memcpy(to + left, row, size_t(own));
  } else if (own > 0) {
    copy_rows(to + left, g.c, row, g.pixel, g.c, own / g.c);
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
  const AmxLayout fold = folded(g);
  if (!may_pad(g)) return fold;
  const AmxLayout pad = padded(g);
  return cost(g, cut, pad) <= cost(g, cut, fold) ? pad : fold;
}

int64_t amx_image_bytes(const ConvStep& step, const Geometry& g, const AmxCut& cut) {
  if (amx_layout(step, g, cut).form == AmxLayout::Form::kAsItIs) return 0;
  const AmxLayout fold = folded(g);
  int64_t bytes = g.n * fold.image_bytes + kAmxRows * fold.row_bytes;
  if (may_pad(g)) {
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
    if (l.form != AmxLayout::Form::kAsItIs) {
      const int64_t plane_row = h % l.planes * l.plane_rows + h / l.planes;
      const int64_t tap = l.form == AmxLayout::Form::kPadded ? g.dilation_w : 1;
      at = plane_row * line + w * tap * g.c;
    }
    for (int64_t i = 0; i < cut.segment_steps; ++i) offsets.push_back(int32_t(at + i * kAmxStep));
  }
  return offsets;
}

void amx_copy_images(const Geometry& g, const AmxLayout& l, const uint8_t* x, const int32_t* zeros,
                     int64_t zero_step, int64_t begin, int64_t end, uint8_t* to) {
  const int64_t rows = l.planes * l.plane_rows, line = l.pitch * l.row_bytes;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t image = i / rows, plane = i % rows / l.plane_rows, q = i % rows % l.plane_rows;
    const int zero = zeros[image * zero_step];
    const uint8_t* from = x + image * g.h * g.w * g.pixel;
    uint8_t* at = to + image * l.image_bytes + (plane * l.plane_rows + q) * line;
    const int64_t h = q * g.stride_h + plane - g.pad_top;
    const uint8_t* row = h >= 0 && h < g.h ? from + h * g.w * g.pixel : nullptr;
    if (l.form == AmxLayout::Form::kPadded) {
      pad_row(g, l, row, zero, at);
    } else {
      fold_row(g, l, row, zero, at);
    }
  }
}

}  // namespace octile
