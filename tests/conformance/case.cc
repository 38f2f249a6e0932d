// See case.h.
#include "conformance/case.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace octile {

CaseBuilder::CaseBuilder(std::string name, uint32_t seed) : random_(seed) {
  case_.name = std::move(name);
}

int32_t CaseBuilder::add(DataType type, Layout layout, const Shape& shape, float scale,
                         int32_t zero_point) {
  PlanTensor tensor;
  tensor.name = "t" + std::to_string(case_.plan.tensors.size());
  tensor.type = type;
  tensor.layout = layout;
  tensor.shape = shape;
  tensor.scale = scale;
  tensor.zero_point = zero_point;
  case_.plan.tensors.push_back(tensor);
  case_.shapes.push_back(shape);
  return static_cast<int32_t>(case_.plan.tensors.size()) - 1;
}

int32_t CaseBuilder::input(DataType type, Layout layout, const Shape& shape, float scale,
                           int32_t zero_point) {
  const int32_t index = add(type, layout, shape, scale, zero_point);
  step_.inputs.push_back(index);
  case_.plan.inputs.push_back(index);
  case_.inputs.emplace_back(type, shape);
  return index;
}

void CaseBuilder::set_minimum(int32_t index, int32_t q_min) {
  case_.plan.tensors[static_cast<size_t>(index)].q_min = q_min;
}

int32_t CaseBuilder::output(DataType type, Layout layout, const Shape& shape, float scale,
                            int32_t zero_point) {
  const int32_t index = add(type, layout, shape, scale, zero_point);
  step_.outputs.push_back(index);
  case_.plan.outputs.push_back(index);
  return index;
}

int32_t CaseBuilder::add_blob(DataType type, const Shape& shape, std::span<const std::byte> bytes) {
  storage_->emplace_back(type, shape, bytes);
  const Tensor& kept = storage_->back();
  case_.plan.blobs.push_back(
      {type, shape, {static_cast<const std::byte*>(kept.data()), kept.bytes()}});
  return static_cast<int32_t>(case_.plan.blobs.size()) - 1;
}

float CaseBuilder::uniform(float lo, float hi) {
  return lo + (hi - lo) * (static_cast<float>(random_() >> 8) * 0x1p-24f);
}

int64_t CaseBuilder::integer(int64_t lo, int64_t hi) {
  return lo + static_cast<int64_t>(random_() % static_cast<uint64_t>(hi - lo + 1));
}

void CaseBuilder::fill_integers(size_t index, Fill fill, int32_t lo, int32_t hi) {
  Tensor& tensor = case_.inputs[index];
  auto* bytes = tensor.as<uint8_t>();  // the same byte for int8 and uint8
  for (int64_t i = 0; i < tensor.volume(); ++i) {
    int64_t q = fill == Fill::kLow ? lo : hi;
    if (fill == Fill::kUniform) q = integer(lo, hi);
    if (fill == Fill::kEnds) q = integer(0, 1) == 0 ? lo : hi;
    bytes[i] = static_cast<uint8_t>(q);
  }
}

void CaseBuilder::fill_floats(size_t index, float lo, float hi) {
  Tensor& tensor = case_.inputs[index];
  for (int64_t i = 0; i < tensor.volume(); ++i) tensor.as<float>()[i] = uniform(lo, hi);
}

std::vector<int8_t> CaseBuilder::weights(int64_t count, Fill fill) {
  std::vector<int8_t> w(static_cast<size_t>(count));
  for (int8_t& q : w) {
    int64_t value = fill == Fill::kLow ? -127 : 127;
    if (fill == Fill::kUniform) value = integer(-127, 127);
    if (fill == Fill::kEnds) value = integer(0, 1) == 0 ? -127 : 127;
    if (fill == Fill::kBell) {
      value =
          std::clamp<int64_t>(integer(-50, 50) + integer(-50, 50) + integer(-50, 50), -127, 127);
    }
    if (fill == Fill::kPositive) value = one_of<int64_t>({0, 5, 16, 32, 43, 64, 65, 127});
    if (fill == Fill::kNegative) value = -one_of<int64_t>({0, 5, 16, 32, 43, 64, 65, 127});
    q = static_cast<int8_t>(value);
  }
  return w;
}

Case CaseBuilder::build(Step step, bool exact) {
  step_.name = case_.name;
  step_.step = std::move(step);
  case_.plan.name = case_.name;
  case_.plan.steps.push_back(step_);
  case_.plan.storage = storage_;
  case_.exact = exact;
  return std::move(case_);
}

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = [] {
    std::vector<Case> all;
    for (auto make : {convolution_cases, integer_cases, float_cases}) {
      for (Case& c : make()) all.push_back(std::move(c));
    }
    for (Case& c : half_cases(all)) all.push_back(std::move(c));
    return all;
  }();
  return cases;
}

}  // namespace octile
