// Labels for groups: float or int8, and by which scheme.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compile/group.h"
#include "compile/tensor_ranges.h"
#include "octile/builder.h"

namespace octile {

struct GroupLabel {
  bool int8 = false;
  Scheme scheme = Scheme::kStaticSymmetric;  // says how the group's inputs are quantized
  BuildOptions::WeightScales weight_scales = BuildOptions::WeightScales::kMax;
  Precision wanted = Precision::kAuto;  // what was asked of its layers
  bool can_int8 = false;                // nothing refuses INT8; requests aside
  std::string note;                     // why it stays float, when INT8 was wanted
};

/// What tune/ decided for a group, from measurements.
struct GivenLabel {
  Precision precision = Precision::kFloat32;
  std::string note;  // why it stays float
};
/// Which of the groups that can be int8 are. Requests by the user win over all of them.
struct Labelling {
  enum class Kind : uint8_t {
    kChains,  // weighted ones, and what keeps a chain between them unbroken
    kEvery,   // every one, wherever it stands
    kGiven,   // as `given` says, by the group's name; those that it does not name stay float. Of
              // groups that cannot be int8 it says which float
  } kind = Kind::kChains;
  std::map<std::string, GivenLabel> given = {};
  /// For measuring: the user's requests decide which groups there are (passes keep what is asked
  /// for), but not what they run in.
  bool ignores_requests = false;
};

/// Puts the requests by name onto the network's layers. Before the passes: a layer that is folded
/// into another hands its request on. Throws kInvalidArgument for a name that is no layer's.
void apply_requests(Network& network, const BuildOptions& options);

/// One label a group. Weighted groups are int8 where range and arithmetic allow; arithmetic and
/// movement groups are int8 where that keeps a chain between weighted int8 groups unbroken (a
/// movement group right behind a network input counts); or as `labelling` says. Requests on the
/// network's layers win; one that cannot be fulfilled throws kUnsupported. Missing ranges are told
/// in one warning.
std::vector<GroupLabel> assign_precision(const Network& network, const std::vector<Group>& groups,
                                         const TensorRanges& ranges, const BuildOptions& options,
                                         const Labelling& labelling = {});

/// Quantized weights' view of the bound Σ|w_q|·max|x_q − z_x| + |bias| < 2^31; "" or the refusal.
std::string accumulator_refusal(const Network& network, LayerId layer,
                                const std::vector<float>& weight_scales, float input_scale,
                                int32_t largest_input);

/// Scales of a plain-float weighted layer, one an output channel (docs/arithmetic.md). input_scale
/// 0: dynamic.
std::vector<float> weight_scales(const Network& network, LayerId layer, float input_scale,
                                 BuildOptions::WeightScales kind);

}  // namespace octile
