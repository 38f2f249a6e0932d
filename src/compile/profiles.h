// From the user's profiles to the plan's: every check on shapes happens here.
#pragma once

#include <vector>

#include "octile/builder.h"
#include "plan/plan_data.h"

namespace octile {

/// One PlanProfile a user profile (inputs filled, offsets not). No profiles are needed when every
/// input is static. Throws kInvalidArgument naming profile, input and extents.
std::vector<PlanProfile> make_profiles(const Network& network,
                                       const std::vector<Profile>& profiles);

}  // namespace octile
