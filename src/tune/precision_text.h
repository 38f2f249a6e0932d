// What a PrecisionChoice says to people: reasons, a summary, and the report's JSON.
#pragma once

#include <string>
#include <vector>

#include "tune/precision_choice.h"

namespace octile {

/// Why group g has its label among `labels`, in one sentence.
std::string reason_of(const PrecisionChoice& choice, const std::vector<Label>& labels, size_t g);

/// −10·log10 of a relative noise power; +infinity without noise.
double decibels(double noise);

/// "INT8 pays for 20 of 21 layers: 0.312 ms, float 0.98 ms, all INT8 0.33 ms (predicted 0.30)".
std::string summary_of(const PrecisionChoice& choice);

/// The precision report (docs/report_format.md), but for what pictures of samples need.
std::string precision_json(const PrecisionChoice& choice, const BuildOptions& build,
                           const PrecisionGoal& goal);

}  // namespace octile
