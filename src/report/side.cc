// See side.h.
#include "report/side.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "compile/compile.h"
#include "plan/keep_tensors.h"

namespace octile {
namespace {

/// An array with its last row repeated up to `rows`.
Tensor filled_up(const Tensor& array, int64_t rows) {
  const int64_t own = array.shape()[0];
  if (own == rows) return array;
  Shape shape = array.shape();
  shape[0] = rows;
  Tensor result(array.type(), shape);
  const size_t row = array.bytes() / size_t(own);
  std::memcpy(result.data(), array.data(), array.bytes());
  for (int64_t r = own; r < rows; ++r) {
    std::memcpy(result.as<std::byte>() + size_t(r) * row,
                array.as<std::byte>() + size_t(own - 1) * row, row);
  }
  return result;
}

bool within(const Shape& shape, const Shape& low, const Shape& high, int first_axis) {
  bool inside = shape.rank() == low.rank();
  for (int axis = first_axis; inside && axis < shape.rank(); ++axis) {
    inside = low[axis] <= shape[axis] && shape[axis] <= high[axis];
  }
  return inside;
}

}  // namespace

Side::Side(std::string what, std::vector<std::string> inputs, Maker maker, int threads,
           std::string device)
    : what_(std::move(what)),
      inputs_(std::move(inputs)),
      maker_(std::move(maker)),
      threads_(threads),
      device_(std::move(device)) {}

int64_t Side::run(const Batch& batch) {
  std::vector<Tensor> arrays;
  std::vector<Shape> shapes;
  for (const std::string& name : inputs_) {
    arrays.push_back(array_for(batch, name));
    shapes.push_back(arrays.back().shape());
    check(shapes.back().rank() > 0 && shapes.back()[0] > 0, ErrorCode::kInvalidArgument,
          "{}: input '{}' gets an array of shape {}, which holds no samples", what_, name,
          shapes.back().to_string());
  }
  if (!engine_ || shapes != given_) {
    given_ = loaded_ = shapes;
    engine_.emplace(maker_(loaded_), threads_, device_);
  }
  for (size_t i = 0; i < arrays.size(); ++i) arrays[i] = filled_up(arrays[i], loaded_[i][0]);
  engine_->run(arrays);
  return given_.empty() ? 1 : given_[0][0];
}

const Tensor& Side::array_for(const Batch& batch, const std::string& name) const {
  auto found = batch.find(name);
  if (found == batch.end() && inputs_.size() == 1 && batch.size() == 1) found = batch.begin();
  check(found != batch.end(), ErrorCode::kInvalidArgument,
        "{}: the data has no array for the input '{}'", what_, name);
  return found->second;
}

Side reference_side(const Network& network, int threads) {
  std::vector<std::string> inputs;
  for (const TensorId id : network.inputs()) inputs.push_back(network.name(id));
  const auto make = [&network, threads](std::vector<Shape>& shapes) {
    CompileOptions compile_options;
    compile_options.keep_tensors = true;
    compile_options.build.threads = threads;
    compile_options.build.tactics = BuildOptions::Tactics::kFirst;
    Profile profile;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const TensorId id = network.inputs()[i];
      const Shape& wanted = network.shape(id);
      const int64_t fixed = wanted.rank() > 0 ? wanted[0] : kDynamic;
      check(fixed == kDynamic || shapes[i][0] <= fixed, ErrorCode::kInvalidArgument,
            "the reference's input '{}' has the fixed batch {}, but a batch holds {} samples; use "
            "batches of {}",
            network.name(id), fixed, shapes[i][0], fixed);
      if (fixed != kDynamic) shapes[i][0] = fixed;
      profile[network.name(id)] = {shapes[i], shapes[i], shapes[i]};
    }
    compile_options.build.profiles = {profile};
    return compile(network, nullptr, compile_options);
  };
  return {"the reference", std::move(inputs), make, threads};
}

Side candidate_side(const PlanData& plan, int threads, const std::string& device) {
  std::vector<std::string> inputs;
  for (int32_t t : plan.inputs) inputs.push_back(plan.tensors[size_t(t)].name);
  const auto make = [&plan](std::vector<Shape>& shapes) {
    for (size_t p = 0; p < plan.profiles.size(); ++p) {
      std::vector<Shape> raised = shapes;
      bool fits = true;
      for (size_t i = 0; i < shapes.size(); ++i) {
        const auto& [low, opt, high] = plan.profiles[p].inputs[i];
        fits = fits && within(shapes[i], low, high, 1) && shapes[i][0] <= high[0];
        if (fits) raised[i][0] = std::max(shapes[i][0], low[0]);
      }
      if (!fits) continue;
      shapes = raised;
      return keeping_tensors(plan, p, shapes);
    }
    std::string text;
    for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.to_string();
    fail(ErrorCode::kInvalidArgument,
         "the candidate '{}' has no profile for samples of shape {}; build it with one, or choose "
         "another batch",
         plan.name, text);
  };
  return {"the candidate", std::move(inputs), make, threads, device};
}

}  // namespace octile
