// The driver of the micro-kernels: which rows, which columns, on which thread.
//
// A tile of mr output pixels is described by mr pointers a tap, so no image is ever copied (im2col)
// unless its channels are no multiple of 4; then mr short rows are gathered to scratch. Column
// tiles are cut into chunks whose weights fit half the level-2 cache.
#include "kernels/cpu/gemm_prepared.h"

#include <algorithm>
#include <cstring>

#include "arithmetic/quantize.h"
#include "base/cpu.h"
#include "base/parallel_for.h"

namespace octile {
namespace {

constexpr size_t kAlignment = 64;
constexpr int kMaxRows = 16;   // ≥ every kernel's mr
constexpr int64_t kSlack = 4;  // bytes that the last segment may read too many

size_t aligned(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

struct Regions {
  size_t pointers, gathered, thread;  // bytes a thread
  size_t images;                      // all images with padded borders, or 0
  size_t bias, scale, padding;        // bytes of the tables of dynamic steps
};

/// Extents of an image with its borders: what the kernel's windows cover.
struct PaddedImage {
  int64_t h, w, bytes;
};

PaddedImage padded_image(const Geometry& g) {
  const int64_t h =
      std::max(g.pad_top + g.h, (g.out_h - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1);
  const int64_t w = std::max(g.pad_left + g.w, (g.out_w - 1) * g.stride_w + g.kernel_w);
  return {h, w, h * w * g.c};
}

Regions regions_of(const StepView& view, const GemmKernel& kernel) {
  const ConvStep& step = *view.as<ConvStep>();
  const GemmCut cut = gemm_cut(step, kernel);
  Regions layout{};
  layout.pointers = aligned(size_t(cut.segments * kernel.mr) * sizeof(void*));
  layout.gathered =
      cut.rows == GemmCut::Rows::kGathered ? aligned(size_t(cut.bytes * kernel.mr)) : 0;
  layout.thread = layout.pointers + layout.gathered;
  if (cut.rows == GemmCut::Rows::kPadded) {
    const Geometry g = geometry_of(step, view.inputs[0].shape, view.outputs[0].shape);
    layout.images = aligned(size_t(g.n * padded_image(g).bytes + kSlack));
  }
  if (!step.dynamic) return layout;
  const int64_t groups = gemm_column_groups(step, kernel), group_out = step.out_channels / groups;
  const auto columns = size_t(groups * ((group_out + kernel.nr - 1) / kernel.nr) * kernel.nr);
  const auto samples = size_t(view.inputs[0].shape[0]);
  layout.bias = aligned(samples * columns * sizeof(int32_t));
  layout.scale = aligned(samples * columns * sizeof(float));
  layout.padding = aligned(samples * size_t(step.in_channels));
  return layout;
}

bool is_byte_type(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

}  // namespace

struct GemmPrepared::Scratch {
  const uint8_t** rows;  // [segments][mr]
  uint8_t* gathered;     // [mr][cut.bytes]
  int64_t filled = -1;   // first row of the tile that `rows` describes
};

size_t GemmPrepared::workspace_bytes(const StepView& view, const GemmKernel& kernel,
                                     const Device& device) {
  const Regions l = regions_of(view, kernel);
  return l.thread * size_t(device.threads) + l.images + l.bias + l.scale + l.padding;
}

GemmPrepared::GemmPrepared(const StepView& view, const GemmWeights& weights, const Device& device)
    : step_(*view.as<ConvStep>()),
      g_(geometry_of(step_, view.inputs[0].shape, view.outputs[0].shape)),
      x_(view.inputs[0]),
      y_(view.outputs[0]),
      weights_(weights),
      threads_(device.threads) {
  if (step_.residual) residual_ = view.inputs[1];
  pixels_ = g_.out_h * g_.out_w;
  rows_ = g_.n * pixels_;
  samples_ = x_.shape.rank() > 0 ? x_.shape[0] : 1;
  rows_per_sample_ = std::max<int64_t>(1, samples_ > 0 ? rows_ / samples_ : 1);
  tiles_ = weights.tiles_per_group * weights.column_groups;
  row_tiles_ = (rows_ + weights.kernel.mr - 1) / weights.kernel.mr;
  const auto half_l2 = int64_t(l2_bytes() / 2);
  tiles_per_chunk_ =
      std::clamp<int64_t>(half_l2 / std::max<int64_t>(1, weights.tile_bytes), 1, tiles_);
  if (row_tiles_ < threads_) {  // few rows: threads share the columns instead
    tiles_per_chunk_ = std::min(tiles_per_chunk_, std::max<int64_t>(1, tiles_ / (2 * threads_)));
  }
  chunks_ = (tiles_ + tiles_per_chunk_ - 1) / tiles_per_chunk_;
  padding_.assign(size_t(step_.in_channels), static_cast<uint8_t>(x_.zero_point));
  if (!step_.rows) fill_offsets();
}

void GemmPrepared::fill_offsets() {
  offsets_.resize(size_t(g_.kernel_h * g_.kernel_w * pixels_));
  size_t at = 0;
  for (int64_t kh = 0; kh < g_.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < g_.kernel_w; ++kw) {
      for (int64_t p = 0; p < pixels_; ++p) {
        const int64_t h = p / g_.out_w * g_.stride_h - g_.pad_top + kh * g_.dilation_h;
        const int64_t w = p % g_.out_w * g_.stride_w - g_.pad_left + kw * g_.dilation_w;
        const bool inside = h >= 0 && h < g_.h && w >= 0 && w < g_.w;
        offsets_[at++] = inside ? int32_t((h * g_.w + w) * g_.c) : -1;
      }
    }
  }
}

/// Dynamic steps: each sample's start of the sums (−z·Σw) and multipliers s·s_w[c].
void GemmPrepared::fill_samples(const Buffers& buffers) {
  const auto columns = int64_t(weights_.columns());
  const auto* scales = static_cast<const float*>(buffers.inputs[1]);
  const bool affine = x_.type == DataType::kUInt8;
  const auto* zeros = affine ? static_cast<const int32_t*>(buffers.inputs[2]) : nullptr;
  parallel_for(samples_, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t s = begin; s < end; ++s) {
      const int32_t zero = affine ? zeros[s] : 0;
      for (int64_t c = 0; c < columns; ++c) {
        const auto i = size_t(c);
        const uint32_t start =
            static_cast<uint32_t>(weights_.bias[i]) -
            static_cast<uint32_t>(zero) * static_cast<uint32_t>(weights_.weight_sum[i]);
        sample_bias_[s * columns + c] = static_cast<int32_t>(start);
        sample_scale_[s * columns + c] = product_scale(scales[s], weights_.multiplier[i]);
      }
      std::memset(sample_padding_ + s * step_.in_channels, zero, size_t(step_.in_channels));
    }
  });
}

const uint8_t* GemmPrepared::padding_row(const Buffers&, int64_t row) const {
  return step_.dynamic ? sample_padding_ + sample_of(row) * step_.in_channels : padding_.data();
}

/// Copies one row's taps side by side; the bytes up to the next multiple of 4 meet zero weights.
void GemmPrepared::gather_row(const Buffers& buffers, int64_t row, uint8_t* to) const {
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
  if (step_.rows) {
    std::memcpy(to, x + row * g_.c, size_t(g_.c));
    return;
  }
  const uint8_t* image = x + row / pixels_ * g_.h * g_.w * g_.c;
  const int32_t* offset = offsets_.data() + row % pixels_;
  for (int64_t tap = 0; tap < g_.kernel_h * g_.kernel_w; ++tap, to += g_.c) {
    const int32_t o = offset[tap * pixels_];
    std::memcpy(to, o >= 0 ? image + o : padding_row(buffers, row), size_t(g_.c));
  }
}

/// Copies every image into the workspace with borders of z_x, so that a kernel row of a window is
/// one run of bytes wherever the window stands. Bytes are flipped on the way where the kernel would
/// do it for each window that reads them.
void GemmPrepared::pad_images(const Buffers& buffers) const {
  const PaddedImage p = padded_image(g_);
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
  const int64_t line = p.w * g_.c, left = g_.pad_left * g_.c, own = g_.w * g_.c;
  const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, p.bytes));
  const uint8_t flip = weights_.flips_copies ? 0x80 : 0;
  parallel_for(g_.n, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      uint8_t* to = images_ + n * p.bytes;
      const int zero = padding_row(buffers, n * pixels_)[0] ^ flip;
      std::memset(to, zero, size_t(g_.pad_top * line));
      for (int64_t h = 0; h < g_.h; ++h) {
        uint8_t* row = to + (g_.pad_top + h) * line;
        const uint8_t* from = x + (n * g_.h + h) * own;
        std::memset(row, zero, size_t(left));
        for (int64_t i = 0; i < own; ++i) row[left + i] = from[i] ^ flip;
        std::memset(row + left + own, zero, size_t(line - left - own));
      }
      const int64_t below = g_.pad_top + g_.h;
      std::memset(to + below * line, zero, size_t((p.h - below) * line));
    }
  });
}

/// Row pointers of one tile. Divisions cost more than a short tile's arithmetic: the first row is
/// decoded, the others are counted up.
void GemmPrepared::fill_rows(const Buffers& buffers, int64_t first_row, int64_t count,
                             Scratch& scratch) const {
  const int mr = weights_.kernel.mr;
  const int64_t segments = weights_.cut.segments;
  switch (weights_.cut.rows) {
    case GemmCut::Rows::kGathered:
      for (int64_t r = 0; r < count; ++r) {
        scratch.rows[r] = scratch.gathered + r * weights_.cut.bytes;
        gather_row(buffers, first_row + r, scratch.gathered + r * weights_.cut.bytes);
      }
      break;
    case GemmCut::Rows::kPadded: fill_padded_rows(first_row, count, scratch); break;
    case GemmCut::Rows::kDirect:
      if (step_.rows) {
        const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]) + first_row * g_.c;
        for (int64_t r = 0; r < count; ++r) scratch.rows[r] = x + r * g_.c;
      } else {
        fill_image_rows(buffers, first_row, count, scratch);
      }
  }
  for (int64_t s = 0; s < segments && count < mr; ++s) {  // rows beyond the last repeat it
    const uint8_t** row = scratch.rows + s * mr;
    std::fill(row + count, row + mr, row[count - 1]);
  }
  scratch.filled = first_row;
}

void GemmPrepared::fill_padded_rows(int64_t first_row, int64_t count, Scratch& scratch) const {
  const PaddedImage p = padded_image(g_);
  const int mr = weights_.kernel.mr;
  const int64_t line = p.w * g_.c;
  int64_t image = first_row / pixels_, h = first_row % pixels_ / g_.out_w;
  int64_t w = first_row % pixels_ % g_.out_w;
  for (int64_t r = 0; r < count; ++r) {
    const uint8_t* first =
        images_ + image * p.bytes + h * g_.stride_h * line + w * g_.stride_w * g_.c;
    for (int64_t kh = 0; kh < g_.kernel_h; ++kh) {
      scratch.rows[kh * mr + r] = first + kh * g_.dilation_h * line;
    }
    if (++w < g_.out_w) continue;
    w = 0;
    if (++h < g_.out_h) continue;
    h = 0;
    ++image;
  }
}

void GemmPrepared::fill_image_rows(const Buffers& buffers, int64_t first_row, int64_t count,
                                   Scratch& scratch) const {
  const int mr = weights_.kernel.mr;
  const int64_t taps = g_.kernel_h * g_.kernel_w, image_bytes = g_.h * g_.w * g_.c;
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
  for (int64_t done = 0; done < count;) {  // runs of rows in one image
    const int64_t row = first_row + done, image = row / pixels_, pixel = row % pixels_;
    const int64_t run = std::min(count - done, pixels_ - pixel);
    const uint8_t* from = x + image * image_bytes;
    const uint8_t* padding = padding_row(buffers, row);
    const uint8_t** to = scratch.rows + done;
    for (int64_t tap = 0; tap < taps; ++tap, to += mr) {
      const int32_t* offset = offsets_.data() + tap * pixels_ + pixel;
      for (int64_t r = 0; r < run; ++r) to[r] = offset[r] >= 0 ? from + offset[r] : padding;
    }
    // Depthwise segments come in fours: what they lack meets zero weights.
    for (int64_t s = taps; s < weights_.cut.segments; ++s, to += mr) std::fill_n(to, run, padding);
    done += run;
  }
}

void GemmPrepared::run_tiles(const Buffers& buffers, int64_t first_row, int64_t count,
                             int64_t first_tile, int64_t last_tile, const Scratch& scratch) const {
  const GemmKernel& kernel = weights_.kernel;
  const bool bytes = is_byte_type(y_.type);
  const GemmVariant& v = weights_.variant;
  const GemmFunction function =
      count == 1 ? (bytes ? v.one_bytes : v.one_floats) : (bytes ? v.bytes : v.floats);
  const int64_t group_out = step_.out_channels / weights_.column_groups;
  const int64_t size = bytes ? 1 : 4;
  const int32_t* bias[kMaxRows];
  const float* scale[kMaxRows];
  GemmTile t{};
  t.rows = scratch.rows;
  t.segments = weights_.cut.segments;
  t.groups = weights_.cut.bytes / 4;
  t.bias = bias;
  t.scale = scale;
  t.m = count;
  t.out_stride = step_.out_channels * size;
  t.residual_stride = step_.out_channels;
  t.residual_signed = residual_.type == DataType::kInt8;
  t.residual_zero = residual_.zero_point;
  t.residual_multiplier = step_.residual_multiplier;
  t.zero = y_.zero_point;
  t.lo = bytes ? float(step_.clamp.q_lo - y_.zero_point) : step_.clamp.lo;
  t.hi = bytes ? float(step_.clamp.q_hi - y_.zero_point) : step_.clamp.hi;
  for (int64_t tile = first_tile; tile < last_tile; ++tile) {
    const int64_t group = tile / weights_.tiles_per_group;
    const int64_t column = tile % weights_.tiles_per_group * kernel.nr;
    const int64_t packed_column = tile * kernel.nr, channel = group * group_out + column;
    for (int r = 0; r < kernel.mr; ++r) {
      const int64_t row = first_row + std::min<int64_t>(r, count - 1);
      const int64_t base = step_.dynamic ? sample_of(row) * int64_t(weights_.columns()) : 0;
      bias[r] = (step_.dynamic ? sample_bias_ : weights_.bias.data()) + base + packed_column;
      scale[r] =
          (step_.dynamic ? sample_scale_ : weights_.multiplier.data()) + base + packed_column;
    }
    const bool gathered = weights_.cut.rows == GemmCut::Rows::kGathered;
    t.row_offset = kernel.depthwise ? column
                   : gathered       ? 0
                                    : group * (step_.in_channels / step_.groups);
    t.weights = weights_.packed.data() + tile * weights_.tile_bytes;
    t.addend = step_.dynamic ? weights_.addend.data() + packed_column : nullptr;
    t.n = std::min<int64_t>(kernel.nr, group_out - column);
    t.out = static_cast<uint8_t*>(buffers.outputs[0]) +
            (first_row * step_.out_channels + channel) * size;
    if (step_.residual) {
      t.residual =
          static_cast<const uint8_t*>(buffers.inputs[1]) + first_row * step_.out_channels + channel;
    }
    function(t);
  }
}

void GemmPrepared::run(const Buffers& buffers) {
  const GemmKernel& kernel = weights_.kernel;
  auto* workspace = static_cast<uint8_t*>(buffers.workspace);
  const size_t pointers = aligned(size_t(weights_.cut.segments * kernel.mr) * sizeof(void*));
  const bool gathers = weights_.cut.rows == GemmCut::Rows::kGathered;
  const size_t gathered = gathers ? aligned(size_t(weights_.cut.bytes * kernel.mr)) : 0;
  const bool pads = weights_.cut.rows == GemmCut::Rows::kPadded;
  images_ = workspace + (pointers + gathered) * size_t(threads_);
  if (step_.dynamic) {
    uint8_t* tables =
        images_ + (pads ? aligned(size_t(g_.n * padded_image(g_).bytes + kSlack)) : 0);
    const size_t columns = weights_.columns();
    sample_bias_ = reinterpret_cast<int32_t*>(tables);
    tables += aligned(size_t(samples_) * columns * sizeof(int32_t));
    sample_scale_ = reinterpret_cast<float*>(tables);
    sample_padding_ = tables + aligned(size_t(samples_) * columns * sizeof(float));
    fill_samples(buffers);
  }
  if (pads) pad_images(buffers);
  // Chunks of columns outside, rows inside: a thread keeps its weights in the cache.
  const int64_t work = kernel.mr * tiles_per_chunk_ * weights_.tile_bytes;
  const int64_t grain = std::max<int64_t>(1, (1 << 19) / std::max<int64_t>(1, work));
  parallel_for(chunks_ * row_tiles_, grain, [&](int64_t begin, int64_t end, int thread) {
    uint8_t* mine = workspace + (pointers + gathered) * size_t(thread);
    Scratch scratch{reinterpret_cast<const uint8_t**>(mine), mine + pointers, -1};
    for (int64_t task = begin; task < end; ++task) {
      const int64_t chunk = task / row_tiles_, first_row = task % row_tiles_ * kernel.mr;
      const int64_t count = std::min<int64_t>(kernel.mr, rows_ - first_row);
      if (scratch.filled != first_row) fill_rows(buffers, first_row, count, scratch);
      run_tiles(buffers, first_row, count, chunk * tiles_per_chunk_,
                std::min(tiles_, (chunk + 1) * tiles_per_chunk_), scratch);
    }
  });
}

}  // namespace octile
