// From times of steps to costs of labels, on plans and times made by hand: a Quantize step that an
// engine leaves to its reader, names, and outputs that are read in INT8 as well.
#include "tune/step_times.h"

#include <gtest/gtest.h>

#include "compile/harness.h"
#include "plan/quantize_chains.h"
#include "tune/precision_graph.h"
#include "tune/small_networks.h"

namespace octile::test {
namespace {

/// x → first → second → y, and `first` is an output if that is asked.
Network two(bool first_is_output = false) {
  Network n("two");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 8, 6, 6});
  const TensorId y = convolution(n, x, "first");
  if (first_is_output) n.mark_output(y, "middle");
  n.mark_output(convolution(n, y, "second"), "y");
  return n;
}

LabelledGraph labelled(const Network& network) {
  const CalibrationTable table = table_for(network, inputs_for(network));
  CompileOptions options{.build = first_tactics(true)};
  options.labelling.kind = Labelling::Kind::kEvery;
  return label_graph(network, &table, options);
}

std::shared_ptr<const PlanData> with_labels(const Network& network, bool first, bool second) {
  const CalibrationTable table = table_for(network, inputs_for(network));
  CompileOptions options{.build = first_tactics(true)};
  options.labelling.kind = Labelling::Kind::kGiven;
  const auto label = [](bool int8) { return int8 ? Precision::kInt8 : Precision::kFloat32; };
  options.labelling.given = {{"first", {label(first), ""}}, {"second", {label(second), ""}}};
  return compile(network, &table, options);
}

/// An engine whose steps take what `ns` says by name.
Variant engine(const Network& network, const std::string& name, bool first, bool second,
               const std::map<std::string, double>& ns, const StepNames& quantizing = {}) {
  const auto label = [](bool int8) { return int8 ? Precision::kInt8 : Precision::kFloat32; };
  Variant variant{name, {label(first), label(second)}, with_labels(network, first, second)};
  for (const auto& [step, time] : ns) variant.steps[step] = {time, 0.0};
  variant.quantizing = quantizing;
  return variant;
}

TEST(StepTimes, ReadersThatQuantizeAreFoundByTheStepsThatAreLeftToThem) {
  const auto plan = with_labels(two(), true, true);
  const auto chains = quantize_chains(*plan);
  ASSERT_EQ(chains.size(), 1u);  // the network's input, which the first convolution reads alone
  std::vector<bool> absorbed(plan->steps.size(), false);
  EXPECT_TRUE(quantizing_readers(*plan, absorbed).empty());
  absorbed[chains[0].absorbed[0]] = true;
  EXPECT_EQ(quantizing_readers(*plan, absorbed), StepNames{"first"});
}

TEST(StepTimes, LayoutChangesCountWithTheirGroup) {
  PlanData plan;
  for (const char* name : {"a", "b", "a"}) plan.steps.push_back({.name = name});
  const StepTimings sums = by_name(plan, {{30.0, 0.1}, {5.0, 0.0}, {10.0, 0.5}});
  EXPECT_EQ(sums.at("a").ns, 40.0);
  EXPECT_DOUBLE_EQ(sums.at("a").spread, (3.0 + 5.0) / 40.0);
  EXPECT_EQ(sums.at("b").ns, 5.0);
}

/// The first layer does the Quantize step in every engine that has it in INT8: its time holds that
/// step, and the problem must not charge it once more.
TEST(StepTimes, AQuantizeStepThatTheOnlyReaderDoesIsPaidOnce) {
  const Network network = two();
  const LabelledGraph graph = labelled(network);
  const std::vector<Variant> engines{
      engine(network, "float32", false, false, {{"first", 100.0}, {"second", 100.0}}),
      engine(network, "int8", true, true, {{"first", 40.0}, {"second", 20.0}}, {"first"}),
      engine(network, "even", true, false, {{"first", 45.0}, {"second", 100.0}}, {"first"}),
      engine(network, "odd", false, true, {{"first", 100.0}, {"second", 20.0}})};
  MeasuredTimes times;
  for (size_t g = 0; g < 2; ++g) times.groups.push_back(times_of_group(engines, graph, g, 15.0));
  times.conversions.assign(size_t(graph.network.tensor_count()), {.quantize = 15.0});
  EXPECT_TRUE(times.groups[0].quantizes_input);
  EXPECT_FALSE(times.groups[1].quantizes_input);
  EXPECT_EQ(times.groups[0].int8, 40.0);
  EXPECT_EQ(times.groups[0].int8_to_float, 45.0);
  const PrecisionProblem problem = precision_graph(graph, times).problem;
  constexpr auto kInt8 = Label::kInt8, kFloat = Label::kFloat;
  EXPECT_EQ(total_cost(problem, {kInt8, kInt8}), 40 + 20);  // as the engine took
  EXPECT_EQ(total_cost(problem, {kInt8, kFloat}), 45 + 100);
  EXPECT_EQ(total_cost(problem, {kFloat, kInt8}), 100 + 15 + 20);
}

/// Where only some engines leave the step to the layer, it counts as a conversion.
TEST(StepTimes, AQuantizeStepThatIsDoneNowAndThenDoesNotCountWithTheGroup) {
  const Network network = two();
  const LabelledGraph graph = labelled(network);
  const std::vector<Variant> engines{
      engine(network, "float32", false, false, {{"first", 100.0}, {"second", 100.0}}),
      engine(network, "int8", true, true, {{"first", 40.0}, {"second", 20.0}}),
      engine(network, "odd", false, true, {{"first", 100.0}, {"second", 30.0}}, {"second"})};
  const GroupTimes times = times_of_group(engines, graph, 1, 15.0);
  EXPECT_FALSE(times.quantizes_input);
  EXPECT_EQ(times.int8_to_float, 15.0);  // 30 − 15, which is less than 20
}

/// An output is made in float whatever its producer computes in: no step dequantizes it, and one
/// quantizes it for a reader in INT8.
TEST(StepTimes, AnOutputThatIsReadInInt8IsQuantized) {
  const Network network = two(true);
  const auto plan = with_labels(network, true, true);
  int quantizes = 0;
  for (const PlanStep& step : plan->steps) {
    EXPECT_FALSE(std::holds_alternative<DequantizeStep>(step.step)) << step.name;
    quantizes += std::holds_alternative<QuantizeStep>(step.step) ? 1 : 0;
  }
  EXPECT_EQ(quantizes, 2);  // the input and "middle"
  const LabelledGraph graph = labelled(network);
  MeasuredTimes times;
  times.groups = {{.float32 = 100.0, .int8 = 40.0, .int8_to_float = 40.0},
                  {.float32 = 100.0, .int8 = 20.0, .int8_to_float = 20.0}};
  times.conversions.assign(size_t(graph.network.tensor_count()),
                           {.quantize = 7.0, .dequantize = 1000.0});
  const PrecisionGraph priced = precision_graph(graph, times);
  const std::vector<Label> all{Label::kInt8, Label::kInt8};
  EXPECT_EQ(total_cost(priced.problem, all), 7 + 40 + 7 + 20);
  EXPECT_EQ(total_cost(priced.problem, {Label::kInt8, Label::kFloat}), 7 + 40 + 100);
  EXPECT_EQ(cheapest_labels(priced.problem), all);
  EXPECT_EQ(conversions_at(priced.problem, priced.tensors, all, 0).dequantize, 0.0);
  EXPECT_EQ(conversions_at(priced.problem, priced.tensors, all, 1).quantize, 7.0);
}

/// Its readers in float take the float form that is there anyway.
TEST(StepTimes, AnOutputIsNotDequantizedForFloatReaders) {
  Network network = two(true);
  const TensorId middle = *network.find_tensor("middle");
  network.mark_output(network.activation(middle, ActivationKind::kTanh, 0.0f, 0.0f, "tanh"), "z");
  const auto plan = with_labels(network, true, true);
  for (const PlanStep& step : plan->steps) {
    EXPECT_FALSE(std::holds_alternative<DequantizeStep>(step.step)) << step.name;
  }
}

TEST(StepTimes, NoTwoGroupsShareAName) {
  Network n("names");
  TensorId x = n.add_input("x", DataType::kFloat32, {1, 8, 6, 6});
  const auto relu = [&](const std::string& name) {
    x = n.activation(x, ActivationKind::kRelu, 0.0f, 0.0f, name);
  };
  x = convolution(n, x, "a + b");  // and a layer of its own
  n.mark_output(x);
  x = convolution(n, x, "a");
  relu("b");
  x = convolution(n, x, "a.2");
  n.mark_output(x, "y");
  const LabelledGraph graph = labelled(n);
  std::set<std::string> names;
  for (const Group& group : graph.groups) names.insert(name_of(graph.network, group));
  EXPECT_EQ(names, (std::set<std::string>{"a + b", "a.3 + b", "a.2"}));
}

}  // namespace
}  // namespace octile::test
