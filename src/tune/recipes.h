// The table of recipes: ways to make INT8 more accurate without training.
#pragma once

#include <span>
#include <string_view>

#include "octile/builder.h"

namespace octile {

/// What a recipe reads and may change.
struct RecipeInputs {
  Network& network;               // after passes, with the requests of `options` on its layers
  const CalibrationTable* table;  // null before calibration
  BuildOptions& options;
  BatchSource* samples;  // null where the recipe said that it needs none
  CalibrationOptions calibration;
};

struct RecipeRow {
  std::string_view name;
  std::string_view what;  // one line for people
  enum Stage : uint8_t {
    kBeforeCalibration,  // the float network changes: ranges are collected after it
    kBeforeBuild,        // ranges are known
  } stage;
  bool needs_samples;
  void (*apply)(RecipeInputs& inputs);
};

/// In the order in which they are applied.
std::span<const RecipeRow> recipe_table();

// The recipes, one file each. docs/accuracy.md derives them.
void equalize(RecipeInputs& inputs);                   // equalize.cc
void keep_fragile_layers_float(RecipeInputs& inputs);  // fallback.cc
void correct_biases(RecipeInputs& inputs);             // bias_correction.cc

}  // namespace octile
