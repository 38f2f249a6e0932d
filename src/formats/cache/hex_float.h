// What the two cache forms share.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace octile {

/// One to eight hex digits as the bits of a float; nullopt for anything else.
std::optional<float> float_from_hex(std::string_view digits);

}  // namespace octile
