// The table of misc_tactics.h.
#include "kernels/cpu/misc_tactics.h"

#include "kernels/cpu/misc_rows.h"

namespace octile {

std::span<const Tactic* const> misc_tactics() {
#if defined(__x86_64__)
  static const Tactic* const table[] = {&cpu::kQuantizeAvx512Row,     &cpu::kQuantizeAvx2Row,
                                        &cpu::kDequantizeAvx512Row,   &cpu::kDequantizeAvx2Row,
                                        &cpu::kPoolAvx512Row,         &cpu::kPoolAvx2Row,
                                        &cpu::kEltwiseAvx512Row,      &cpu::kEltwiseAvx2Row,
                                        &cpu::kLookupAvx512Row,       &cpu::kLookupAvx2Row,
                                        &cpu::kSoftmaxAvx512Row,      &cpu::kSoftmaxAvx2Row,
                                        &cpu::kSoftmaxFloatAvx512Row, &cpu::kNormalizeAvx512Row,
                                        &cpu::kNormalizeAvx2Row,      &cpu::kMoveRow};
  return table;
#elif defined(__aarch64__)
  static const Tactic* const table[] = {
      &cpu::kQuantizeNeonRow, &cpu::kDequantizeNeonRow, &cpu::kPoolNeonRow, &cpu::kEltwiseNeonRow,
      &cpu::kLookupNeonRow,   &cpu::kSoftmaxNeonRow,    &cpu::kMoveRow};
  return table;
#else
  return {};
#endif
}

}  // namespace octile
