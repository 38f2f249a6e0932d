// The driver of the depthwise kernels: which rows, which channels, on which thread.
//
// A task is a band of output rows of one image × a few channels. A call is described by pointers to
// the input rows it interleaves: rows outside the image point to a row of z_x, so that no image is
// copied; columns outside are the kernel's business. Only rows of fewer than 16 channels are copied
// (depthwise_stage.h).
#include "kernels/cpu/depthwise_prepared.h"

#include <algorithm>
#include <cstring>

#include "base/parallel_for.h"
#include "base/round_up.h"
#include "kernels/cpu/sample_table.h"

namespace octile {
namespace {

constexpr int64_t kColumnBytes = 20 << 10;  // interleaved columns in flight: with the weights and
                                            // the rows that come in they fit the level-1 cache
constexpr int64_t kGrain = 24 << 10;        // outputs that are worth a thread's while: ~2 µs

/// Input columns of `count` windows.
int64_t columns_of(const Window& w, const DepthwiseCut& cut, int64_t count) {
  return (count - 1) * cut.stride + (w.kernel[1] - 1) * w.dilation[1] + 1;
}

int64_t column_bytes(const DepthwiseCut& cut) { return cut.groups() * 4 * cut.register_bytes; }

/// Output columns of one block: four or more, in fours.
int64_t block_columns(const Window& w, const DepthwiseCut& cut) {
  int64_t count = 4;
  while (columns_of(w, cut, count + 4) * column_bytes(cut) <= kColumnBytes) count += 4;
  return count;
}

/// The parts of the workspace, in bytes.
struct Regions {
  int64_t columns, in, out;                 // of a thread: scratch, pointers to rows
  int64_t staged_in, staged_out, residual;  // of a thread: copied rows
  int64_t bias, scale, padding;             // of dynamic steps: all samples
  int64_t thread() const { return columns + in + 2 * out + staged_in + staged_out + residual; }
};

std::optional<DepthwiseStage> stage_of(const Geometry& g, const DepthwiseCut& cut,
                                       const PlanTensor& y) {
  if (cut.staged == 0) return std::nullopt;
  return DepthwiseStage(g, cut, is_8bit(y) ? 1 : 4);
}

Regions regions_of(const ConvStep& step, const Shape& x, const DepthwiseCut& cut,
                   const std::optional<DepthwiseStage>& stage) {
  constexpr int64_t kPointers = kDepthwiseLanes * int64_t{sizeof(void*)};
  Regions r{};
  r.columns = columns_of(step.window, cut, block_columns(step.window, cut)) * column_bytes(cut);
  r.in = aligned(cut.groups() * 4 * kPointers);
  r.out = aligned(kDepthwiseRows * kPointers);
  if (stage) {
    r.staged_in = aligned(stage->in_bytes());
    r.staged_out = aligned(stage->out_bytes());
    if (step.residual) r.residual = aligned(stage->residual_bytes());
  }
  if (!step.dynamic) return r;
  r.bias = r.scale = aligned(x[0] * cut.entries * 4);
  r.padding = aligned(x[0] * x[1] * x[x.rank() - 1]);
  return r;
}

}  // namespace

/// A thread's scratch: interleaved columns, and pointers of a call with what they describe.
struct DepthwisePrepared::Rows {
  Rows(const Regions& r, uint8_t* workspace)
      : columns(workspace),
        in(reinterpret_cast<const uint8_t**>(columns + r.columns)),
        out(reinterpret_cast<uint8_t**>(columns + r.columns + r.in)),
        residual(reinterpret_cast<const uint8_t**>(columns + r.columns + r.in + r.out)),
        staged_in(columns + r.columns + r.in + 2 * r.out),
        staged_out(staged_in + r.staged_in),
        staged_residual(staged_out + r.staged_out) {}
  uint8_t* columns;
  const uint8_t** in;        // [slot][lane]
  uint8_t** out;             // [out_rows][lane]
  const uint8_t** residual;  // the same
  uint8_t *staged_in, *staged_out, *staged_residual;
  int64_t image = -1, first = -1;
  int lanes = 0;
};

size_t DepthwisePrepared::workspace_bytes(const StepView& view, const DepthwiseCut& cut,
                                          const Device& device) {
  const ConvStep& step = *view.as<ConvStep>();
  const Geometry g = geometry_of(step, view.inputs[0], view.outputs[0]);
  const Regions r = regions_of(step, view.inputs[0].shape, cut, stage_of(g, cut, view.outputs[0]));
  return static_cast<size_t>(r.thread() * device.threads + r.bias + r.scale + r.padding);
}

DepthwisePrepared::DepthwisePrepared(const StepView& view, const DepthwiseWeights& weights,
                                     const Device& device)
    : step_(*view.as<ConvStep>()),
      g_(geometry_of(step_, view.inputs[0], view.outputs[0])),
      x_(view.inputs[0]),
      weights_(weights),
      threads_(device.threads),
      stage_(stage_of(g_, weights.cut, view.outputs[0])),
      block_(block_of(view)),
      band_(weights.cut.out_rows) {
  const auto& chunks = weights.cut.chunks;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const bool overlaps = i > 0 && chunks[i].channel < chunks[i - 1].channel + chunks[i - 1].n;
    if (!overlaps) units_.push_back(i);
    band_ = std::max(band_, weights.cut.out_rows * chunks[i].kernel->lanes);
  }
  units_.push_back(chunks.size());
  if (!step_.dynamic) {
    padding_.assign(size_t(g_.w * g_.pixel), static_cast<uint8_t>(x_.zero_point));
  }
}

DepthwiseBlock DepthwisePrepared::block_of(const StepView& view) const {
  const PlanTensor& y = view.outputs[0];
  const bool bytes = is_8bit(y);
  const Clamp& clamp = step_.clamp;
  DepthwiseBlock b{};
  b.pixel = g_.pixel;
  b.width = g_.w;
  b.left = g_.pad_left;
  b.padding = static_cast<uint8_t>(x_.zero_point);
  b.groups = weights_.cut.groups();
  b.kernel = g_.kernel_w;
  b.stride = weights_.cut.stride;
  b.dilation = g_.dilation_w;
  b.out_rows = weights_.cut.out_rows;
  b.floats = !bytes;
  b.out_pixel = y.row_stride > 0 ? y.row_stride : g_.c * (bytes ? 1 : 4);
  b.out_width = g_.out_w;
  b.zero = y.zero_point;
  b.lo = bytes ? float(clamp.q_lo - y.zero_point) : clamp.lo;
  b.hi = bytes ? float(clamp.q_hi - y.zero_point) : clamp.hi;
  // Signed outputs that may be negative are made as y + 128.
  const bool flips = y.type == DataType::kInt8 && clamp.q_lo < 0;
  const int32_t up = flips ? 128 : 0;
  b.plain_zero = static_cast<int16_t>(y.zero_point + up);
  b.plain_lo = static_cast<uint8_t>(clamp.q_lo + up);
  b.plain_hi = static_cast<uint8_t>(clamp.q_hi + up);
  b.plain_flip = flips ? 0x80 : 0;
  if (step_.residual) {
    b.residual_signed = view.inputs[1].type == DataType::kInt8;
    b.residual_zero = view.inputs[1].zero_point;
    b.residual_multiplier = step_.residual_multiplier;
  }
  b.block_columns = block_columns(step_.window, weights_.cut);
  if (stage_) {  // padding is copied too
    b.pixel = weights_.cut.staged;
    b.width = stage_->in_line();
    b.left = 0;
    b.out_width = stage_->out_columns();
    b.out_pixel = stage_->out_line() / b.out_width;
  }
  return b;
}

/// Dynamic steps: each sample's start of the sums (−z·Σw), multipliers s·s_w[c] and row of z.
void DepthwisePrepared::fill_samples(const Buffers& buffers) {
  const int64_t entries = weights_.cut.entries, row = g_.w * g_.c;
  const SampleColumns own{entries, weights_.bias.data(), weights_.weight_sum.data(),
                          weights_.multiplier.data()};
  const auto* scales = static_cast<const float*>(buffers.inputs[1]);
  const bool affine = x_.type == DataType::kUInt8;
  const auto* zeros = affine ? static_cast<const int32_t*>(buffers.inputs[2]) : nullptr;
  parallel_for(g_.n, std::max<int64_t>(1, (1 << 12) / entries),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t s = begin; s < end; ++s) {
                   const int32_t zero = affine ? zeros[s] : 0;
                   fill_sample_table(own, scales[s], zero, sample_bias_ + s * entries,
                                     sample_scale_ + s * entries);
                   std::memset(sample_padding_ + s * row, zero, static_cast<size_t>(row));
                 }
               });
}

/// Pointers of the call that starts at output row `first`.
void DepthwisePrepared::fill_rows(const Buffers& buffers, int64_t image, int64_t first, int lanes,
                                  Rows& rows) const {
  if (rows.image == image && rows.first == first && rows.lanes == lanes) return;
  const DepthwiseCut& cut = weights_.cut;
  const int64_t line = g_.w * g_.pixel, out_line = g_.out_w * block_.out_pixel;
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]) + image * g_.h * line;
  const uint8_t* outside = step_.dynamic ? sample_padding_ + image * line : padding_.data();
  for (int lane = 0; lane < lanes; ++lane) {
    const int64_t out_row = first + lane * cut.out_rows;
    const uint8_t* used = outside;  // unused slots repeat a row that is in the cache
    for (size_t slot = 0; slot < cut.slots.size(); ++slot) {
      const int64_t row = out_row * g_.stride_h - g_.pad_top + cut.slots[slot];
      if (cut.slots[slot] >= 0) used = row >= 0 && row < g_.h ? x + row * line : outside;
      rows.in[slot * size_t(lanes) + size_t(lane)] = used;
    }
    for (int64_t r = 0; r < cut.out_rows; ++r) {
      const int64_t row = out_row + r < g_.out_h ? out_row + r : first;
      const int64_t at = r * lanes + lane, offset = (image * g_.out_h + row) * out_line;
      rows.out[at] = static_cast<uint8_t*>(buffers.outputs[0]) + offset;
      if (!step_.residual) continue;
      rows.residual[at] = static_cast<const uint8_t*>(buffers.inputs[1]) + offset;
    }
  }
  rows.image = image;
  rows.first = first;
  rows.lanes = lanes;
}

/// Pointers of all calls into copied rows.
void DepthwisePrepared::point_at_stage(Rows& rows) const {
  const DepthwiseCut& cut = weights_.cut;
  const int lanes = cut.chunks.front().kernel->lanes;
  for (int lane = 0; lane < lanes; ++lane) {
    const int64_t top = lane * cut.out_rows * g_.stride_h;
    for (size_t slot = 0; slot < cut.slots.size(); ++slot) {
      const int64_t row = top + std::max<int64_t>(0, cut.slots[slot]);
      rows.in[slot * size_t(lanes) + size_t(lane)] = rows.staged_in + row * stage_->in_line();
    }
    for (int64_t r = 0; r < cut.out_rows; ++r) {
      const int64_t at = r * lanes + lane, row = lane * cut.out_rows + r;
      rows.out[at] = rows.staged_out + row * stage_->out_line();
      rows.residual[at] = rows.staged_residual + row * stage_->residual_line();
    }
  }
}

/// The call for a few channels that starts at output row `first`: copies rows, runs, copies back.
void DepthwisePrepared::run_staged(const Buffers& buffers, DepthwiseFunction function,
                                   const DepthwiseBlock& b, int64_t image, int64_t first,
                                   const Rows& rows) const {
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]) + image * g_.h * g_.w * g_.c;
  stage_->copy_in(x, first, b.padding, rows.staged_in);
  const int64_t line = g_.out_w * g_.c, top = image * g_.out_h + first;
  const int64_t count = std::min(band_, g_.out_h - first);
  for (int64_t row = 0; row < count && step_.residual; ++row) {
    const auto* from = static_cast<const uint8_t*>(buffers.inputs[1]) + (top + row) * line;
    stage_->copy_residual(from, rows.staged_residual + row * stage_->residual_line());
  }
  function(b);
  auto* y = static_cast<uint8_t*>(buffers.outputs[0]) + top * line * (b.floats ? 4 : 1);
  for (int64_t row = 0; row < count; ++row) {
    stage_->copy_out(rows.staged_out + row * stage_->out_line(),
                     y + row * line * (b.floats ? 4 : 1));
  }
}

/// One chunk's channels in the band of rows that starts at `first`.
void DepthwisePrepared::run_chunk(const Buffers& buffers, const DepthwiseChunk& chunk,
                                  int64_t image, int64_t first, Rows& rows) const {
  const DepthwiseVariant& variant = chunk.kernel->of(weights_.input);
  const DepthwiseFunction function = weights_.relu_fits    ? variant.relu
                                     : weights_.bytes_fit  ? variant.bytes
                                     : weights_.floats_fit ? variant.floats
                                                           : variant.any;
  const int64_t table = (step_.dynamic ? image * weights_.cut.entries : 0) + chunk.table;
  DepthwiseBlock b = block_;
  b.rows = rows.in;
  b.out = rows.out;
  b.residual = step_.residual ? rows.residual : nullptr;
  b.scratch = rows.columns;
  b.channel = chunk.channel;
  b.weights = weights_.packed.data() + chunk.weights;
  b.bias = (step_.dynamic ? sample_bias_ : weights_.bias.data()) + table;
  b.scale = (step_.dynamic ? sample_scale_ : weights_.multiplier.data()) + table;
  b.offset = weights_.relu_fits ? weights_.offset.data() + table : nullptr;
  b.addend = weights_.addend.empty() ? nullptr : weights_.addend.data() + chunk.table;
  if (step_.dynamic) b.padding = sample_padding_[image * g_.w * g_.c];
  if (stage_) return run_staged(buffers, function, b, image, first, rows);
  const int64_t last = std::min(g_.out_h, first + band_);
  for (int64_t row = first; row < last; row += block_.out_rows * chunk.kernel->lanes) {
    fill_rows(buffers, image, row, chunk.kernel->lanes, rows);
    function(b);
  }
}

void DepthwisePrepared::run(const Buffers& buffers) {
  const Regions regions = regions_of(step_, x_.shape, weights_.cut, stage_);
  auto* workspace = static_cast<uint8_t*>(buffers.workspace);
  if (step_.dynamic) {
    uint8_t* tables = workspace + regions.thread() * threads_;
    sample_bias_ = reinterpret_cast<int32_t*>(tables);
    sample_scale_ = reinterpret_cast<float*>(tables + regions.bias);
    sample_padding_ = tables + regions.bias + regions.scale;
    fill_samples(buffers);
  }
  const auto units = static_cast<int64_t>(units_.size()) - 1;
  const int64_t bands = (g_.out_h + band_ - 1) / band_;
  const int64_t outputs = std::max<int64_t>(1, band_ * g_.out_w * g_.c / units);
  // Channels inside, bands outside: the rows that come in are read from a near cache.
  parallel_for(g_.n * bands * units, std::max<int64_t>(1, kGrain / outputs),
               [&](int64_t begin, int64_t end, int thread) {
                 Rows rows(regions, workspace + regions.thread() * thread);
                 if (stage_) point_at_stage(rows);
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t unit = task % units, band = task / units % bands,
                                 image = task / units / bands;
                   for (size_t i = units_[size_t(unit)]; i < units_[size_t(unit) + 1]; ++i) {
                     run_chunk(buffers, weights_.cut.chunks[i], image, band * band_, rows);
                   }
                 }
               });
}

}  // namespace octile
