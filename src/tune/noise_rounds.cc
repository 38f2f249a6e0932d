// See noise_rounds.h.
#include "tune/noise_rounds.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "calibrate/driver.h"
#include "runtime/tensor_access.h"

namespace octile {
namespace {

double squares(std::span<const float> values) {
  double sum = 0.0;
  for (const float v : values) sum += std::isfinite(v) ? double(v) * v : 0.0;
  return sum;
}

/// Infinite where `values` are not finite and `reference` is.
double squared_error(std::span<const float> values, std::span<const float> reference) {
  double sum = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(reference[i])) continue;
    const double error = double(values[i]) - reference[i];
    sum += error * error;
  }
  return std::isnan(sum) ? std::numeric_limits<double>::infinity() : sum;
}

bool any_in(const std::vector<bool>& set, const std::vector<int32_t>& tensors) {
  return std::ranges::any_of(tensors, [&](int32_t t) { return set[size_t(t)]; });
}

}  // namespace

NoiseRounds::NoiseRounds(const NoisePlan& noise, ExecutionContext& context, const Chunk& chunk)
    : noise_(noise),
      plan_(*noise.plan),
      context_(context),
      chunk_(chunk),
      hangs_(plan_.tensors.size(), false),
      stale_(hangs_) {}

std::vector<double> NoiseRounds::run_float() {
  for (const auto& [name, value] : chunk_.inputs) context_.set_input(name, value);
  TensorAccess::run_steps(context_, noise_.float_steps);
  std::vector<double> signal;
  for (const int32_t t : noise_.measured) {
    const auto values = counted(t);
    reference_.emplace_back(values.begin(), values.end());
    signal.push_back(squares(values));
  }
  return signal;
}

std::vector<double> NoiseRounds::run_probe(const NoiseProbe& probe) {
  TensorAccess::run_steps(context_, probe.steps);
  put(probe.int8_tensor, probe.float_tensor);
  hangs_.assign(hangs_.size(), false);
  hangs_[size_t(probe.float_tensor)] = true;
  std::vector<size_t> steps;
  for (const size_t s : noise_.float_steps) {
    if (s <= probe.maker) continue;
    const PlanStep& step = plan_.steps[s];
    const bool hangs = any_in(hangs_, step.inputs);
    for (const int32_t t : step.outputs) hangs_[size_t(t)] = hangs;
    if (hangs || any_in(stale_, step.outputs)) steps.push_back(s);
  }
  TensorAccess::run_steps(context_, steps);
  stale_ = hangs_;
  std::vector<double> errors;
  for (size_t m = 0; m < reference_.size(); ++m) {
    const int32_t t = noise_.measured[m];
    errors.push_back(hangs_[size_t(t)] ? squared_error(counted(t), reference_[m]) : 0.0);
  }
  return errors;
}

std::span<const float> NoiseRounds::counted(int32_t t) const {
  const int64_t batch = chunk_.inputs.begin()->second.shape()[0];
  return {static_cast<const float*>(TensorAccess::bytes(context_, t)),
          counted_values(chunk_, batch, noise_.shapes[size_t(t)])};
}

/// Copies values; where one tensor's channels lie innermost and the other's do not, they move.
void NoiseRounds::put(int32_t from, int32_t to) const {
  const auto* source = static_cast<const float*>(TensorAccess::bytes(context_, from));
  auto* target = static_cast<float*>(TensorAccess::bytes(context_, to));
  const auto is_last = [&](int32_t t) {
    return plan_.tensors[size_t(noise_.orders[size_t(t)])].layout == Layout::kChannelsLast;
  };
  const Shape& all = noise_.shapes[size_t(to)];
  if (is_last(from) == is_last(to)) {
    std::memcpy(target, source, size_t(all.volume()) * sizeof(float));
    return;
  }
  const Shape& image = noise_.shapes[size_t(noise_.orders[size_t(is_last(to) ? to : from)])];
  const int64_t channels = image[1];
  const int64_t pixels = all.volume() / std::max<int64_t>(1, image[0] * channels);
  const int64_t rows = is_last(to) ? channels : pixels, columns = is_last(to) ? pixels : channels;
  for (int64_t n = 0; n < image[0]; ++n, source += rows * columns) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) *target++ = source[r * columns + c];
    }
  }
}

}  // namespace octile
