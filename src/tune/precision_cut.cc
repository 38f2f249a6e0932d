// Two labels: a minimum cut. A vertex on the source's side is float (or 0), on the sink's side int8
// (or 1); an arc is paid where it leaves the source's side. docs/precision.md derives the arcs.
#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>

#include "tune/precision_solvers.h"

namespace octile {
namespace {

using ArcTraits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::bidirectionalS>;
struct VertexData {
  boost::default_color_type tree{};
  ArcTraits::edge_descriptor predecessor{0, 0, nullptr};
  int64_t distance = 0;
};
struct ArcData {
  int64_t capacity = 0, residual = 0;
  ArcTraits::edge_descriptor reverse{0, 0, nullptr};
};
using FlowGraph =
    boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, VertexData, ArcData>;
using Vertex = FlowGraph::vertex_descriptor;

constexpr Vertex kSource = 0, kSink = 1, kFirstGroup = 2;

/// A tensor's cost above that of a float producer with float readers, by the producer's format and
/// what readers want.
struct TensorEnergy {
  int64_t float_to_both, float_to_int8;  // of a float producer
  int64_t int8_to_both, int8_to_float;
};

/// Whether a tensor's readers can want …
struct Possible {
  bool only_float = true, both = false, only_int8 = true;
};

class CutBuilder {
 public:
  explicit CutBuilder(const PrecisionProblem& problem);
  Assignment solve();

 private:
  void add_arc(Vertex from, Vertex to, int64_t capacity);
  /// `cost` (which may be below 0) where the vertex is on the sink's side.
  void add_unary(Vertex vertex, int64_t cost) { unary_[vertex] += cost; }
  Vertex add_vertex();
  Vertex producer_of(const TensorCosts& tensor) const;
  bool can_be(int group, Label label) const { return can_have(problem_.groups[group], label); }
  void add_group(int group);
  Possible possible_wants(const TensorCosts& tensor) const;
  TensorEnergy energy_of(const TensorCosts& tensor);
  void add_tensor(const TensorCosts& tensor);
  void add_readers(const TensorCosts& tensor, Vertex int8_copy, Vertex no_float_copy);
  void add_dynamic_copy(const TensorCosts& tensor);

  const PrecisionProblem& problem_;
  FlowGraph graph_;
  std::vector<int64_t> unary_;
  int64_t infinite_ = 1;  // above any cut between labels: what they cost, and gains not taken
  bool exact_ = true;
};

CutBuilder::CutBuilder(const PrecisionProblem& problem)
    : problem_(problem),
      graph_(kFirstGroup + problem.groups.size()),
      unary_(kFirstGroup + problem.groups.size()) {
  for (const GroupCosts& group : problem.groups) infinite_ += 2 * std::ranges::max(group.cost);
  for (const TensorCosts& tensor : problem.tensors) {
    infinite_ += 2 * (tensor.convert[0][2] + tensor.convert[2][0] + tensor.dynamic_quantize);
  }
  for (size_t g = 0; g < problem.groups.size(); ++g) add_group(static_cast<int>(g));
  for (const TensorCosts& tensor : problem.tensors) add_tensor(tensor);
  for (Vertex v = kFirstGroup; v < unary_.size(); ++v) {
    if (unary_[v] > 0) add_arc(kSource, v, unary_[v]);
    if (unary_[v] < 0) add_arc(v, kSink, -unary_[v]);
  }
}

void CutBuilder::add_arc(Vertex from, Vertex to, int64_t capacity) {
  if (capacity == 0 || from == to || from == kSink || to == kSource) return;  // never paid
  const auto arc = boost::add_edge(from, to, graph_).first;
  const auto reverse = boost::add_edge(to, from, graph_).first;
  graph_[arc] = {capacity, 0, reverse};
  graph_[reverse] = {0, 0, arc};
}

Vertex CutBuilder::add_vertex() {
  unary_.push_back(0);
  return boost::add_vertex(graph_);
}

Vertex CutBuilder::producer_of(const TensorCosts& tensor) const {
  const bool fixed = tensor.producer < 0 || problem_.groups[tensor.producer].dynamic;
  return fixed ? kSource : kFirstGroup + static_cast<Vertex>(tensor.producer);
}

void CutBuilder::add_group(int group) {
  const Vertex vertex = kFirstGroup + static_cast<Vertex>(group);
  const auto& cost = problem_.groups[group].cost;
  if (!can_be(group, Label::kInt8)) {
    add_arc(kSource, vertex, infinite_);
  } else if (!can_be(group, Label::kFloat)) {
    add_arc(vertex, kSink, infinite_);
  } else {
    add_unary(vertex, cost[2] - cost[0]);
  }
}

Possible CutBuilder::possible_wants(const TensorCosts& tensor) const {
  Possible possible;
  bool some_float = tensor.wants_float, some_int8 = false;
  if (tensor.wants_float) possible.only_int8 = false;
  for (const int c : tensor.consumers) {
    const bool dynamic = problem_.groups[c].dynamic;
    const bool to_float = dynamic || can_be(c, Label::kFloat);
    const bool to_int8 = !dynamic && can_be(c, Label::kInt8);
    some_float |= to_float;
    some_int8 |= to_int8;
    possible.only_float &= to_float;
    possible.only_int8 &= to_int8;
  }
  const size_t readers = tensor.consumers.size() + (tensor.wants_float ? 1 : 0);
  possible.both = readers >= 2 && some_float && some_int8;
  return possible;
}

/// Entries that cannot happen are free; they are chosen so that a cut can hold the others. Where it
/// cannot, a fused conversion is raised, and the cut approximates.
TensorEnergy CutBuilder::energy_of(const TensorCosts& tensor) {
  constexpr Wants kFloat = wants(Label::kFloat), kInt8 = wants(Label::kInt8);
  TensorEnergy e{.float_to_both = tensor_cost(tensor, Label::kFloat, kFloat | kInt8),
                 .float_to_int8 = tensor_cost(tensor, Label::kFloat, kInt8),
                 .int8_to_both = tensor_cost(tensor, Label::kInt8, kFloat | kInt8),
                 .int8_to_float = tensor_cost(tensor, Label::kInt8, kFloat)};
  const Possible possible = possible_wants(tensor);
  if (!possible.only_float) e.int8_to_float = e.int8_to_both;
  if (!possible.only_int8) e.float_to_int8 = e.float_to_both;
  if (!possible.both) {
    e.int8_to_both = e.int8_to_float;
    e.float_to_both = e.float_to_int8;
  }
  const bool outside = producer_of(tensor) == kSource;
  if (outside || !can_be(tensor.producer, Label::kInt8)) {
    e.int8_to_both = e.int8_to_float = e.float_to_both - e.float_to_int8;
  } else if (!can_be(tensor.producer, Label::kFloat)) {
    e.float_to_both = e.float_to_int8 = e.int8_to_both - e.int8_to_float;
  }
  const int64_t least_int8_to_float = e.int8_to_both - e.float_to_both;
  const int64_t least_float_to_int8 = e.float_to_both - e.int8_to_both;
  if (e.int8_to_float < least_int8_to_float || e.float_to_int8 < least_float_to_int8) {
    exact_ = false;
    e.int8_to_float = std::max(e.int8_to_float, least_int8_to_float);
    e.float_to_int8 = std::max(e.float_to_int8, least_float_to_int8);
  }
  return e;
}

void CutBuilder::add_tensor(const TensorCosts& tensor) {
  if (tensor.consumers.empty() && !tensor.wants_float) return;
  const TensorEnergy e = energy_of(tensor);
  const Vertex producer = producer_of(tensor);
  const Vertex int8_copy = add_vertex();
  const Vertex no_float_copy = add_vertex();
  // What a fused conversion saves, which a second format takes back.
  const int64_t saved_float = e.int8_to_both - e.int8_to_float;
  const int64_t saved_int8 = e.float_to_both - e.float_to_int8;
  add_arc(producer, int8_copy, e.float_to_both - saved_float);
  add_unary(int8_copy, saved_float);
  add_arc(no_float_copy, producer, e.int8_to_both - saved_int8);
  add_unary(no_float_copy, -saved_int8);
  if (producer != kSource) add_unary(producer, saved_int8 - saved_float);
  add_readers(tensor, int8_copy, no_float_copy);
  add_dynamic_copy(tensor);
}

void CutBuilder::add_readers(const TensorCosts& tensor, Vertex int8_copy, Vertex no_float_copy) {
  if (tensor.wants_float) add_arc(kSource, no_float_copy, infinite_);
  for (const int c : tensor.consumers) {
    const Vertex reader = kFirstGroup + static_cast<Vertex>(c);
    if (problem_.groups[c].dynamic) {
      add_arc(kSource, no_float_copy, infinite_);
    } else {
      add_arc(int8_copy, reader, infinite_);
      add_arc(reader, no_float_copy, infinite_);
    }
  }
}

void CutBuilder::add_dynamic_copy(const TensorCosts& tensor) {
  if (tensor.dynamic_quantize == 0) return;
  const Vertex copy = add_vertex();
  add_unary(copy, tensor.dynamic_quantize);
  for (const int c : tensor.consumers) {
    if (problem_.groups[c].dynamic) {
      add_arc(copy, kFirstGroup + static_cast<Vertex>(c), infinite_);
    }
  }
}

/// Of several minimum cuts, that with the fewest vertices on the sink's side: those in the tree
/// that Boykov and Kolmogorov's algorithm has grown from the sink when it ends, which are white.
Assignment CutBuilder::solve() {
  boost::boykov_kolmogorov_max_flow(
      graph_, get(&ArcData::capacity, graph_), get(&ArcData::residual, graph_),
      get(&ArcData::reverse, graph_), get(&VertexData::predecessor, graph_),
      get(&VertexData::tree, graph_), get(&VertexData::distance, graph_),
      get(boost::vertex_index, graph_), kSource, kSink);
  Assignment result{std::vector<Label>(problem_.groups.size(), Label::kFloat), exact_};
  for (size_t g = 0; g < problem_.groups.size(); ++g) {
    const bool int8 = graph_[kFirstGroup + g].tree == boost::white_color;
    if (int8) result.labels[g] = Label::kInt8;
  }
  return result;
}

}  // namespace

Assignment cut_labels(const PrecisionProblem& problem) { return CutBuilder(problem).solve(); }

}  // namespace octile
