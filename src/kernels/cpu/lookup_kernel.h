// The contract of the leaf files lookup_<isa>.cc: a table of 256 bytes applied to an array.
#pragma once

#include <cstdint>

namespace octile {

struct LookupKernel {
  /// y[i] = table[x[i]]. y may be x.
  void (*run)(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* y);
};

extern const LookupKernel kLookupAvx2, kLookupAvx512, kLookupVbmi;

}  // namespace octile
