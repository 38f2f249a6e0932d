// The driver of the AMX kernel: where rows lie, which blocks make a task, on which thread.
#include "kernels/cpu/amx_prepared.h"

#include <algorithm>
#include <cstring>

#include "base/cpu.h"
#include "base/parallel_for.h"
#include "base/round_up.h"
#include "kernels/cpu/sample_table.h"

namespace octile {
namespace {

/// Column blocks of 8-bit outputs in a cache line: no two threads should write one.
constexpr int64_t kLineBlocks = 2;

bool is_signed(const PlanTensor& t) { return t.type == DataType::kInt8; }

/// The last block, where it is copied: 32 rows that may be read to the end of their last step.
int64_t last_stride(int64_t channels) { return aligned(channels + kAmxStep); }

int64_t rows_of_sample(const ConvStep& step, const Geometry& g, const PlanTensor& x) {
  return step.rows ? g.n / std::max<int64_t>(1, x.shape[0]) : g.out_h * g.out_w;
}

/// Matrix rows as images: one sample an image, where samples have tables of their own.
Geometry geometry(const ConvStep& step, const StepView& view) {
  Geometry g = geometry_of(step, view.inputs[0], view.outputs[0]);
  if (step.rows && step.dynamic) {
    const int64_t rows = rows_of_sample(step, g, view.inputs[0]);
    g.n = view.inputs[0].shape[0];
    g.h = g.out_h = rows;
  }
  return g;
}

}  // namespace

struct AmxPrepared::Regions {
  size_t sums, last, bias, scale, images;
  size_t all() const { return sums + last + bias + scale + images; }
};

AmxPrepared::Regions AmxPrepared::regions_of(const StepView& view, const Device& device) {
  const ConvStep& step = *view.as<ConvStep>();
  const Geometry g = geometry(step, view);
  const int64_t columns = step.groups * amx_group_blocks(step) * kAmxColumns;
  const int64_t samples = step.dynamic ? g.n : 0;
  return {.sums = size_t(kAmxSumsBytes) * size_t(device.threads),
          .last = size_t(kAmxRows * last_stride(g.c)),
          .bias = size_t(aligned(samples * columns * 4)),
          .scale = size_t(aligned(samples * columns * 4)),
          .images = size_t(aligned(amx_image_bytes(step, g, amx_cut(step))))};
}

size_t AmxPrepared::workspace_bytes(const StepView& view, const Device& device) {
  return regions_of(view, device).all();
}

AmxPrepared::AmxPrepared(const StepView& view, const AmxWeights& weights, const Device& device)
    : step_(*view.as<ConvStep>()),
      g_(geometry(step_, view)),
      x_(view.inputs[0]),
      y_(view.outputs[0]),
      out_row_(y_.row_stride > 0 ? y_.row_stride / int64_t(size_of(y_.type)) : step_.out_channels),
      weights_(weights),
      layout_(amx_layout(step_, g_, weights.cut)),
      threads_(device.threads),
      offsets_(amx_step_offsets(step_, g_, weights.cut, layout_)) {
  const bool floats = y_.type == DataType::kFloat32;
  const auto output = floats          ? AmxOutput::kFloat
                      : is_signed(y_) ? AmxOutput::kSigned
                                      : AmxOutput::kUnsigned;
  auto residual = AmxResidual::kNone;
  if (step_.residual) {
    residual = is_signed(view.inputs[1]) ? AmxResidual::kSigned : AmxResidual::kUnsigned;
    job_.residual_zero = view.inputs[1].zero_point;
    job_.residual_multiplier = step_.residual_multiplier;
  }
  function_ = kAmxKernels.run[is_signed(x_)][int(output)][int(residual)];
  job_.step_offset = offsets_.data();
  job_.steps = weights.cut.steps();
  job_.groups = step_.groups;
  job_.group_blocks = weights.group_blocks;
  job_.group_columns = step_.out_channels / step_.groups;
  job_.group_in = step_.in_channels / step_.groups;
  job_.weights = weights.packed.as<int8_t>();
  job_.group_bytes = weights.group_bytes;
  job_.bias = weights.bias.as<int32_t>();
  job_.scale = weights.scale.as<float>();
  job_.addend = step_.dynamic ? weights.addend.as<float>() : nullptr;
  job_.table_image = step_.dynamic ? weights.columns : 0;
  job_.zero = y_.zero_point;
  job_.q_lo = step_.clamp.q_lo;
  job_.q_hi = step_.clamp.q_hi;
  job_.lo = step_.clamp.lo;
  job_.hi = step_.clamp.hi;
  set_rows();
  set_chunks();
}

/// Rows [first, first + count) of the layout; those from `stop` on, and those over the border
/// between image rows, are written nowhere.
AmxRowBlock AmxPrepared::row_block(int64_t first, int64_t count, int64_t stop) const {
  AmxRowBlock block{.tiles = count > kAmxTileRows ? 2 : 1, .offset = {}};
  for (int64_t r = 0; r < kAmxRows; ++r) {
    const int64_t row = first + r, h = row / layout_.pitch, w = row % layout_.pitch;
    const bool exists = r < count && row < stop && w < g_.out_w;
    block.offset[r] = exists ? int32_t((h * g_.out_w + w) * out_row_) : -1;
  }
  return block;
}

/// Blocks of an image; where images follow each other evenly, every 32 rows count as an image.
void AmxPrepared::set_rows() {
  const bool flat = !step_.dynamic && layout_.is_flat();
  const int64_t rows = flat ? g_.n * layout_.rows : layout_.rows;
  job_.a_stride = layout_.row_bytes;
  job_.a_block = kAmxRows * layout_.row_bytes;
  const int64_t blocks = (rows + kAmxRows - 1) / kAmxRows;
  const int64_t rest = rows - (blocks - 1) * kAmxRows;
  if (flat) {
    // Offsets count from the block's first row, as if the image were one line.
    AmxRowBlock whole{.tiles = 2, .offset = {}};
    for (int64_t r = 0; r < kAmxRows; ++r) whole.offset[r] = int32_t(r * out_row_);
    row_blocks_.push_back(whole);
    last_rows_ = whole;
    last_rows_.tiles = rest > kAmxTileRows ? 2 : 1;
    for (int64_t r = rest; r < kAmxRows; ++r) last_rows_.offset[r] = -1;
    job_.blocks_per_image = 1;
    job_.blocks = blocks;
    job_.a_image = job_.a_block;
    job_.out_image = kAmxRows * out_row_;
  } else {
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t count = b + 1 < blocks ? kAmxRows : rest;
      row_blocks_.push_back(row_block(b * kAmxRows, count, rows));
    }
    last_rows_ = row_blocks_.back();
    job_.blocks_per_image = blocks;
    job_.blocks = g_.n * blocks;
    job_.a_image = layout_.image_bytes;
    job_.out_image = g_.out_h * g_.out_w * out_row_;
  }
  // Whole tiles and steps would be read beyond the tensor: the last block is copied.
  const bool leaves = rest % kAmxTileRows != 0 || g_.c / g_.groups % kAmxStep != 0;
  if (layout_.form == AmxLayout::Form::kAsItIs && leaves) last_count_ = rest;
  job_.last_rows = &last_rows_;
  job_.row_blocks = row_blocks_.data();
}

/// Where few row blocks share the weights, those come from far for much of the time.
void AmxPrepared::set_ahead(int64_t column_blocks, int64_t block_bytes) {
  constexpr int64_t kFew = 16, kLine = 64, kSmall = 128 << 10;
  if (job_.groups > 1 || job_.blocks > kFew || column_blocks * block_bytes < kSmall) return;
  job_.chunk = std::min(job_.chunk, std::max(kLineBlocks, column_blocks / 4));
  job_.ahead = job_.chunk * block_bytes;
  job_.lines_ahead = (2 * kAmxTileBytes / kLine + job_.blocks - 1) / job_.blocks;
  job_.ahead_share = job_.lines_ahead * kLine * job_.steps;
}

/// A task makes one row block × a chunk of columns. Chunks go outside: their weights stay in the
/// cache for all row blocks.
void AmxPrepared::set_chunks() {
  const int64_t column_blocks = job_.groups * job_.group_blocks;
  const int64_t block_bytes = job_.steps * 2 * kAmxTileBytes;
  const auto quarter_l2 = int64_t(l2_bytes() / 4);
  job_.chunk = std::clamp<int64_t>(quarter_l2 / block_bytes, 1, column_blocks);
  if (job_.blocks < 4 * threads_) {  // few rows: threads share the columns instead
    const int64_t share = (column_blocks + 2 * threads_ - 1) / (2 * threads_);
    job_.chunk = std::min(job_.chunk, round_up(std::max<int64_t>(1, share), kLineBlocks));
  }
  set_ahead(column_blocks, block_bytes);
  constexpr int64_t kLevel1 = 16 << 10;  // a third of it, for weights
  job_.stream = job_.chunk * block_bytes > kLevel1;
  tasks_ = (column_blocks + job_.chunk - 1) / job_.chunk * job_.blocks;
  const int64_t cycles = job_.chunk * (64 * job_.steps + 128);
  grain_ = std::max<int64_t>(1, (1 << 14) / cycles);
}

/// Dynamic steps: each sample's start of the sums (−z·Σw) and multipliers s·s_w[c].
void AmxPrepared::fill_samples(const Buffers& buffers, int32_t* bias, float* scale) const {
  const auto* scales = static_cast<const float*>(buffers.inputs[1]);
  const auto* zeros = is_signed(x_) ? nullptr : static_cast<const int32_t*>(buffers.inputs[2]);
  const int64_t columns = weights_.columns;
  const SampleColumns own{columns, weights_.bias.as<int32_t>(), weights_.weight_sum.as<int32_t>(),
                          weights_.scale.as<float>()};
  parallel_for(g_.n, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t s = begin; s < end; ++s) {
      fill_sample_table(own, scales[s], zeros == nullptr ? 0 : zeros[s], bias + s * columns,
                        scale + s * columns);
    }
  });
}

void AmxPrepared::copy_input(const Buffers& buffers, uint8_t* images, uint8_t* last) {
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
  job_.a = x;
  job_.last_a = nullptr;
  if (layout_.form != AmxLayout::Form::kAsItIs) {
    const bool affine = step_.dynamic && !is_signed(x_);
    const int32_t* zeros = affine ? static_cast<const int32_t*>(buffers.inputs[2]) : &x_.zero_point;
    const int64_t grain =
        std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, layout_.pitch * layout_.row_bytes));
    parallel_for(g_.n * layout_.planes * layout_.plane_rows, grain,
                 [&](int64_t begin, int64_t end, int) {
                   amx_copy_images(g_, layout_, x, zeros, affine, begin, end, images);
                 });
    job_.a = images;
  } else if (last_count_ > 0) {
    const int64_t first = g_.n * g_.out_h * g_.out_w - last_count_;
    job_.last_a = last;
    job_.last_stride = last_stride(g_.c);
    for (int64_t r = 0; r < last_count_; ++r) {
      std::memcpy(last + r * job_.last_stride, x + (first + r) * g_.pixel, size_t(g_.c));
    }
  }
}

void AmxPrepared::run(const Buffers& buffers) {
  if (tasks_ == 0) return;
  auto* workspace = static_cast<uint8_t*>(buffers.workspace);
  auto* sums = reinterpret_cast<int32_t*>(workspace);
  uint8_t* at = workspace + size_t(kAmxSumsBytes) * size_t(threads_);
  uint8_t* last = at;
  at += kAmxRows * last_stride(g_.c);
  if (step_.dynamic) {
    auto* bias = reinterpret_cast<int32_t*>(at);
    at += aligned(g_.n * weights_.columns * 4);
    auto* scale = reinterpret_cast<float*>(at);
    at += aligned(g_.n * weights_.columns * 4);
    fill_samples(buffers, bias, scale);
    job_.bias = bias;
    job_.scale = scale;
  }
  job_.out = static_cast<uint8_t*>(buffers.outputs[0]);
  if (step_.residual) job_.residual = static_cast<const uint8_t*>(buffers.inputs[1]);
  copy_input(buffers, at, last);
  parallel_for(tasks_, grain_, [&](int64_t begin, int64_t end, int thread) {
    function_(job_, begin, end, sums + thread * (kAmxSumsBytes / 4));
  });
}

}  // namespace octile
