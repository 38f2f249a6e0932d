// See int8_copies.h.
#include "tune/int8_copies.h"

#include "compile/free_name.h"
#include "compile/insert_qdq.h"

namespace octile {
namespace {

class Copier {
 public:
  Copier(Network& network, const Group& group) : network_(network), group_(group) {}

  Group run() {
    Group copy{.core = add(group_.core), .add = {}, .clamp = {}, .residual = group_.residual};
    if (group_.add.valid()) copy.add = add(group_.add);
    if (group_.clamp.valid()) copy.clamp = add(group_.clamp);
    return copy;
  }

 private:
  /// The layer again; behind the group's first one it reads what was copied before it.
  LayerId add(LayerId layer) {
    std::vector<TensorId> inputs = network_.inputs(layer);
    for (TensorId& input : inputs) {
      if (input == made_) input = copied_;
    }
    const LayerId copy = network_.add(network_.op(layer), inputs,
                                      free_name(network_, network_.name(layer) + ".int8"));
    made_ = network_.output(layer);
    copied_ = network_.output(copy);
    return copy;
  }

  Network& network_;
  const Group& group_;
  TensorId made_, copied_;
};

}  // namespace

Group add_int8_copy(Network& network, const Group& group, GroupLabel label,
                    const TensorRanges& ranges) {
  Group copy = Copier(network, group).run();
  label.int8 = true;
  insert_qdq(network, {copy}, {label}, ranges);
  return copy;
}

CopiedNetwork with_int8_copies(const LabelledGraph& graph) {
  CopiedNetwork result{graph.network, {}};
  Network& network = result.network;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    if (!graph.labels[g].can_int8) continue;
    const int before = network.layer_count();
    const Group copy = add_int8_copy(network, graph.groups[g], graph.labels[g], graph.ranges);
    const bool changes = network.layer_count() - before > static_cast<int>(copy.layers().size());
    result.copies.push_back({name_of(graph.network, graph.groups[g]),
                             network.name(output_of(graph.network, graph.groups[g])),
                             changes ? network.name(output_of(network, copy)) : ""});
    if (!changes) network.truncate(before);
  }
  return result;
}

}  // namespace octile
