// The noise of INT8 at the outputs, against brute force: a build for each group with that group
// alone in int8, run and compared with the float build here.
#include "tune/noise.h"

#include <limits>
#include <thread>

#include "compile/harness.h"

namespace octile::test {
namespace {

using Given = std::map<std::string, GivenLabel>;

Tensor floats(const Shape& shape, uint64_t seed, float scale = 1.0f) {
  Random random(seed);
  return random_floats(shape, random, scale);
}

/// Delivers batches as they are, whatever their shapes.
class Batches final : public BatchSource {
 public:
  explicit Batches(std::vector<Batch> batches) : batches_(std::move(batches)) {}
  std::optional<Batch> next() override {
    if (at_ == batches_.size()) return std::nullopt;
    return batches_[at_++];
  }
  void rewind() override { at_ = 0; }
  int64_t size() const override { return -1; }
  std::string digest() override { return ""; }

 private:
  std::vector<Batch> batches_;
  size_t at_ = 0;
};

struct Case {
  Network network;
  std::vector<std::vector<Tensor>> batches;  // of inputs in the network's order
  BuildOptions options = first_tactics(true);
  int64_t samples = 100;
};

CalibrationTable table_of(const Case& c) {
  CalibrationTable table;
  for (const auto& inputs : c.batches) {
    for (const auto& [name, entry] : table_for(c.network, inputs).entries) {
      auto& kept = table.entries.emplace(name, entry).first->second;
      kept.range = {std::min(kept.range.min, entry.range.min),
                    std::max(kept.range.max, entry.range.max)};
      kept.threshold = std::max(kept.threshold, entry.threshold);
    }
  }
  return table;
}

std::vector<GroupNoise> noise_of(const Case& c, const CalibrationTable& table,
                                 const CalibrationOptions& calibration = {}) {
  std::vector<Batch> batches;
  for (const auto& inputs : c.batches) {
    Batch& batch = batches.emplace_back();
    for (size_t i = 0; i < inputs.size(); ++i) {
      batch[c.network.name(c.network.inputs()[i])] = inputs[i];
    }
  }
  Batches source(std::move(batches));
  return group_noise(c.network, &table, c.options, source, calibration, c.samples);
}

/// Outputs for every batch of the engine whose named groups run in int8.
std::vector<std::vector<Tensor>> built_and_run(const Case& c, const CalibrationTable& table,
                                               const Given& given) {
  std::vector<std::vector<Tensor>> results;
  for (const auto& inputs : c.batches) {
    Profile profile;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Shape& shape = inputs[i].shape();
      profile[c.network.name(c.network.inputs()[i])] = {shape, shape, shape};
    }
    CompileOptions options{.build = c.options};
    options.build.profiles = {profile};
    options.labelling = {.kind = Labelling::Kind::kGiven, .given = given};
    results.push_back(run_plan(compile(c.network, &table, options), inputs));
  }
  return results;
}

/// The definition in noise.h.
double noise_between(const std::vector<std::vector<Tensor>>& values,
                     const std::vector<std::vector<Tensor>>& reference) {
  double sum = 0.0;
  int count = 0;
  for (size_t o = 0; o < reference[0].size(); ++o) {
    if (reference[0][o].type() != DataType::kFloat32) continue;
    double error = 0.0, signal = 0.0;
    for (size_t b = 0; b < reference.size(); ++b) {
      for (int64_t i = 0; i < reference[b][o].volume(); ++i) {
        const double y = reference[b][o].as<float>()[i];
        const double apart = double(values[b][o].as<float>()[i]) - y;
        error += apart * apart;
        signal += y * y;
      }
    }
    if (signal > 0.0) sum += error / signal, ++count;
  }
  return sum / count;
}

std::vector<std::string> names_of(const std::vector<GroupNoise>& list) {
  std::vector<std::string> names;
  for (const GroupNoise& entry : list) names.push_back(entry.group);
  return names;
}

/// Of every group that can run in int8, in running order.
std::vector<GroupNoise> brute_force(const Case& c, const CalibrationTable& table) {
  const LabelledGraph graph = label_graph(c.network, &table, CompileOptions{.build = c.options});
  const auto reference = built_and_run(c, table, {});
  std::vector<GroupNoise> list;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    if (!graph.labels[g].can_int8) continue;
    const std::string name = name_of(graph.network, graph.groups[g]);
    const auto values = built_and_run(c, table, {{name, {.precision = Precision::kInt8}}});
    list.push_back({name, noise_between(values, reference)});
  }
  return list;
}

/// Integer kernels are the build's own and float ones nearly, so what is left are values that a
/// float sum in another order moves across an edge of the grid: below 1e-5 on all of these.
constexpr double kTolerance = 1e-3;

void expect_same(const std::vector<GroupNoise>& measured, const std::vector<GroupNoise>& built) {
  ASSERT_EQ(names_of(measured), names_of(built));
  for (size_t g = 0; g < built.size(); ++g) {
    EXPECT_GT(built[g].noise, 1e-9) << built[g].group;
    EXPECT_NEAR(measured[g].noise, built[g].noise, kTolerance * built[g].noise) << built[g].group;
  }
}

void judge(const Case& c, size_t groups) {
  const CalibrationTable table = table_of(c);
  const std::vector<GroupNoise> measured = noise_of(c, table);
  EXPECT_EQ(measured.size(), groups);
  expect_same(measured, brute_force(c, table));
}

/// conv ▸ relu ▸ max pool, read by three: a convolution with the pooled image as its residual,
/// another branch, and its concatenation. The residual group's output is an output of the network
/// and read twice. The flattened image stays channels last, since a product alone reads it.
Case branches() {
  Network n("branches");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 3, 12, 12});
  TensorId a = n.convolution(x, floats({8, 3, 3, 3}, 1, 0.4f), floats({8}, 2), conv_of(1, 1), "a");
  a = n.activation(a, ActivationKind::kRelu, 0, 0, "relu_a");
  const TensorId p = n.pooling(a, pool_of(PoolingKind::kMax, 2, 2), "pool");
  TensorId b = n.convolution(p, floats({8, 8, 3, 3}, 3, 0.3f), floats({8}, 4), conv_of(1, 1), "b");
  b = n.elementwise(b, p, ElementwiseKind::kAdd, "add");
  b = n.activation(b, ActivationKind::kRelu, 0, 0, "relu_b");
  TensorId c = n.convolution(p, floats({4, 8, 1, 1}, 5, 0.5f), floats({4}, 6), conv_of(), "c");
  c = n.activation(c, ActivationKind::kSwish, 0, 0, "swish");
  const TensorId d =
      n.convolution(c, floats({4, 1, 3, 3}, 7, 0.5f), std::nullopt, conv_of(1, 1, 4), "d");
  TensorId e = n.concatenation({b, d, c}, 1, "concat");
  e = n.convolution(e, floats({8, 16, 1, 1}, 8, 0.3f), floats({8}, 9), conv_of(), "e");
  e = n.elementwise(e, b, ElementwiseKind::kMul, "mul");
  e = n.pooling(e, pool_of(PoolingKind::kAverage, 2, 2), "average");
  e = n.reshape(e, {-1, 72}, "flat");
  n.mark_output(b, "early");
  n.mark_output(n.fully_connected(e, floats({72, 10}, 10, 0.2f), floats({10}, 11), "fc"), "scores");
  return {n, {{floats({3, 3, 12, 12}, 21)}, {floats({1, 3, 12, 12}, 22)}}};
}

/// Two heads whose images become lists of rows, joined.
Case heads() {
  Network n("heads");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 4, 6, 6});
  std::vector<TensorId> lists;
  for (uint64_t h = 0; h < 2; ++h) {
    const std::string tail = std::to_string(h);
    TensorId t = n.convolution(x, floats({6, 4, 3, 3}, 31 + h, 0.3f), floats({6}, 33 + h),
                               conv_of(1 + int64_t(h), 1), "conv" + tail);
    t = n.transpose(t, {0, 2, 3, 1}, "turn" + tail);
    lists.push_back(n.reshape(t, {0, -1, 6}, "rows" + tail));
  }
  n.mark_output(n.concatenation(lists, 1, "joined"), "boxes");
  return {n, {{floats({2, 4, 6, 6}, 41)}}};
}

/// Two products of the input, and views of it, which engines need not copy.
Case views() {
  Network n("views");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 12});
  const TensorId a = n.fully_connected(x, floats({12, 5}, 42), floats({5}, 43), "a");
  const TensorId b = n.fully_connected(x, floats({12, 5}, 44), std::nullopt, "b");
  n.mark_output(n.elementwise(a, b, ElementwiseKind::kMul, "mul"), "y");
  const TensorId rows = n.reshape(x, {0, 3, 4}, "rows");
  n.mark_output(n.activation(rows, ActivationKind::kSigmoid, 0, 0, "sigmoid"), "gate");
  const TensorId columns = n.identity(n.reshape(rows, {0, 4, 3}, "columns"), "same");
  n.mark_output(n.activation(columns, ActivationKind::kTanh, 0, 0, "tanh"), "z");
  Case c{n, {{floats({3, 12}, 45)}}};
  c.options.disabled_passes = {"merge-movement", "remove-identities"};
  return c;
}

/// softmax(q·kᵀ)·v with a residual, of an input that all three products read.
Case attention(Scheme scheme) {
  Network n("attention");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 5, 8});
  const TensorId q = n.fully_connected(x, floats({8, 8}, 51, 0.6f), floats({8}, 52), "q");
  const TensorId k = n.fully_connected(x, floats({8, 8}, 53, 0.6f), floats({8}, 54), "k");
  const TensorId v = n.fully_connected(x, floats({8, 8}, 55, 0.6f), floats({8}, 56), "v");
  MatrixMultiply transposed;
  transposed.transpose_b = true;
  TensorId t = n.matrix_multiply(q, k, transposed, "qk");
  t = n.softmax(t, {2}, "softmax");
  t = n.matrix_multiply(t, v, {}, "mix");
  t = n.fully_connected(t, floats({8, 8}, 57, 0.6f), floats({8}, 58), "out");
  n.mark_output(n.elementwise(t, x, ElementwiseKind::kAdd, "sum"), "y");
  return {n, {{floats({3, 5, 8}, 59)}}, first_tactics(true, scheme)};
}

TEST(Noise, Branches) { judge(branches(), 12); }

TEST(Noise, BranchesAffine) {
  Case c = branches();
  c.options.scheme = Scheme::kStaticAffine;
  judge(c, 12);
}

TEST(Noise, Dynamic) {
  for (const Scheme scheme : {Scheme::kDynamicSymmetric, Scheme::kDynamicAffine}) {
    Case c = branches();
    c.options.scheme = scheme;
    judge(c, 6);
  }
}

TEST(Noise, Heads) { judge(heads(), 7); }

TEST(Noise, ViewsOfTheInput) { judge(views(), 8); }

TEST(Noise, Attention) {
  judge(attention(Scheme::kStaticSymmetric), 6);
  judge(attention(Scheme::kStaticAffine), 6);
}

TEST(Noise, ShapesMayChangeFromSampleToSample) {
  Network n("sizes");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 3, kDynamic, kDynamic});
  TensorId t = n.convolution(x, floats({4, 3, 3, 3}, 61, 0.4f), std::nullopt, conv_of(1, 1), "a");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu");
  const TensorId u = n.convolution(t, floats({4, 4, 1, 1}, 62), floats({4}, 63), conv_of(), "b");
  n.mark_output(n.elementwise(u, t, ElementwiseKind::kMul, "mul"), "y");
  judge({n, {{floats({1, 3, 6, 8}, 64)}, {floats({1, 3, 9, 5}, 65)}, {floats({1, 3, 6, 8}, 66)}}},
        3);
}

/// A fixed batch of 2 and 3 samples: the fourth row is no sample.
TEST(Noise, RowsThatFillUpABatchDoNotCount) {
  const auto network = [](int64_t batch) {
    Network n("batch");
    const TensorId x = n.add_input("x", DataType::kFloat32, {batch, 6});
    TensorId t = n.fully_connected(x, floats({6, 8}, 71), floats({8}, 72), "a");
    t = n.activation(t, ActivationKind::kTanh, 0, 0, "tanh");
    n.mark_output(n.fully_connected(t, floats({8, 4}, 73), std::nullopt, "b"), "y");
    return n;
  };
  Tensor samples = floats({3, 6}, 74);
  for (int64_t i = 12; i < 18; ++i) samples.as<float>()[i] *= 3.0f;
  const Case fixed{network(2), {{samples}}}, dynamic{network(kDynamic), {{samples}}};
  const CalibrationTable table = table_of(dynamic);
  expect_same(noise_of(fixed, table), noise_of(dynamic, table));
}

TEST(Noise, RunsTheFirstSamplesAlone) {
  Case c = branches();
  const CalibrationTable table = table_of(c);
  c.samples = 3;
  const auto measured = noise_of(c, table);
  c.batches.pop_back();  // the first held three
  expect_same(measured, brute_force(c, table));
  c.samples = 0;
  EXPECT_TRUE(contains(message_of([&] { noise_of(c, table); }), "at least one"));
  c.samples = 4;
  c.batches.clear();
  EXPECT_TRUE(contains(message_of([&] { noise_of(c, table); }), "no samples"));
}

TEST(Noise, ThreadsDoNotShow) {
  const Case c = branches();
  const CalibrationTable table = table_of(c);
  CalibrationOptions calibration;
  calibration.threads = 1;
  const auto reference = noise_of(c, table, calibration);
  for (const int threads : {2, 4, 11, 200}) {  // up to 4 samples · 12 groups have work
    calibration.threads = threads;
    const auto measured = noise_of(c, table, calibration);
    ASSERT_EQ(names_of(measured), names_of(reference));
    for (size_t g = 0; g < measured.size(); ++g) {
      EXPECT_EQ(measured[g].noise, reference[g].noise) << measured[g].group << threads;
    }
  }
}

TEST(Noise, TellsItsProgressInTheCallersThread) {
  const Case c = branches();
  int64_t last = 0;
  CalibrationOptions calibration;
  calibration.threads = 3;
  calibration.progress = [&, caller = std::this_thread::get_id()](std::string_view phase,
                                                                  int64_t done, int64_t total) {
    EXPECT_EQ(phase, "noise");
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
  };
  const auto source = memory_data({{"x", floats({5, 3, 12, 12}, 81)}}, 2);
  const CalibrationTable table = table_of(c);
  group_noise(c.network, &table, c.options, *source, calibration);
  EXPECT_EQ(last, 4 * 12);
}

TEST(Noise, RequestsDecideWhichGroupsHaveAnEntry) {
  Case c = branches();
  const CalibrationTable table = table_of(c);
  const auto all = noise_of(c, table);
  c.options.layer_precision = {{"b", Precision::kFloat32}, {"e", Precision::kInt8}};
  std::vector<GroupNoise> kept;
  for (const GroupNoise& entry : all) {
    if (entry.group != "b + add + relu_b") kept.push_back(entry);
  }
  ASSERT_EQ(kept.size() + 1, all.size());
  expect_same(noise_of(c, table), kept);  // "e" is alone where others are measured, and as before
  c.options.int8 = false;
  c.options.layer_precision.clear();
  EXPECT_TRUE(noise_of(c, table).empty());
}

/// What the model quantized itself INT8 does not change any more.
TEST(Noise, QuantizedByTheModel) {
  Network n("pairs");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 4, 6});
  const Quantize quantize{DataType::kInt8, {0.01f}, 0, -1, -128, 127, false};
  const TensorId q = n.quantize(x, quantize, "q");
  TensorId t = n.dequantize(q, Dequantize{{0.01f}, 0, -1, false}, "d");
  t = n.activation(t, ActivationKind::kSigmoid, 0, 0, "sigmoid");
  n.mark_output(n.activation(t, ActivationKind::kTanh, 0, 0, "tanh"), "y");
  const Case c{n, {{floats({2, 4, 6}, 91)}}};
  const auto measured = noise_of(c, table_of(c));
  ASSERT_EQ(names_of(measured), (std::vector<std::string>{"sigmoid", "tanh"}));
  EXPECT_EQ(measured[0].noise, 0.0);
  EXPECT_EQ(measured[0].sqnr_db(), std::numeric_limits<double>::infinity());
  EXPECT_GT(measured[1].noise, 1e-9);
  EXPECT_NEAR(measured[1].sqnr_db(), -10.0 * std::log10(measured[1].noise), 1e-9);
}

TEST(Noise, OutputsThatDoNotCount) {
  Case c = branches();
  Network& n = c.network;
  const TensorId scores = *n.find_tensor("scores");
  const LayerId top = n.top_k(scores, TopK{2, 1, true}, "top");
  n.mark_output(n.output(top, 1), "classes");
  const CalibrationTable table = table_of(c);
  const auto with_classes = noise_of(c, table);
  expect_same(with_classes, brute_force(c, table));
  const TensorId below = n.elementwise(scores, n.constant(Tensor::floats({1, 1}, {-1e6f}), "far"),
                                       ElementwiseKind::kAdd, "below");
  n.mark_output(n.activation(below, ActivationKind::kRelu, 0, 0, "never"), "zero");
  const auto measured = noise_of(c, table);  // "below" and what follows have no range
  expect_same(measured, with_classes);
  for (const char* output : {"early", "scores", "zero"}) n.unmark_output(*n.find_tensor(output));
  std::string told;
  c.options.log = [&](LogLevel, std::string_view message) { told += message; };
  EXPECT_TRUE(noise_of(c, table).empty());
  EXPECT_TRUE(contains(told, "no float output"));
}

/// A reciprocal of what int8 makes 0; and one of 0 itself, which does not count.
TEST(Noise, ValuesThatAreNotFinite) {
  Network n("reciprocal");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 3});
  const TensorId t = n.activation(x, ActivationKind::kTanh, 0, 0, "tanh");
  n.mark_output(n.unary(t, UnaryKind::kReciprocal, "one_over"), "y");
  const Case small{n, {{Tensor::floats({1, 3}, {1.0f, 1e-4f, 0.0f})}}};
  const auto infinite = noise_of(small, table_of(small));
  ASSERT_EQ(infinite.size(), 1u);
  EXPECT_EQ(infinite[0].noise, std::numeric_limits<double>::infinity());
  EXPECT_EQ(infinite[0].sqnr_db(), -std::numeric_limits<double>::infinity());
  const Case zero{n, {{Tensor::floats({1, 3}, {1.0f, 0.3001f, 0.0f})}}};
  const auto finite = noise_of(zero, table_of(zero));
  ASSERT_EQ(finite.size(), 1u);
  EXPECT_GT(finite[0].noise, 0.0);
  EXPECT_LT(finite[0].noise, 1e-3);
}

/// Boxes and scores from a convolution; with NonMaxSuppression behind them or as outputs.
Network detector(bool suppresses) {
  Network n("detector");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 3, 6, 6});
  TensorId t = n.convolution(x, floats({6, 3, 3, 3}, 101, 0.4f), std::nullopt, conv_of(1, 1), "a");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu");
  t = n.convolution(t, floats({5, 6, 3, 3}, 102, 0.3f), floats({5}, 103), conv_of(1, 1), "b");
  t = n.reshape(t, {1, 5, 36}, "flat");
  TensorId boxes = n.slice(t, Slice{{1}, {0}, {4}, {}}, "corners");
  boxes = n.transpose(boxes, {0, 2, 1}, "boxes");
  const TensorId scores = n.slice(t, Slice{{1}, {4}, {1}, {}}, "scores");
  const TensorId list = n.activation(scores, ActivationKind::kSigmoid, 0, 0, "list");
  if (!suppresses) {
    for (const TensorId output : {boxes, scores, list}) n.mark_output(output);
    return n;
  }
  TensorId kept =
      n.output(n.add(NonMaxSuppression{64, 0.3f, 0.2f, false}, {boxes, scores}, "suppress"));
  kept = n.reshape(n.slice(kept, Slice{{1}, {2}, {1}, {}}, "column"), {-1}, "index");
  TensorId best = n.gather(list, kept, 2, "best");
  n.mark_output(n.activation(best, ActivationKind::kTanh, 0, 0, "tanh"), "found");
  return n;
}

TEST(Noise, LateOutputsAreMeasuredInFrontOfWhatMakesThemLate) {
  const std::vector<std::vector<Tensor>> batches{{floats({1, 3, 6, 6}, 104)}};
  Case late{detector(true), batches};
  const Case fixed{detector(false), batches};
  const CalibrationTable table = table_of(late);
  std::string told;
  late.options.log = [&](LogLevel, std::string_view message) { told += message; };
  const auto measured = noise_of(late, table);
  const auto built = brute_force(fixed, table);
  EXPECT_EQ(built.size(), 7u);
  expect_same(measured, built);
  EXPECT_TRUE(contains(told, "the noise of 2 groups is not known"));
  EXPECT_TRUE(contains(told, "best"));
  EXPECT_TRUE(contains(told, "tanh"));
}

}  // namespace
}  // namespace octile::test
