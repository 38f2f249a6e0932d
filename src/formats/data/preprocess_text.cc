// Preprocess ↔ text: the command line's key=value list, and JSON.
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/error.h"
#include "octile/data.h"

namespace octile {
namespace {

using Json = nlohmann::json;

constexpr std::pair<std::string_view, Preprocess::Fit> kFits[] = {
    {"none", Preprocess::Fit::kNone},
    {"stretch", Preprocess::Fit::kStretch},
    {"crop", Preprocess::Fit::kCropCenter},
    {"letterbox", Preprocess::Fit::kLetterbox}};
constexpr std::pair<std::string_view, Preprocess::Color> kColors[] = {
    {"as-is", Preprocess::Color::kAsIs},
    {"rgb", Preprocess::Color::kRgb},
    {"bgr", Preprocess::Color::kBgr},
    {"gray", Preprocess::Color::kGray}};
constexpr std::pair<std::string_view, Preprocess::Layout> kLayouts[] = {
    {"nchw", Preprocess::Layout::kNchw}, {"nhwc", Preprocess::Layout::kNhwc}};

template <typename T, size_t N>
T pick(const std::pair<std::string_view, T> (&table)[N], std::string_view key,
       std::string_view value) {
  std::string known;
  for (const auto& [name, entry] : table) {
    if (name == value) return entry;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  }
  fail(ErrorCode::kInvalidArgument, "preprocess: {} '{}' is unknown; use one of {}", key, value,
       known);
}

template <typename T, size_t N>
std::string name_in(const std::pair<std::string_view, T> (&table)[N], T value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return std::string(name);
  }
  return "";
}

float number(std::string_view key, std::string_view text) {
  float value = 0.0f;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check(error == std::errc{} && at == text.data() + text.size() && std::isfinite(value),
        ErrorCode::kInvalidArgument, "preprocess: {} '{}' is no number", key, text);
  return value;
}

/// "0.0078125" or "1/255": a fraction keeps its divisor, so that x / 255 is one division.
void set_scale(Preprocess& p, std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    p.scale = number("scale", text);
    p.divisor = 0.0f;
    return;
  }
  const float top = number("scale", text.substr(0, slash));
  const float bottom = number("scale", text.substr(slash + 1));
  check(bottom != 0.0f, ErrorCode::kInvalidArgument, "preprocess: scale '{}' divides by zero",
        text);
  p.scale = top / bottom;
  p.divisor = top == 1.0f ? bottom : 0.0f;
}

std::vector<float> numbers(std::string_view key, std::string_view text) {
  std::vector<float> list;
  while (true) {
    const size_t colon = text.find(':');
    list.push_back(number(key, text.substr(0, colon)));
    if (colon == std::string_view::npos) return list;
    text.remove_prefix(colon + 1);
  }
}

void set_size(Preprocess& p, std::string_view text) {
  const size_t x = text.find('x');
  check(x != std::string_view::npos, ErrorCode::kInvalidArgument,
        "preprocess: size '{}' is not HEIGHTxWIDTH", text);
  const float h = number("size", text.substr(0, x)), w = number("size", text.substr(x + 1));
  check(h >= 1 && w >= 1 && h <= 65536 && w <= 65536 && h == std::floor(h) && w == std::floor(w),
        ErrorCode::kInvalidArgument, "preprocess: size '{}' is out of range", text);
  p.height = int64_t(h);
  p.width = int64_t(w);
}

void set_resize(Preprocess& p, std::string_view text) {
  const float side = number("resize", text);
  check(side >= 1 && side <= 65536 && side == std::floor(side), ErrorCode::kInvalidArgument,
        "preprocess: resize '{}' is no short side in pixels", text);
  p.resize = int64_t(side);
}

/// Keys that only make sense together.
Preprocess checked(Preprocess p) {
  check(p.resize == 0 || p.fit == Preprocess::Fit::kCropCenter, ErrorCode::kInvalidArgument,
        "preprocess: resize={} is the short side before a crop; add fit=crop, or give size=HxW",
        p.resize);
  return p;
}

void set_key(Preprocess& p, std::string_view key, std::string_view value) {
  if (key == "fit") {
    p.fit = pick(kFits, key, value);
  } else if (key == "size") {
    set_size(p, value);
  } else if (key == "resize") {
    set_resize(p, value);
  } else if (key == "color") {
    p.color = pick(kColors, key, value);
  } else if (key == "layout") {
    p.layout = pick(kLayouts, key, value);
  } else if (key == "scale") {
    set_scale(p, value);
  } else if (key == "mean") {
    p.mean = numbers(key, value);
  } else if (key == "std") {
    p.std = numbers(key, value);
    for (float s : p.std) {
      check(s != 0.0f, ErrorCode::kInvalidArgument, "preprocess: std must not be 0");
    }
  } else if (key == "letterbox_value") {
    p.letterbox_value = number(key, value);
  } else if (key == "letterbox") {
    check(value == "center" || value == "top-left", ErrorCode::kInvalidArgument,
          "preprocess: letterbox '{}' is unknown; use center or top-left", value);
    p.letterbox_center = value == "center";
  } else {
    fail(ErrorCode::kInvalidArgument,
         "preprocess: key '{}' is unknown; the keys are fit, size, resize, letterbox, "
         "letterbox_value, "
         "color, scale, mean, std, layout",
         key);
  }
}

std::string shortest(float value) { return fmt::format("{}", value); }

std::string joined(const std::vector<float>& list) {
  std::string text;
  for (float v : list) text += (text.empty() ? "" : ":") + shortest(v);
  return text;
}

}  // namespace

Preprocess Preprocess::parse(const std::string& text) {
  if (text.find('=') == std::string::npos) return from_json(read_file(text));
  Preprocess p;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view entry(text.data() + begin, end - begin);
    begin = end + 1;
    const size_t equals = entry.find('=');
    check(equals != std::string_view::npos, ErrorCode::kInvalidArgument,
          "preprocess: '{}' is not key=value", entry);
    set_key(p, entry.substr(0, equals), entry.substr(equals + 1));
  }
  return checked(std::move(p));
}

/// Values are strings in the command line's form, so that both forms mean the same.
std::string Preprocess::to_json() const {
  Json json = {{"fit", name_in(kFits, fit)},
               {"color", name_in(kColors, color)},
               {"layout", name_in(kLayouts, layout)},
               {"scale", divisor != 0.0f ? "1/" + shortest(divisor) : shortest(scale)}};
  if (height > 0) json["size"] = fmt::format("{}x{}", height, width);
  if (resize > 0) json["resize"] = fmt::format("{}", resize);
  if (!mean.empty()) json["mean"] = joined(mean);
  if (!std.empty()) json["std"] = joined(std);
  if (fit == Fit::kLetterbox) {
    json["letterbox"] = letterbox_center ? "center" : "top-left";
    json["letterbox_value"] = shortest(letterbox_value);
  }
  return json.dump();
}

Preprocess Preprocess::from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  check(json.is_object(), ErrorCode::kInvalidFile, "preprocess: not a JSON object");
  Preprocess p;
  for (const auto& [key, value] : json.items()) {
    std::string flat;
    if (value.is_string()) {
      flat = value.get<std::string>();
    } else if (value.is_number()) {
      flat = value.dump();
    } else if (value.is_array()) {
      for (const auto& entry : value) {
        check(entry.is_number(), ErrorCode::kInvalidFile, "preprocess: '{}' holds no numbers", key);
        flat += (flat.empty() ? "" : key == "size" ? "x" : ":") + entry.dump();
      }
    } else {
      fail(ErrorCode::kInvalidFile, "preprocess: '{}' is neither text, number nor list", key);
    }
    set_key(p, key, flat);
  }
  return checked(std::move(p));
}

}  // namespace octile
