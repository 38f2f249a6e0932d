// The table of misc_tactics.h.
#include "kernels/cpu/misc_tactics.h"

#include "kernels/cpu/misc_rows.h"

namespace octile {

std::span<const Tactic* const> misc_tactics() {
  using namespace cpu;
  static const Tactic* const table[] = {
      &kQuantizeAvx512Row, &kQuantizeAvx2Row, &kDequantizeAvx512Row, &kDequantizeAvx2Row,
      &kPoolAvx512Row,     &kPoolAvx2Row,     &kEltwiseAvx512Row,    &kEltwiseAvx2Row,
      &kLookupAvx512Row,   &kLookupAvx2Row,   &kSoftmaxAvx512Row,    &kSoftmaxAvx2Row};
  return table;
}

}  // namespace octile
