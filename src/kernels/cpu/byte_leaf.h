// A byte as the number that it stands for: scalar tails. Leaf files alone include this.
#pragma once

#include <cstdint>

namespace octile {
namespace {

template <bool kSigned>
inline int32_t value(uint8_t byte) {
  return kSigned ? int32_t{static_cast<int8_t>(byte)} : int32_t{byte};
}

}  // namespace
}  // namespace octile
