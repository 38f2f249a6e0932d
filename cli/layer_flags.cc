// See layer_flags.h.
#include "layer_flags.h"

#include <fmt/format.h>

namespace octile::cli {
namespace {

std::pair<std::string, std::string> split_at_last(const std::string& text, char mark,
                                                  const char* what, const char* form) {
  const size_t at = text.rfind(mark);
  if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
    throw CLI::ValidationError(fmt::format("{} '{}' is not {}", what, text, form));
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

float to_float(const std::string& text, const std::string& what) {
  size_t used = 0;
  float value = 0.0f;
  try {
    value = std::stof(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || text.empty()) {
    throw CLI::ValidationError(fmt::format("{}: '{}' is no number", what, text));
  }
  return value;
}

/// Names of layers or tensors are the model's, else a typing error would change nothing silently.
[[noreturn]] void unknown_name(const char* flag, const char* kind, const std::string& name,
                               const std::vector<std::string>& known) {
  throw CLI::ValidationError(
      fmt::format("{} names {} '{}', which the model does not have; it has {}; `octile inspect "
                  "MODEL` lists all",
                  flag, kind, name, quoted(known)));
}

/// The layers that `text` means: one, or all parts of a fused one as `inspect` shows it on a plan
/// ("conv + relu").
std::vector<std::string> layers_named(const Network& network, const std::string& text,
                                      const char* flag) {
  if (network.find_layer(text)) return {text};
  std::vector<std::string> names = split(text, " + ");
  for (const std::string& name : names) {
    if (network.find_layer(name)) continue;
    std::vector<std::string> known;
    for (const LayerId layer : network.layers()) {
      const bool constant = std::holds_alternative<Constant>(network.op(layer));
      if (!constant) known.push_back(network.name(layer));
    }
    unknown_name(flag, "layer", name, known);
  }
  return names;
}

/// What the build of a plan chose.
std::map<std::string, Precision> precisions_from(const std::string& file, const Network& network) {
  const Plan plan = Plan::load(file);
  try {
    return chosen_precisions(plan, network);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("--precision-from {}: {}", file, error.what()));
  }
}

}  // namespace

void LayerFlags::add(CLI::App& command) {
  command.add_option("--precision", precisions,
                     "LAYER=float32|float16|int8, repeatable; a fused layer as `inspect` shows it\n"
                     "(\"conv + relu\") means all its parts");
  command.add_option("--range", ranges, "TENSOR=MIN:MAX, beats the calibrator, repeatable");
  command.add_option("--disable-pass", disabled, "Name of a graph pass, repeatable")
      ->check(CLI::IsMember(pass_names()));
}

void LayerFlags::apply_ranges(Network& network) const {
  for (const std::string& entry : ranges) {
    constexpr const char* kForm = "TENSOR=MIN:MAX";
    const auto [name, value] = split_at_last(entry, '=', "--range", kForm);
    if (value.find(':') == std::string::npos) {
      throw CLI::ValidationError(fmt::format("--range '{}' is not {}", entry, kForm));
    }
    const auto [low, high] = split_at_last(value, ':', "--range", "MIN:MAX");
    const Range range{to_float(low, "--range"), to_float(high, "--range")};
    const auto tensor = network.find_tensor(name);
    if (!tensor) {
      std::vector<std::string> known;
      for (int32_t i = 0; i < network.tensor_count(); ++i) {
        const TensorId id{i};
        const bool ranged = network.alive(id) && network.constant_value(id) == nullptr;
        if (ranged) known.push_back(network.name(id));
      }
      unknown_name("--range", "tensor", name, known);
    }
    usage_of("--range", [&] { network.set_dynamic_range(*tensor, range); });
  }
}

void LayerFlags::set(BuildOptions& options, const Network& network) const {
  options.disabled_passes = disabled;
  if (!precision_from.empty()) {
    options.group_precision = precisions_from(precision_from, network);
  }
  for (const std::string& entry : precisions) {
    const auto [name, value] =
        split_at_last(entry, '=', "--precision", "LAYER=float32|float16|int8");
    const Precision precision =
        usage_of("--precision", [&, v = value] { return precision_from_name(v); });
    if (precision == Precision::kInt8 && !options.int8) {
      throw CLI::ValidationError(fmt::format("--precision {} needs --int8", entry));
    }
    if (precision == Precision::kFloat16 && !options.fp16) {
      throw CLI::ValidationError(fmt::format("--precision {} needs --fp16", entry));
    }
    for (const std::string& layer : layers_named(network, name, "--precision")) {
      options.layer_precision[layer] = precision;
    }
  }
  for (const std::string& entry : schemes) {
    const auto [name, value] = split_at_last(entry, '=', "--layer-scheme", "LAYER=SCHEME");
    const Scheme scheme =
        usage_of("--layer-scheme", [&, v = value] { return scheme_from_name(v); });
    for (const std::string& layer : layers_named(network, name, "--layer-scheme")) {
      options.layer_scheme[layer] = scheme;
    }
  }
}

}  // namespace octile::cli
