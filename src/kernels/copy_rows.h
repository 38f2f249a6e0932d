// Rows of bytes from one distance to another: what concatenations copy, and how kernels of flat
// arrays reach tensors that lie in a concatenation's output.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/parallel_for.h"
#include "plan/places.h"

namespace octile {

/// A run of bytes, mostly some channels of a pixel: too short to call memcpy for.
inline void copy_run(void* to, const void* from, int64_t bytes) {
  constexpr int64_t kPiece = 16, kLong = 512;
  auto* y = static_cast<std::byte*>(to);
  const auto* x = static_cast<const std::byte*>(from);
  if (bytes < kPiece || bytes > kLong) {
    std::memcpy(y, x, static_cast<size_t>(bytes));
    return;
  }
  for (int64_t i = 0; i < bytes - kPiece; i += kPiece) std::memcpy(y + i, x + i, kPiece);
  std::memcpy(y + bytes - kPiece, x + bytes - kPiece, kPiece);
}

/// Rows of a length that the compiler knows.
template <int64_t kBytes>
inline void copy_fixed_rows(void* to, int64_t to_step, const void* from, int64_t from_step,
                            int64_t rows) {
  auto* y = static_cast<std::byte*>(to);
  const auto* x = static_cast<const std::byte*>(from);
  for (int64_t r = 0; r < rows; ++r, y += to_step, x += from_step) std::memcpy(y, x, kBytes);
}

inline void copy_rows(void* to, int64_t to_step, const void* from, int64_t from_step, int64_t bytes,
                      int64_t rows) {
  switch (bytes) {
    case 16: return copy_fixed_rows<16>(to, to_step, from, from_step, rows);
    case 24: return copy_fixed_rows<24>(to, to_step, from, from_step, rows);
    case 32: return copy_fixed_rows<32>(to, to_step, from, from_step, rows);
    case 48: return copy_fixed_rows<48>(to, to_step, from, from_step, rows);
    case 64: return copy_fixed_rows<64>(to, to_step, from, from_step, rows);
    case 96: return copy_fixed_rows<96>(to, to_step, from, from_step, rows);
    case 128: return copy_fixed_rows<128>(to, to_step, from, from_step, rows);
    default: break;
  }
  auto* y = static_cast<std::byte*>(to);
  const auto* x = static_cast<const std::byte*>(from);
  for (int64_t r = 0; r < rows; ++r, y += to_step, x += from_step) copy_run(y, x, bytes);
}

/// What an element-wise loop over 8-bit tensors walks: rows of one length, maybe apart.
class FlatRows {
 public:
  explicit FlatRows(const PlanTensor& t) : bytes_(row_bytes(t)), step_(row_step(t)) {}
  bool apart() const { return step_ != bytes_; }
  int64_t bytes() const { return bytes_; }
  /// Where `rows` rows from row `first` on can be read close together: there, or copied to `block`.
  const uint8_t* gather(const void* x, int64_t first, int64_t rows, uint8_t* block) const {
    const auto* from = static_cast<const uint8_t*>(x) + first * step_;
    if (!apart() || rows == 1) return from;
    copy_rows(block, bytes_, from, step_, bytes_, rows);
    return block;
  }
  /// Where they can be written; scatter() brings them to y from there.
  uint8_t* room(void* y, int64_t first, int64_t rows, uint8_t* block) const {
    return apart() && rows > 1 ? block : static_cast<uint8_t*>(y) + first * step_;
  }
  void scatter(const uint8_t* from, void* y, int64_t first, int64_t rows) const {
    auto* to = static_cast<uint8_t*>(y) + first * step_;
    if (from == to) return;
    copy_rows(to, step_, from, bytes_, bytes_, rows);
  }

 private:
  int64_t bytes_, step_;
};

/// A thread's blocks: two inputs and an output, in level 1.
inline constexpr int64_t kRowBlock = 2048;
struct RowBlocks {
  alignas(64) uint8_t a[kRowBlock], b[kRowBlock], y[kRowBlock];
};
inline RowBlocks& row_blocks() {
  static thread_local RowBlocks blocks;
  return blocks;
}

/// Calls f(first, count) for all rows, as many at once as a block holds. Long ones come alone and
/// are handled where they lie.
template <typename F>
void for_row_blocks(int64_t rows, int64_t bytes, F&& f) {
  constexpr int64_t kGrain = 1 << 14;
  const int64_t most = bytes >= kRowBlock / 4 ? 1 : kRowBlock / bytes;
  const int64_t grain = std::max<int64_t>(1, kGrain / bytes);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t first = begin; first < end; first += most) f(first, std::min(most, end - first));
  });
}

}  // namespace octile
