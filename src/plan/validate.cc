// Every rule that a plan must obey before anything uses it: indices, constants, order of steps,
// shapes over the profiles (single steps: step_checker.cc). Files are hostile, nothing is assumed.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "plan/plan_data.h"
#include "plan/step_checker.h"

namespace octile {
namespace {

class PlanChecker {
 public:
  PlanChecker(const PlanData& plan, const std::string& origin) : plan_(plan), origin_(origin) {}

  void run() const {
    tensors();
    const std::vector<bool> made = order();
    for (int32_t t : plan_.outputs) {
      need(made[size_t(t)] && plan_.tensors[size_t(t)].blob < 0, "an output that no step makes");
    }
    for (const PlanStep& step : plan_.steps) {
      check_step(plan_, step, origin_);
    }
    profiles(made);
  }

 private:
  void need(bool condition, std::string_view what) const {
    check(condition, ErrorCode::kInvalidFile, "{}: {}; the plan is damaged, build it again",
          origin_, what);
  }

  void index(int32_t t) const {
    need(t >= 0 && size_t(t) < plan_.tensors.size(), "a tensor index is out of range");
  }

  void tensors() const {
    for (const PlanTensor& t : plan_.tensors) {
      need(t.layout == Layout::kPlain || t.shape.rank() >= 3, "a layout without channels");
      need(t.blob < int64_t(plan_.blobs.size()) && t.blob >= -1, "a blob index is out of range");
      if (t.blob < 0) continue;
      const Blob& b = plan_.blobs[size_t(t.blob)];
      need(t.layout == Layout::kPlain && b.type == t.type && holds(b.bytes.size(), t.type, t.shape),
           "a constant's bytes do not fit its shape");
      const bool booleans = t.type != DataType::kBool ||
                            std::all_of(b.bytes.begin(), b.bytes.end(),
                                        [](std::byte byte) { return byte <= std::byte{1}; });
      need(booleans, "a boolean constant is neither 0 nor 1");
    }
    std::set<int32_t> seen;
    names(plan_.inputs);
    names(plan_.outputs);
    for (int32_t t : plan_.inputs) {
      index(t);
      need(plan_.tensors[size_t(t)].blob < 0 && seen.insert(t).second, "an input is no input");
      need(plan_.tensors[size_t(t)].layout == Layout::kPlain, "an input's layout");
    }
    need(!plan_.outputs.empty(), "no outputs");
    for (int32_t t : plan_.outputs) {
      index(t);
      need(seen.insert(t).second, "an output is listed twice");
      need(plan_.tensors[size_t(t)].layout == Layout::kPlain, "an output's layout");
    }
  }

  /// Users ask for inputs and outputs by name.
  void names(const std::vector<int32_t>& list) const {
    std::set<std::string> seen;
    for (int32_t t : list) {
      index(t);
      need(seen.insert(plan_.tensors[size_t(t)].name).second,
           "two inputs or two outputs have one name");
    }
  }

  /// Every tensor is made once, before it is read.
  std::vector<bool> order() const {
    std::vector<bool> made(plan_.tensors.size(), false);
    for (size_t t = 0; t < made.size(); ++t) made[t] = plan_.tensors[t].blob >= 0;
    for (int32_t t : plan_.inputs) made[size_t(t)] = true;
    for (const PlanStep& step : plan_.steps) {
      need(!step.inputs.empty() && !step.outputs.empty(), "a step without operands");
      for (int32_t t : step.inputs) {
        index(t);
        need(made[size_t(t)], "a tensor is read before it is made");
      }
      for (int32_t t : step.outputs) {
        index(t);
        need(!made[size_t(t)], "a tensor is made twice");
        made[size_t(t)] = true;
      }
    }
    return made;
  }

  void profiles(const std::vector<bool>& made) const {
    need(!plan_.profiles.empty(), "no profiles");
    for (const PlanProfile& p : plan_.profiles) {
      need(p.inputs.size() == plan_.inputs.size(), "a profile lacks inputs");
      for (size_t i = 0; i < p.inputs.size(); ++i) {
        bounds(p.inputs[i], plan_.tensors[size_t(plan_.inputs[i])].shape);
      }
      for (const Shape PlanProfile::Bounds::*which :
           {&PlanProfile::Bounds::min, &PlanProfile::Bounds::opt, &PlanProfile::Bounds::max}) {
        std::vector<Shape> inputs;
        for (const auto& b : p.inputs) inputs.push_back(b.*which);
        shapes(inputs, made);
      }
    }
    for (const PlanStep& step : plan_.steps) {
      need(step.tactics.size() == plan_.profiles.size(), "a step lacks tactics");
    }
  }

  void bounds(const PlanProfile::Bounds& b, const Shape& declared) const {
    for (const Shape* s : {&b.min, &b.opt, &b.max}) {
      need(s->rank() == declared.rank() && s->is_static(), "a profile's shape");
    }
    for (int axis = 0; axis < declared.rank(); ++axis) {
      need(0 <= b.min[axis] && b.min[axis] <= b.opt[axis] && b.opt[axis] <= b.max[axis],
           "a profile's bounds");
      need(declared[axis] == kDynamic ||
               (b.min[axis] == declared[axis] && b.max[axis] == declared[axis]),
           "a profile changes a fixed extent");
    }
  }

  /// Shape rules hold and no tensor is absurdly large.
  void shapes(const std::vector<Shape>& inputs, const std::vector<bool>& made) const {
    constexpr int64_t kLargestTensor = int64_t{1} << 40;
    try {
      const std::vector<Shape> all = infer_all_shapes(plan_, inputs);
      const std::vector<bool> late = late_tensors(plan_);
      for (size_t t = 0; t < all.size(); ++t) {  // late ones are judged as they are made
        need(late[t] || (all[t].is_static() && all[t].volume() <= kLargestTensor),
             "a tensor is too large");
        if (!made[t]) continue;
        const Shape& declared = plan_.tensors[t].shape;
        bool agrees = declared.rank() == all[t].rank();
        for (int axis = 0; agrees && axis < declared.rank(); ++axis) {
          agrees = declared[axis] == kDynamic || declared[axis] == all[t][axis] ||
                   (late[t] && all[t][axis] == kDynamic);
        }
        if (!agrees) {
          need(false, fmt::format("tensor '{}' is declared as {} but is {}", plan_.tensors[t].name,
                                  declared.to_string(), all[t].to_string()));
        }
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInvalidFile) throw;
      need(false, error.what());
    }
  }

  const PlanData& plan_;
  const std::string& origin_;
};

}  // namespace

void check_metadata(const Metadata& metadata, ErrorCode code, const std::string& place) {
  check(metadata.size() <= kMostMetadataEntries, code,
        "{}: metadata has {} entries, at most {} fit", place, metadata.size(),
        kMostMetadataEntries);
  size_t bytes = 0;
  for (const auto& [key, value] : metadata) {
    check(!key.empty() && key.size() <= kMostMetadataKeyBytes, code,
          "{}: a key of its metadata has {} bytes, but must have 1 to {}", place, key.size(),
          kMostMetadataKeyBytes);
    bytes += key.size() + value.size();
  }
  check(bytes <= kMostMetadataBytes, code,
        "{}: metadata has {} bytes, at most {} fit; keep large things in files of their own", place,
        bytes, kMostMetadataBytes);
}

void validate(const PlanData& plan, const std::string& origin) {
  check_metadata(plan.metadata, ErrorCode::kInvalidFile, origin);
  PlanChecker(plan, origin).run();
}

}  // namespace octile
