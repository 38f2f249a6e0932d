// See profiles.h.
#include "compile/profiles.h"

#include "base/error.h"

namespace octile {
namespace {

void check_rank(const std::string& place, const Shape& declared, const Shape& given) {
  check(declared.rank() == given.rank(), ErrorCode::kInvalidArgument,
        "{}: shape {} has {} axes, the network's input {} has {}", place, given.to_string(),
        given.rank(), declared.to_string(), declared.rank());
}

PlanProfile::Bounds bounds_of(const std::string& place, const Shape& declared,
                              const ShapeRange& range) {
  for (const Shape* shape : {&range.min, &range.opt, &range.max})
    check_rank(place, declared, *shape);
  for (int axis = 0; axis < declared.rank(); ++axis) {
    const int64_t lo = range.min[axis], mid = range.opt[axis], hi = range.max[axis];
    check(0 <= lo && lo <= mid && mid <= hi, ErrorCode::kInvalidArgument,
          "{}: axis {} needs 0 <= min <= opt <= max, not {} / {} / {}", place, axis, lo, mid, hi);
    check(declared[axis] == kDynamic || (lo == hi && lo == declared[axis]),
          ErrorCode::kInvalidArgument, "{}: axis {} is fixed at {} by the network, not {} … {}",
          place, axis, declared[axis], lo, hi);
  }
  return {range.min, range.opt, range.max};
}

PlanProfile::Bounds static_bounds(const std::string& place, const Shape& declared) {
  check(declared.is_static(), ErrorCode::kInvalidArgument,
        "{}: shape {} is dynamic; give its min, opt and max in a profile", place,
        declared.to_string());
  return {declared, declared, declared};
}

}  // namespace

std::vector<PlanProfile> make_profiles(const Network& network,
                                       const std::vector<Profile>& profiles) {
  std::vector<PlanProfile> result(std::max<size_t>(1, profiles.size()));
  for (size_t p = 0; p < result.size(); ++p) {
    const Profile none;
    const Profile& profile = p < profiles.size() ? profiles[p] : none;
    for (const auto& [name, range] : profile) {
      bool known = false;
      for (TensorId t : network.inputs()) known = known || network.name(t) == name;
      check(known, ErrorCode::kInvalidArgument, "profile {}: the network has no input '{}'", p,
            name);
    }
    for (TensorId t : network.inputs()) {
      const std::string place = fmt::format("profile {}, input '{}'", p, network.name(t));
      const auto found = profile.find(network.name(t));
      result[p].inputs.push_back(found == profile.end()
                                     ? static_bounds(place, network.shape(t))
                                     : bounds_of(place, network.shape(t), found->second));
    }
  }
  return result;
}

}  // namespace octile
