// The rows of misc_tactics.cc, one file a family, and what the families share.
#pragma once

#include <algorithm>

#include "kernels/function_tactic.h"

namespace octile::cpu {

extern const FunctionTactic kQuantizeAvx2Row, kQuantizeAvx512Row, kDequantizeAvx2Row,
    kDequantizeAvx512Row, kPoolAvx2Row, kPoolAvx512Row, kEltwiseAvx2Row, kEltwiseAvx512Row,
    kLookupAvx2Row, kLookupAvx512Row, kSoftmaxAvx2Row, kSoftmaxAvx512Row, kSoftmaxFloatAvx512Row,
    kNormalizeAvx2Row, kNormalizeAvx512Row, kMoveRow;
extern const FunctionTactic kQuantizeNeonRow, kDequantizeNeonRow, kPoolNeonRow, kEltwiseNeonRow,
    kLookupNeonRow, kSoftmaxNeonRow;

/// Elements of a flat loop that are worth a thread's while: some microseconds of work, and whole
/// cache lines.
inline constexpr int64_t kFlatGrain = 1 << 14;

/// Items of which each handles `bytes` bytes, for the same purpose.
inline int64_t grain_of(int64_t bytes) {
  return std::max<int64_t>(1, kFlatGrain / std::max<int64_t>(1, bytes));
}

inline bool takes_rows_apart(const StepView&) { return true; }

}  // namespace octile::cpu
