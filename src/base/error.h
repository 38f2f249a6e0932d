// The only two ways to raise an error. Messages name the place and say what to do.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "octile/types.h"

namespace octile {

[[noreturn]] inline void fail(ErrorCode code, const std::string& message) {
  throw Error(code, message);
}

template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Raises `code` unless `condition` holds. The message is formatted only when it fails.
template <typename... Args>
void check(bool condition, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]]
    fail(code, format, std::forward<Args>(args)...);
}

}  // namespace octile
