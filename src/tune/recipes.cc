// See recipes.h and the public half in octile/builder.h.
#include "tune/recipes.h"

#include <algorithm>

#include "base/error.h"
#include "tune/layer_errors.h"

namespace octile {
namespace {

void least_squares_weights(RecipeInputs& inputs) {
  inputs.options.weight_scales = BuildOptions::WeightScales::kLeastSquares;
}

constexpr RecipeRow kRecipes[] = {
    {"equalize", "channels of neighbouring layers are scaled to like ranges",
     RecipeRow::kBeforeCalibration, true, equalize},
    {"mse-weights", "weight scales of least squared error instead of the largest weight",
     RecipeRow::kBeforeBuild, false, least_squares_weights},
    {"fallback", "layers whose own error is above a hundredth of their signal stay float",
     RecipeRow::kBeforeBuild, true, keep_fragile_layers_float},
    {"bias-correction", "the mean error that quantization makes is taken off the bias",
     RecipeRow::kBeforeBuild, true, correct_biases},
};

bool wanted(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void apply(RecipeRow::Stage stage, const std::vector<std::string>& names, Network& network,
           BuildOptions& options, const CalibrationTable* table, BatchSource* samples,
           const CalibrationOptions& calibration) {
  check_recipe_names(names);
  std::vector<const RecipeRow*> rows;
  for (const RecipeRow& row : kRecipes) {
    if (row.stage != stage || !wanted(names, row.name)) continue;
    check(!row.needs_samples || samples != nullptr, ErrorCode::kInvalidArgument,
          "recipe '{}' measures on samples: give them (--calibrate)", row.name);
    rows.push_back(&row);
  }
  if (rows.empty()) return;
  network = prepared(network, options);
  // They are on the layers now, and passes may have taken away layers of these names.
  options.layer_precision.clear();
  options.layer_scheme.clear();
  RecipeInputs inputs{network, table, options, samples, calibration};
  for (const RecipeRow* row : rows) row->apply(inputs);
}

}  // namespace

std::span<const RecipeRow> recipe_table() { return kRecipes; }

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const RecipeRow& row : kRecipes) names.emplace_back(row.name);
  return names;
}

void check_recipe_names(const std::vector<std::string>& names) {
  std::string known;
  for (const RecipeRow& row : kRecipes) known += fmt::format(" {}", row.name);
  for (const std::string& name : names) {
    check(std::any_of(std::begin(kRecipes), std::end(kRecipes),
                      [&](const RecipeRow& row) { return row.name == name; }),
          ErrorCode::kInvalidArgument, "no recipe is called '{}'; the recipes are:{}", name, known);
  }
}

void before_calibration(Network& network, BuildOptions& options,
                        const std::vector<std::string>& recipes, BatchSource* samples,
                        const CalibrationOptions& calibration) {
  apply(RecipeRow::kBeforeCalibration, recipes, network, options, nullptr, samples, calibration);
}

void before_build(Network& network, BuildOptions& options, const CalibrationTable* table,
                  const std::vector<std::string>& recipes, BatchSource* samples,
                  const CalibrationOptions& calibration) {
  apply(RecipeRow::kBeforeBuild, recipes, network, options, table, samples, calibration);
}

}  // namespace octile
