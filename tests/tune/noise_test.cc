// The noise of INT8 at the outputs, against brute force: a build for each group with that group
// alone in int8, run and compared here.
#include "tune/noise.h"

#include <limits>

#include "compile/harness.h"

namespace octile::test {
namespace {

using Given = std::map<std::string, GivenLabel>;

/// Builds for samples of any number, with the named groups in int8.
Engine engine_of(const Network& network, const CalibrationTable& table, BuildOptions options,
                 const Given& given, const std::vector<Tensor>& inputs) {
  Profile profile;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& shape = inputs[i].shape();
    profile[network.name(network.inputs()[i])] = {shape, shape, shape};
  }
  options.profiles = {profile};
  const auto plan =
      compile(network, &table,
              CompileOptions{.build = options,
                             .labelling = {.kind = Labelling::Kind::kGiven, .given = given}});
  return Engine::load(Plan(plan), {.threads = 1});
}

std::vector<Tensor> outputs_of(const Engine& engine, const std::vector<Tensor>& inputs) {
  ExecutionContext context = engine.create_context();
  return context.run(inputs);
}

double relative_error(const Tensor& value, const Tensor& reference) {
  double error = 0.0, signal = 0.0;
  for (int64_t i = 0; i < reference.volume(); ++i) {
    const double y = reference.as<float>()[i], apart = double(value.as<float>()[i]) - y;
    error += apart * apart;
    signal += y * y;
  }
  return error / signal;
}

struct Case {
  Network network;
  std::vector<Tensor> inputs;  // all samples
  BuildOptions options = first_tactics(true);
};

std::unique_ptr<BatchSource> source_of(const Case& c, int64_t batch = 3) {
  Batch samples;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    samples[c.network.name(c.network.inputs()[i])] = c.inputs[i];
  }
  return memory_data(samples, batch);
}

std::vector<GroupNoise> noise_of(const Case& c, const CalibrationTable& table, int threads = 1) {
  CalibrationOptions calibration;
  calibration.threads = threads;
  return group_noise(c.network, &table, c.options, *source_of(c), calibration,
                     c.inputs[0].shape()[0]);
}

void judge(const Case& c, size_t groups) {
  const CalibrationTable table = table_for(c.network, c.inputs);
  const LabelledGraph graph = label_graph(c.network, &table, CompileOptions{.build = c.options});
  const std::vector<GroupNoise> measured = noise_of(c, table);
  EXPECT_EQ(measured.size(), groups);
  const auto reference = outputs_of(engine_of(c.network, table, c.options, {}, c.inputs), c.inputs);
  size_t at = 0;
  for (size_t g = 0; g < graph.groups.size(); ++g) {
    if (!graph.labels[g].can_int8) continue;
    const std::string name = name_of(graph.network, graph.groups[g]);
    ASSERT_LT(at, measured.size());
    EXPECT_EQ(measured[at].group, name);
    const Given given = {{name, {.precision = Precision::kInt8}}};
    const auto outputs =
        outputs_of(engine_of(c.network, table, c.options, given, c.inputs), c.inputs);
    double noise = 0.0;
    int count = 0;
    for (size_t o = 0; o < outputs.size(); ++o) {
      if (outputs[o].type() != DataType::kFloat32) continue;
      noise += relative_error(outputs[o], reference[o]);
      ++count;
    }
    noise /= count;
    printf("%-40s %.3e %.3e %.2f dB  %+.4f %%\n", name.c_str(), noise, measured[at].noise,
           measured[at].sqnr_db(), 100 * (measured[at].noise / noise - 1));
    ++at;
  }
  EXPECT_EQ(at, measured.size());
}

Tensor floats(const Shape& shape, uint64_t seed, float scale = 1.0f) {
  Random random(seed);
  return random_floats(shape, random, scale);
}

/// conv ▸ relu ▸ pool; two branches, one with a fused residual; concat; swish; second output.
Case branches(int64_t samples) {
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
  TensorId d = n.convolution(c, floats({4, 1, 3, 3}, 7, 0.5f), std::nullopt, conv_of(1, 1, 4), "d");
  const TensorId e = n.concatenation({b, d, c}, 1, "concat");
  TensorId f = n.convolution(e, floats({8, 16, 1, 1}, 8, 0.3f), floats({8}, 9), conv_of(), "e");
  f = n.elementwise(f, b, ElementwiseKind::kMul, "mul");
  n.mark_output(b, "early");
  TensorId g = n.pooling(f, pool_of(PoolingKind::kAverage, 2, 2), "average");
  g = n.reshape(g, {-1, 72}, "flat");
  n.mark_output(n.fully_connected(g, floats({72, 10}, 10, 0.2f), floats({10}, 11), "fc"), "late");
  return {n, {floats({samples, 3, 12, 12}, 21)}};
}

TEST(Noise, Branches) { judge(branches(4), 11); }

}  // namespace
}  // namespace octile::test
