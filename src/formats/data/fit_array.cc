// See fit_array.h. Equal volumes alone prove nothing: a channels-last array has its input's.
#include "formats/data/fit_array.h"

#include <cstring>
#include <optional>

#include "base/error.h"

namespace octile {
namespace {

bool fits(const Shape& shape, const Shape& input) {
  if (shape.rank() != input.rank()) return false;
  for (int axis = 1; axis < input.rank(); ++axis) {
    if (input[axis] != kDynamic && input[axis] != shape[axis]) return false;
  }
  return true;
}

/// (N, C, H, W) seen channels-last, or the other way round.
Shape channels_moved(const Shape& s, bool to_last) {
  return to_last ? Shape{s[0], s[2], s[3], s[1]} : Shape{s[0], s[3], s[1], s[2]};
}

Tensor channels_to_front(const Tensor& from) {
  const Shape& s = from.shape();
  const int64_t samples = s[0], pixels = s[1] * s[2], channels = s[3];
  const size_t size = size_of(from.type());
  Tensor to(from.type(), channels_moved(s, false));
  for (int64_t n = 0; n < samples; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        const auto at = static_cast<size_t>((n * channels + c) * pixels + p);
        const auto source = static_cast<size_t>((n * pixels + p) * channels + c);
        std::memcpy(to.as<std::byte>() + at * size, from.as<std::byte>() + source * size, size);
      }
    }
  }
  return to;
}

/// The input's shape if the samples are flat, or the input is: only the volumes must agree.
std::optional<Shape> reshaped_flat(const Shape& own, const Shape& input) {
  if (own.rank() == input.rank() || (own.rank() > 2 && input.rank() > 2)) return std::nullopt;
  int64_t volume = 1, wanted = 1;
  for (int axis = 1; axis < own.rank(); ++axis) volume *= own[axis];
  for (int axis = 1; axis < input.rank(); ++axis) {
    if (input[axis] == kDynamic) return std::nullopt;
    wanted *= input[axis];
  }
  if (volume != wanted) return std::nullopt;
  Shape shape = input;
  shape[0] = own[0];
  return shape;
}

/// The input's shape if it differs by axes of extent 1 alone.
std::optional<Shape> reshaped_by_ones(const Shape& own, const Shape& input) {
  Shape shape = input;
  shape[0] = own[0];
  int at = 1;
  for (int axis = 1; axis < input.rank(); ++axis) {
    if (input[axis] == 1) continue;
    while (at < own.rank() && own[at] == 1) ++at;
    if (at == own.rank() || (input[axis] != kDynamic && input[axis] != own[at])) {
      return std::nullopt;
    }
    shape[axis] = own[at++];
  }
  while (at < own.rank() && own[at] == 1) ++at;
  return at == own.rank() ? std::optional(shape) : std::nullopt;
}

/// What to do about an array whose axes are in the other order, or "".
std::string advice(const Shape& own, const Shape& input) {
  if (own.rank() != 4 || input.rank() != 4) return "; reshape them";
  if (fits(channels_moved(own, false), input)) {
    return "; they look channels-last: say --preprocess layout=nhwc, or save them transposed by "
           "(0, 3, 1, 2)";
  }
  if (fits(channels_moved(own, true), input)) {
    return "; they look channels-first, the input is channels-last: save them transposed by "
           "(0, 2, 3, 1)";
  }
  return "; resize or reshape them";
}

}  // namespace

bool fit_array(Tensor& rows, const Shape& input, bool channels_last, const std::string& origin) {
  const Shape own = rows.shape();
  if (input.empty() || fits(own, input)) return true;
  if (const auto flat = reshaped_flat(own, input)) {
    rows = rows.reshaped(*flat);
    return input.rank() == 4 && channels_last;  // the axes are the input's, as `layout` says
  }
  if (const auto shape = reshaped_by_ones(own, input)) {
    rows = rows.reshaped(*shape);
    return false;
  }
  if (channels_last && own.rank() == 4 && fits(channels_moved(own, false), input)) {
    rows = channels_to_front(rows);
    return false;
  }
  fail(ErrorCode::kInvalidArgument, "{}: samples of shape {} do not fit the input {}{}", origin,
       own.to_string(), input.to_string(), advice(own, input));
}

}  // namespace octile
