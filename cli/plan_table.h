// The plain table of a plan: layer, precision, tactic, scale, bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "octile/plan.h"

namespace octile::cli {

struct PlanSummary {
  int steps = 0, int8 = 0, halves = 0, floats = 0;
  int64_t weight_bytes = 0;
};
PlanSummary summarize(const Plan& plan);
/// "3 int8, 2 float", and float16 where there is any.
std::string precision_counts(const PlanSummary& summary);
std::string plan_table(const Plan& plan);
/// "key: value", a line an entry; values are cut to 100 characters, control characters are dots.
std::string metadata_lines(const Plan& plan);
/// What the build measured, layer by layer, and of the engines as a whole; "" where nothing was.
std::string precision_table(const Plan& plan);
nlohmann::json plan_json(const Plan& plan);

}  // namespace octile::cli
