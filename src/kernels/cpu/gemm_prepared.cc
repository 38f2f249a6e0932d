// The driver of the micro-kernels: which rows, which columns, on which thread.
//
// Output pixels are made in lines: rows of the image, several where it is narrow, or any number of
// pixels where nothing lies between them. A thread makes its column tiles one after the other, each
// for a block of lines that the level-2 cache holds, so that a tile's weights stay in level 1.
#include "kernels/cpu/gemm_prepared.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/parallel_for.h"
#include "base/round_up.h"
#include "kernels/cpu/sample_table.h"

namespace octile {
namespace {

constexpr int64_t kCopyBytes = 1 << 20;         // of copied images at once, a thread
constexpr int64_t kLineBytes = 1 << 16;         // of activations that a line of free length reads
constexpr int64_t kChainedLineBytes = 1 << 14;  // the same for chained kernels: level 1 holds it
constexpr int64_t kWorthAThread = 1 << 20;      // multiply-adds

/// Bytes of input that are copied at once.
int64_t copied_at_once(const GemmVariant& variant, int threads) {
  return (variant.planes ? kCopyBytes / 4 : kCopyBytes) * threads;
}

/// Samples with tables of their own, and the matrix rows or images of each.
int64_t samples_of(const PlanTensor& x) { return x.shape.rank() > 0 ? x.shape[0] : 1; }

/// One image of one row where output pixels and what they read are contiguous: a matrix's rows
/// always, images unless they would be copied and are many.
Geometry merged(const ConvStep& step, Geometry g, const PlanTensor& x, const GemmVariant& variant,
                int threads) {
  const GemmSource source(step, g, variant);
  if (!source.contiguous || source.h != g.h || source.w != g.w) return g;
  const int64_t samples = samples_of(x);
  if (step.rows && step.dynamic && samples > 0 && g.n > samples) {
    g.w = g.out_w = g.n / samples;
    g.n = samples;
    return g;
  }
  g.w = g.out_w = g.h * g.w;
  g.h = g.out_h = 1;
  if (!step.rows && step.dynamic) return g;
  const int64_t rows = g.n * g.w, most = copied_at_once(variant, threads);
  int64_t pieces = 1;  // that are copied and read one after the other
  if (source.copies && !step.dynamic && rows * source.cut.pixel > most) {
    const int64_t wanted = rows * source.cut.pixel / most + 1, last = std::min(rows, 4 * wanted);
    pieces = wanted;
    while (pieces < last && rows % pieces != 0) ++pieces;
    if (rows % pieces != 0) pieces = 1;
  }
  g.w = g.out_w = rows / pieces;
  g.n = pieces;
  return g;
}

Geometry geometry(const StepView& view, const GemmVariant& variant, int threads) {
  const ConvStep& step = *view.as<ConvStep>();
  return merged(step, geometry_of(step, view.inputs[0], view.outputs[0]), view.inputs[0], variant,
                threads);
}

int64_t row_stride_or(const PlanTensor& t, int64_t close) {
  return t.row_stride > 0 ? t.row_stride : close;
}

/// Bytes of the tables of dynamic steps.
struct Tables {
  size_t bias = 0, scale = 0;
};

Tables tables_of(const ConvStep& step, const PlanTensor& x, int nr) {
  if (!step.dynamic) return {};
  const int64_t group_out = step.out_channels / step.groups;
  const auto columns = size_t(step.groups * ((group_out + nr - 1) / nr) * nr);
  const auto samples = size_t(samples_of(x));
  return {size_t(aligned(samples * columns * 4)), size_t(aligned(samples * columns * 4))};
}

}  // namespace

size_t GemmPrepared::workspace_bytes(const StepView& view, const GemmKernel& kernel,
                                     const Device& device) {
  const ConvStep& step = *view.as<ConvStep>();
  const GemmVariant& variant = kernel.of(gemm_input(view.inputs[0]));
  const Geometry g = geometry(view, variant, device.threads);
  const GemmSource source(step, g, variant);
  const Tables tables = tables_of(step, view.inputs[0], kernel.nr);
  size_t copies = 0;
  if (source.copies) {  // smaller images may fill what larger ones left
    const int64_t images = g.n * source.image();
    const bool all = source.contiguous && !step.dynamic;  // cut into pieces if they come out even
    const int64_t most = copied_at_once(variant, device.threads);
    const int64_t some = all ? images : std::max(source.image(), most);
    copies = aligned(size_t(std::min(images, some)) + 64) * (variant.planes ? 3 : 1);
  }
  return copies + tables.bias + tables.scale;
}

GemmPrepared::GemmPrepared(const StepView& view, const GemmWeights& weights, const Device& device)
    : step_(*view.as<ConvStep>()),
      g_(geometry(view, weights.variant, device.threads)),
      x_(view.inputs[0]),
      y_(view.outputs[0]),
      weights_(weights),
      threads_(device.threads),
      bytes_(is_8bit(y_)),
      out_stride_(row_stride_or(y_, step_.out_channels * (bytes_ ? 1 : 4))),
      source_(step_, g_, weights.variant),
      samples_(samples_of(x_)),
      tiles_(weights.tiles_per_group * step_.groups) {
  if (step_.residual) {
    residual_ = view.inputs[1];
    residual_stride_ = row_stride_or(residual_, step_.out_channels);
  }
  for (int64_t s = 0; s < source_.cut.segments; ++s) {
    segment_offset_.push_back(source_.segment_offset(s));
  }
  plan_steps();
  if (step_.dynamic) sample_zero_.resize(size_t(samples_));
  images_at_once_ = source_.copies ? std::clamp<int64_t>(copied_at_once(weights.variant, threads_) /
                                                             std::max<int64_t>(1, source_.image()),
                                                         1, std::max<int64_t>(1, g_.n))
                                   : g_.n;
  plan_lines();
  split(images_at_once_ * lines_an_image_);
}

void GemmPrepared::plan_steps() {
  const int64_t groups = source_.cut.bytes / 4;
  for (const int32_t group : weights_.order) {
    steps_.push_back(int32_t(segment_offset_[size_t(group / groups)] + group % groups * 4));
  }
}

/// Lines of an image: all of one length but the last, which takes what is left over.
void GemmPrepared::plan_lines() {
  const int64_t mr = weights_.kernel.mr, pixels = g_.out_h * g_.out_w;
  const int64_t images = std::max<int64_t>(1, images_at_once_);
  const auto lines_of = [&](int64_t all, int64_t tile) {  // all and tile in one unit
    const int64_t tiles = std::max<int64_t>(1, all / tile);
    const int64_t few = std::max<int64_t>(1, tiles * images / (4 * threads_));
    return std::min(tiles, few);
  };
  const GemmVariant& variant = weights_.variant;
  const int64_t chained_bytes = kChainedLineBytes / (variant.planes ? 2 : 1);
  if (g_.out_h == 1) {
    const int64_t bytes = variant.chained ? chained_bytes : kLineBytes;
    const int64_t most = std::max<int64_t>(1, bytes / (mr * source_.cut.pixel));
    rows_a_line_ = mr * std::min(most, lines_of(pixels, mr));
  } else if (g_.out_w > mr) {
    rows_a_line_ = g_.out_w;
  } else {
    const int64_t rows = mr / g_.out_w;
    rows_a_line_ = rows * g_.out_w * lines_of(g_.out_h, rows);
  }
  rows_a_line_ = std::min(rows_a_line_, pixels);
  lines_an_image_ = std::max<int64_t>(1, pixels / std::max<int64_t>(1, rows_a_line_));
  const bool whole = g_.out_h > 1 && g_.out_w <= mr;
  line_ = make_line(rows_a_line_, whole ? g_.out_w : 1);
  last_line_ = make_line(pixels - (lines_an_image_ - 1) * rows_a_line_, whole ? g_.out_w : 1);
  const int64_t line_bytes = rows_a_line_ * (source_.cut.pixel * g_.stride_w + step_.out_channels);
  // Blocks for level 1 read all weights again for each, which level 2 must hold then.
  const bool small = variant.chained && weights_.packed.size() <= l2_bytes() / 2;
  const int64_t block_bytes = small ? chained_bytes : int64_t(l2_bytes() / 4);
  block_lines_ = std::max<int64_t>(1, block_bytes / std::max<int64_t>(1, line_bytes));
}

/// A line of `rows` output rows in tiles of as many `unit`s as fit, evenly.
GemmPrepared::Line GemmPrepared::make_line(int64_t rows, int64_t unit) {
  const int64_t mr = weights_.kernel.mr / unit, all = rows / unit;
  const int64_t tiles = (all + mr - 1) / mr, least = all / std::max<int64_t>(1, tiles);
  const int64_t larger = all - least * tiles;
  Line line{rows, {}};
  if (larger > 0) line.parts.push_back({0, larger, int((least + 1) * unit), 0});
  if (tiles > larger) {
    line.parts.push_back({larger * (least + 1) * unit, tiles - larger, int(least * unit), 0});
  }
  for (Part& part : line.parts) part.routine = make_routines(part.rows);
  return line;
}

size_t GemmPrepared::make_routines(int rows) {
  for (size_t i = 0; i < routines_.size(); i += 2) {
    if (routines_[i]->shape.rows == rows) return i;
  }
  const int64_t nr = weights_.kernel.nr, group_out = step_.out_channels / step_.groups;
  const int64_t rest = group_out - (weights_.tiles_per_group - 1) * nr;
  const int64_t full = std::min(nr, group_out);
  routines_.push_back(make_routine(rows, full));
  routines_.push_back(rest == full ? nullptr : make_routine(rows, rest));
  return routines_.size() - 2;
}

std::unique_ptr<GemmPrepared::Routine> GemmPrepared::make_routine(int rows, int64_t n) const {
  auto routine = std::make_unique<Routine>();
  for (int r = 0; r < rows; ++r) {
    routine->row_offset.push_back(source_.row_offset(r / g_.out_w, r % g_.out_w));
  }
  routine->shape = make_shape(rows, int(n));
  routine->shape.row_offset = routine->row_offset.data();
  const GemmVariant& variant = weights_.variant;
  if (variant.bytes != nullptr) {
    routine->function = (bytes_ ? variant.bytes : variant.floats)[rows - 1];
    return routine;
  }
#if defined(__x86_64__)
  routine->code = make_avx512vnni_code(routine->shape, weights_.kernel.nr);
  routine->function = routine->code->function();
#endif
  return routine;
}

GemmShape GemmPrepared::make_shape(int rows, int n) const {
  return {.rows = rows,
          .row_offset = nullptr,
          .tile_step = source_.row_offset(rows / g_.out_w, rows % g_.out_w),
          .segments = source_.cut.segments,
          .segment_offset = segment_offset_.data(),
          .groups = source_.cut.bytes / 4,
          .plane = source_.plane_bytes(images_at_once_),
          .n = n,
          .floats = !bytes_,
          .out_stride = out_stride_,
          .table_stride = step_.dynamic && !sample_is_image() ? int64_t(weights_.columns()) : 0,
          .addend = step_.dynamic,
          .residual = step_.residual,
          .residual_signed = residual_.type == DataType::kInt8,
          .residual_stride = residual_stride_,
          .residual_zero = residual_.zero_point,
          .residual_multiplier = step_.residual_multiplier,
          .lo = bytes_ ? float(step_.clamp.q_lo - y_.zero_point) : step_.clamp.lo,
          .hi = bytes_ ? float(step_.clamp.q_hi - y_.zero_point) : step_.clamp.hi,
          .zero = y_.zero_point,
          .output_signed = y_.type == DataType::kInt8,
          .q_lo = step_.clamp.q_lo,
          .q_hi = step_.clamp.q_hi,
          .may_leave_int32 = weights_.may_leave_int32};
}

// --- threads ---

/// Threads share lines, columns, or both: whatever gives the busiest one the least.
void GemmPrepared::split(int64_t lines) {
  const int64_t k = source_.cut.segments * source_.cut.bytes;
  const int64_t work = images_at_once_ * g_.out_h * g_.out_w * k * step_.out_channels;
  const auto parts = std::clamp<int64_t>(work / kWorthAThread, 1, threads_);
  int64_t best = -1;
  for (int64_t columns = 1; columns <= parts; ++columns) {
    const int64_t rows = parts / columns;
    int64_t most = 0;
    for (int64_t p = 0; p < rows; ++p) {
      const int64_t first = lines * p / rows, last = lines * (p + 1) / rows;
      const int64_t lasts = last / lines_an_image_ - first / lines_an_image_;
      most = std::max(most, (last - first - lasts) * line_.rows + lasts * last_line_.rows);
    }
    most *= (tiles_ + columns - 1) / columns;
    if (best >= 0 && most >= best) continue;
    best = most;
    row_parts_ = rows;
    column_parts_ = columns;
  }
}

GemmPrepared::Share GemmPrepared::share_of(int64_t part, int64_t lines) const {
  const int64_t row = part / column_parts_, column = part % column_parts_;
  return {lines * row / row_parts_, lines * (row + 1) / row_parts_, tiles_ * column / column_parts_,
          tiles_ * (column + 1) / column_parts_};
}

// --- a run ---

/// Dynamic steps: each sample's start of the sums (−z·Σw) and multipliers s·s_w[c].
void GemmPrepared::fill_samples(const Buffers& buffers) {
  const auto columns = int64_t(weights_.columns());
  const SampleColumns own{columns, weights_.bias.data(), weights_.weight_sum.data(),
                          weights_.multiplier.data()};
  const auto* scales = static_cast<const float*>(buffers.inputs[1]);
  const bool affine = x_.type == DataType::kUInt8;
  const auto* zeros = affine ? static_cast<const int32_t*>(buffers.inputs[2]) : nullptr;
  parallel_for(samples_, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t s = begin; s < end; ++s) {
      const int32_t zero = affine ? zeros[s] : 0;
      fill_sample_table(own, scales[s], zero, sample_bias_ + s * columns,
                        sample_scale_ + s * columns);
      sample_zero_[size_t(s)] = static_cast<uint8_t>(zero);
    }
  });
}

void GemmPrepared::copy_images(const Buffers& buffers, int64_t first_image, int64_t images) const {
  const auto* x =
      static_cast<const uint8_t*>(buffers.inputs[0]) + first_image * g_.h * g_.w * g_.pixel;
  const int64_t line = source_.w * source_.cut.pixel;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, line));
  const int64_t plane = source_.plane_bytes(images_at_once_);
  parallel_for(images * source_.h, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = first_image + i / source_.h;
      const uint8_t zero =
          step_.dynamic && sample_is_image() ? sample_zero_[size_t(image)] : uint8_t(x_.zero_point);
      source_.copy_line(x, i, zero, copies_, plane);
    }
  });
}

/// Makes one column tile of lines [first_line, last_line), counted from `first_image` on.
void GemmPrepared::run_tile(const Buffers& buffers, int64_t first_image, int64_t tile,
                            int64_t first_line, int64_t last_line) const {
  const int64_t group_out = step_.out_channels / step_.groups;
  const int64_t group = tile / weights_.tiles_per_group, in_group = tile % weights_.tiles_per_group;
  const int64_t channel = group * group_out + in_group * weights_.kernel.nr;
  const int64_t packed = tile * weights_.kernel.nr, pixels = g_.out_h * g_.out_w;
  const auto* x = source_.copies ? copies_
                                 : static_cast<const uint8_t*>(buffers.inputs[0]) +
                                       first_image * source_.image();
  x += group * (step_.in_channels / step_.groups);
  const bool cut = in_group == weights_.tiles_per_group - 1 && routines_[1] != nullptr;
  GemmCall call{};
  call.weights = weights_.packed.data() + tile * weights_.tile_bytes;
  if (weights_.variant.chained) {
    call.steps = steps_.data() + tile * (weights_.tile_bytes / (4 * weights_.kernel.nr));
    call.chains = weights_.chains.data() + tile * kGemmChains;
  }
  call.bias = weights_.bias.data() + packed;
  call.scale = weights_.multiplier.data() + packed;
  if (step_.dynamic) call.addend = weights_.addend.data() + packed;
  for (int64_t l = first_line; l < last_line; ++l) {
    const int64_t image = l / lines_an_image_, in_image = l % lines_an_image_;
    const Line& line = in_image == lines_an_image_ - 1 ? last_line_ : line_;
    for (const Part& part : line.parts) {
      const int64_t pixel = in_image * rows_a_line_ + part.first_row;
      const int64_t row = (first_image + image) * pixels + pixel;
      call.x = x + image * source_.image() + source_.row_offset(pixel / g_.out_w, pixel % g_.out_w);
      call.tiles = part.tiles;
      if (step_.dynamic) {
        const int64_t sample = sample_is_image() ? first_image + image : row;
        call.bias = sample_bias_ + sample * int64_t(weights_.columns()) + packed;
        call.scale = sample_scale_ + sample * int64_t(weights_.columns()) + packed;
      }
      call.out = static_cast<uint8_t*>(buffers.outputs[0]) + row * out_stride_ +
                 channel * (bytes_ ? 1 : 4);
      if (step_.residual) {
        call.residual =
            static_cast<const uint8_t*>(buffers.inputs[1]) + row * residual_stride_ + channel;
      }
      const Routine& routine = *routines_[part.routine + (cut ? 1 : 0)];
      routine.function(routine.shape, call);
    }
  }
}

void GemmPrepared::run(const Buffers& buffers) {
  auto* workspace = static_cast<uint8_t*>(buffers.workspace);
  const Tables tables = tables_of(step_, x_, weights_.kernel.nr);
  sample_bias_ = reinterpret_cast<int32_t*>(workspace);
  sample_scale_ = reinterpret_cast<float*>(workspace + tables.bias);
  copies_ = workspace + tables.bias + tables.scale;
  if (step_.dynamic) fill_samples(buffers);
  for (int64_t first = 0; first < g_.n; first += images_at_once_) {
    const int64_t images = std::min(images_at_once_, g_.n - first);
    if (source_.copies) copy_images(buffers, first, images);
    const int64_t lines = images * lines_an_image_;
    parallel_for(row_parts_ * column_parts_, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t part = begin; part < end; ++part) {
        const Share share = share_of(part, lines);
        for (int64_t l = share.first_line; l < share.last_line; l += block_lines_) {
          const int64_t stop = std::min(share.last_line, l + block_lines_);
          for (int64_t tile = share.first_tile; tile < share.last_tile; ++tile) {
            run_tile(buffers, first, tile, l, stop);
          }
        }
      }
    });
  }
}

}  // namespace octile
