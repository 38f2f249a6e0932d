// Comparing two sets of outputs, and the metrics that the command line and the demo print.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/tensor.h"

namespace octile {

/// Signal-to-quantization-noise ratio in dB: 10·log10(Σ r² / Σ (r − x)²); +infinity when equal.
double sqnr_db(std::span<const float> reference, std::span<const float> value);
/// Cosine of the angle between the two as vectors; 1 when both are zero.
double cosine(std::span<const float> reference, std::span<const float> value);
/// Share (0…1) of rows of `scores` (N, classes) whose label is among the k best; ties go to the
/// lower class. Throws kInvalidArgument when the counts differ.
double top_k_accuracy(const Tensor& scores, std::span<const int64_t> labels, int k);
/// Share of rows whose best class is the same in both.
double top1_agreement(const Tensor& a, const Tensor& b);

}  // namespace octile
