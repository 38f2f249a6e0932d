// The driver of run-time products. An item of work is one column tile of one matrix (and a share of
// its rows where there are few items): its right operand is packed into level 1 as constant weights
// are at build, the sums' start −(z + shift)·Σb falls out of that, and the kernels run over it.
#include "kernels/cpu/matmul_prepared.h"

#include <algorithm>

#include "arithmetic/quantize.h"
#include "base/parallel_for.h"
#include "base/round_up.h"
#include "kernels/cpu/gemm_weights.h"
#include "kernels/cpu/matmul_pack_kernel.h"

namespace octile {
namespace {

constexpr int64_t kMatmulWorthAThread = 1 << 19;  // multiply-adds

int64_t extent(const Shape& shape, int from_end) { return shape[shape.rank() - from_end]; }

int64_t k_of(const MatMulStep& step, const PlanTensor& a) {
  return extent(a.shape, step.op.transpose_a ? 2 : 1);
}

int64_t matrices_of(const Shape& shape) {
  int64_t count = 1;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) count *= shape[axis];
  return count;
}

/// For each matrix of `y`, which one of `x` it is made of.
std::vector<int64_t> broadcast_matrices(const Shape& x, const Shape& y) {
  std::vector<int64_t> which;
  for (int64_t matrix = 0; matrix < matrices_of(y); ++matrix) {
    int64_t rest = matrix, at = 0, step = 1;
    for (int axis = 3; axis <= y.rank(); ++axis) {  // innermost batch axis first
      const int64_t index = rest % extent(y, axis);
      rest /= extent(y, axis);
      if (axis > x.rank()) continue;
      if (extent(x, axis) != 1) at += index * step;
      step *= extent(x, axis);
    }
    which.push_back(at);
  }
  return which;
}

/// Left operands that the kernels cannot read where they lie.
bool needs_copy(const MatMulStep& step, const PlanTensor& a, const GemmVariant& variant) {
  return variant.flip || step.op.transpose_a || k_of(step, a) % 4 != 0;
}

struct Workspace {
  size_t copy = 0, weights = 0, bias = 0;  // bytes; the latter two a thread
};

Workspace workspace_of(const MatMulStep& step, const PlanTensor& a, int64_t m, int64_t nr,
                       bool copies) {
  const int64_t k = round_up(k_of(step, a), 4);
  Workspace w;
  if (copies) w.copy = size_t(round_up(matrices_of(a.shape) * m * k, 64));
  w.weights = size_t(round_up(k * nr, 64));
  w.bias = size_t(nr) * sizeof(int32_t);
  return w;
}

}  // namespace

size_t MatmulPrepared::workspace_bytes(const StepView& view, const GemmKernels& kernels,
                                       const Device& device) {
  const MatMulStep& step = *view.as<MatMulStep>();
  const PlanTensor& a = view.inputs[0];
  int64_t nr = 16;  // smaller shapes may take another kernel than the profile's max
  for (int i = 0; i < kernels.count; ++i) nr = std::max<int64_t>(nr, kernels.list[i].nr);
  const Workspace w = workspace_of(step, a, extent(view.outputs[0].shape, 2), nr, true);
  return w.copy + size_t(device.threads) * (w.weights + w.bias);
}

MatmulPrepared::MatmulPrepared(const StepView& view, const GemmKernels& kernels,
                               const Device& device)
    : step_(*view.as<MatMulStep>()),
      a_(view.inputs[0]),
      b_(view.inputs[1]),
      y_(view.outputs[0]),
      m_(extent(y_.shape, 2)),
      n_(extent(y_.shape, 1)),
      k_(k_of(step_, a_)),
      kernel_(best_gemm_kernel(kernels, m_, k_, n_)),
      variant_(kernel_.of(gemm_input(a_))),
      threads_(device.threads),
      bytes_(is_8bit(y_)),
      copies_(needs_copy(step_, a_, variant_)),
      left_row_(copies_ ? round_up(k_, 4) : k_),
      left_matrix_(m_ * left_row_),
      left_(broadcast_matrices(a_.shape, y_.shape)),
      right_(broadcast_matrices(b_.shape, y_.shape)),
      tiles_((n_ + kernel_.nr - 1) / kernel_.nr),
      row_tiles_((m_ + kernel_.mr - 1) / kernel_.mr),
      larger_tiles_(m_ % row_tiles_),
      smaller_(m_ / row_tiles_),
      multiplier_(size_t(kernel_.nr), step_.multiplier) {
  const int64_t items = int64_t(left_.size()) * tiles_;
  const int64_t work = items * m_ * kernel_.nr * k_;
  const int64_t wanted = std::clamp<int64_t>(work / kMatmulWorthAThread, 1, threads_);
  row_parts_ = std::min((wanted + items - 1) / items, row_tiles_);
  items_ = items * row_parts_;
  const int64_t full = std::min<int64_t>(kernel_.nr, n_), last = n_ - (tiles_ - 1) * kernel_.nr;
  for (const int64_t more : {0, 1}) {
    if (more == 1 && larger_tiles_ == 0) continue;
    routines_[more][0] = make_routine(smaller_ + more, full);
    if (last < full) routines_[more][1] = make_routine(smaller_ + more, last);
  }
}

std::unique_ptr<MatmulPrepared::Routine> MatmulPrepared::make_routine(int64_t rows,
                                                                      int64_t n) const {
  static constexpr int64_t kNoOffset = 0;
  auto routine = std::make_unique<Routine>();
  for (int64_t r = 0; r < rows; ++r) routine->row_offset.push_back(r * left_row_);
  const double largest = 255.0 * 127.0 * double(k_) * double(step_.multiplier);
  routine->shape = {.rows = int(rows),
                    .row_offset = routine->row_offset.data(),
                    .tile_step = rows * left_row_,
                    .segments = 1,
                    .segment_offset = &kNoOffset,
                    .groups = (k_ + 3) / 4,
                    .n = int(n),
                    .floats = !bytes_,
                    .out_stride = n_ * (bytes_ ? 1 : 4),
                    .table_stride = 0,
                    .addend = false,
                    .residual = false,
                    .residual_signed = false,
                    .residual_stride = 0,
                    .residual_zero = 0,
                    .residual_multiplier = 0.0f,
                    .lo = bytes_ ? float(step_.clamp.q_lo - y_.zero_point) : step_.clamp.lo,
                    .hi = bytes_ ? float(step_.clamp.q_hi - y_.zero_point) : step_.clamp.hi,
                    .zero = y_.zero_point,
                    .output_signed = y_.type == DataType::kInt8,
                    .q_lo = step_.clamp.q_lo,
                    .q_hi = step_.clamp.q_hi,
                    .may_leave_int32 = largest > 2147480000.0};
  if (variant_.bytes != nullptr) {
    routine->function = (bytes_ ? variant_.bytes : variant_.floats)[rows - 1];
  } else {
    routine->code = make_avx512vnni_code(routine->shape, kernel_.nr);
    routine->function = routine->code->function();
  }
  return routine;
}

/// Rows of k bytes (and up to 3 more that meet zeros), flipped where the kernels want that.
void MatmulPrepared::copy_left(const Buffers& buffers) const {
  const auto* x = static_cast<const uint8_t*>(buffers.inputs[0]);
  const uint8_t flip = variant_.flip ? 0x80 : 0;
  const int64_t rows = matrices_of(a_.shape) * m_;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / left_row_);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end, int) {
    if (variant_.flip && !step_.op.transpose_a && left_row_ == k_) {
      kMatmulPackAvx2.flip(x + begin * k_, (end - begin) * k_, left_copy_ + begin * k_);
      return;
    }
    for (int64_t r = begin; r < end; ++r) {
      const uint8_t* from = x + (step_.op.transpose_a ? r / m_ * m_ * k_ + r % m_ : r * k_);
      const int64_t step = step_.op.transpose_a ? m_ : 1;
      uint8_t* to = left_copy_ + r * left_row_;
      for (int64_t k = 0; k < k_; ++k) to[k] = static_cast<uint8_t>(from[k * step] ^ flip);
      for (int64_t k = k_; k < left_row_; ++k) to[k] = 0;
    }
  });
}

void MatmulPrepared::pack(const Buffers& buffers, int64_t matrix, int64_t tile,
                          const Scratch& to) const {
  const bool transposed = step_.op.transpose_b;
  const int64_t column = tile * kernel_.nr;
  const auto* b = static_cast<const int8_t*>(buffers.inputs[1]) + right_[size_t(matrix)] * k_ * n_;
  const MatmulPacking packing{.b = b + column * (transposed ? k_ : 1),
                              .stride = transposed ? k_ : n_,
                              .k = k_,
                              .columns = std::min<int64_t>(kernel_.nr, n_ - column),
                              .nr = kernel_.nr,
                              .out = to.weights,
                              .sums = to.bias};
  transposed ? kMatmulPackAvx2.k_side_by_side(packing)
             : kMatmulPackAvx2.columns_side_by_side(packing);
  const auto start = static_cast<uint32_t>(-(a_.zero_point + variant_.shift));
  for (int64_t c = 0; c < packing.columns; ++c) {
    to.bias[c] = static_cast<int32_t>(start * static_cast<uint32_t>(to.bias[c]));  // wraps
  }
}

void MatmulPrepared::run_item(const Buffers& buffers, int64_t item, const Scratch& scratch) const {
  const int64_t part = item % row_parts_, tile = item / row_parts_ % tiles_;
  const int64_t matrix = item / row_parts_ / tiles_;
  pack(buffers, matrix, tile, scratch);
  const uint8_t* x = (copies_ ? left_copy_ : static_cast<const uint8_t*>(buffers.inputs[0])) +
                     left_[size_t(matrix)] * left_matrix_;
  GemmCall call{};
  call.weights = scratch.weights;
  call.bias = scratch.bias;
  call.scale = multiplier_.data();
  const int64_t begin = row_tiles_ * part / row_parts_, end = row_tiles_ * (part + 1) / row_parts_;
  const int64_t between = std::clamp(larger_tiles_, begin, end);
  for (const int64_t more : {1, 0}) {  // tiles with one row more come first
    const int64_t first = more == 1 ? begin : between, stop = more == 1 ? between : end;
    if (first == stop) continue;
    const int64_t row = first * smaller_ + std::min(first, larger_tiles_);
    call.x = x + row * left_row_;
    call.tiles = stop - first;
    call.out = static_cast<uint8_t*>(buffers.outputs[0]) +
               ((matrix * m_ + row) * n_ + tile * kernel_.nr) * (bytes_ ? 1 : 4);
    const auto& [whole, cut] = routines_[more];
    const Routine& routine = tile == tiles_ - 1 && cut != nullptr ? *cut : *whole;
    routine.function(routine.shape, call);
  }
}

void MatmulPrepared::run(const Buffers& buffers) {
  const Workspace w = workspace_of(step_, a_, m_, kernel_.nr, copies_);
  auto* workspace = static_cast<uint8_t*>(buffers.workspace);
  left_copy_ = workspace;
  if (copies_) copy_left(buffers);
  const int64_t work = std::max<int64_t>(1, items_ * (m_ / row_parts_) * kernel_.nr * k_);
  const int64_t parts =
      std::min(std::clamp<int64_t>(work / kMatmulWorthAThread, 1, threads_), items_);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t part = begin; part < end; ++part) {
      uint8_t* own = workspace + w.copy + size_t(part) * (w.weights + w.bias);
      const Scratch scratch{reinterpret_cast<int8_t*>(own),
                            reinterpret_cast<int32_t*>(own + w.weights)};
      const int64_t stop = items_ * (part + 1) / parts;
      for (int64_t item = items_ * part / parts; item < stop; ++item) {
        run_item(buffers, item, scratch);
      }
    }
  });
}

}  // namespace octile
