// Engines on a GPU: the CPU's bits, host and device pointers, streams, several contexts, errors.
// Without a GPU only the refusals are tested, and it says so.
#include <gtest/gtest.h>

#include <thread>

#include "backend/backend.h"
#include "plan/keep_tensors.h"
#include "runtime/networks.h"
#include "runtime/step_clock.h"
#include "runtime/tensor_access.h"
#include "support/gpu.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

std::vector<Tensor> inputs_of(int64_t batch, uint32_t seed) {
  Random random(seed);
  return {random_floats({batch, 3, 12, 12}, random)};
}

TEST(Device, NamesAreChecked) {
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cpu:1"}) {
    const std::string text =
        message_of([&] { (void)device_from_name(name); }, ErrorCode::kInvalidArgument);
    EXPECT_NE(text.find("octile devices"), std::string::npos) << name << ": " << text;
  }
  EXPECT_EQ(device_from_name("cpu").backend, &cpu_backend());
}

TEST(Device, WithoutOneTheMessageSaysWhatIsMissingAndTheCpuGoesOn) {
  const Gpu gpu;
  if (gpu.accelerator != nullptr) GTEST_SKIP() << "there is a GPU";
  EXPECT_NE(gpu.refusal.find("cuda"), std::string::npos) << gpu.refusal;
  EXPECT_NE(gpu.refusal.find("use"), std::string::npos) << gpu.refusal;
  const Plan plan = plan_of(small_cnn(), {});
  const std::string text =
      message_of([&] { (void)Engine::load(plan, {.device = "cuda:0"}); }, ErrorCode::kDevice);
  EXPECT_EQ(text, gpu.refusal);
  EXPECT_EQ(Engine::load(plan).device(), "cpu");
}

TEST(Device, StreamsAreForGpus) {
  const Plan plan = plan_of(small_cnn(), {});
  const Engine engine = Engine::load(plan);
  ExecutionContext context = engine.create_context();
  const std::string text =
      message_of([&] { context.run(DeviceStream(nullptr)); }, ErrorCode::kInvalidArgument);
  EXPECT_NE(text.find("streams"), std::string::npos) << text;
  context.wait();  // nothing to wait for
}

class OnGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (gpu_.accelerator == nullptr) GTEST_SKIP() << "no run on a GPU: " << gpu_.refusal;
  }
  const Accelerator& gpu() const { return *gpu_.accelerator; }
  Memory on_device(const Tensor& t) const {
    return upload(&gpu(), std::as_bytes(std::span(t.as<std::byte>(), t.bytes())));
  }
  /// What the memory holds once the stream has come to its end.
  Tensor read(const Memory& memory, const Tensor& like, Stream stream) const {
    Tensor found(like.type(), like.shape());
    gpu().copy(found.data(), memory.data(), found.bytes(), stream);
    EXPECT_EQ(gpu().wait(stream), "");
    return found;
  }
  Gpu gpu_;
};

TEST_F(OnGpu, Int8PlansGiveTheBitsOfTheCpu) {
  uint32_t seed = 0;
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine,
                              Scheme::kDynamicSymmetric, Scheme::kDynamicAffine}) {
    const Plan plan = plan_of(small_cnn(), {.scheme = scheme, .profiles = {{1, 8}}});
    const Engine cpu = Engine::load(plan), engine = Engine::load(plan, {.device = "cuda:0"});
    EXPECT_EQ(engine.device(), "cuda:0");
    ExecutionContext a = cpu.create_context(), b = engine.create_context();
    for (const int64_t batch : {1, 3, 8, 3, 3, 3, 1, 1, 1, 1}) {  // the third time as a graph
      const auto inputs = inputs_of(batch, ++seed);
      const auto expected = a.run(inputs), actual = b.run(inputs);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(expected[i], actual[i]) << name_of(scheme) << ", batch " << batch;
      }
    }
  }
}

/// Poolings behind a first layer and behind others, the last of which leaves a line out.
Network pooled_cnn() {
  Random random(4);
  Network n("pooled");
  TensorId t = n.add_input("x", DataType::kFloat32, {kDynamic, 3, 12, 12});
  Convolution conv;
  conv.window.pad_before = conv.window.pad_after = {1, 1};
  Pooling pool;
  pool.window.kernel = pool.window.stride = {2, 2};
  int64_t channels = 3;
  for (const char* name : {"1", "2", "3"}) {
    t = n.convolution(t, random_floats({16, channels, 3, 3}, random, 0.3f),
                      random_floats({16}, random), conv, std::string("conv") + name);
    t = n.activation(t, ActivationKind::kRelu, 0, 0, std::string("relu") + name);
    t = n.pooling(t, pool, std::string("pool") + name);
    channels = 16;
  }
  t = n.reshape(t, {0, -1}, "flatten");
  t = n.fully_connected(t, random_floats({16, 10}, random, 0.1f), random_floats({10}, random),
                        "fc");
  n.mark_output(t, "y");
  return n;
}

TEST_F(OnGpu, ChainsOfRecordedGraphsGiveTheBitsOfTheCpu) {
  const DeviceName where = device_from_name("cuda:0");
  const Device device = where.backend->open(std::nullopt, 1, where.ordinal);
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
    const Plan plan = plan_of(pooled_cnn(), {.scheme = scheme, .profiles = {{1, 2}}});
    const PlanData& data = plan.data();
    const std::vector<Shape> shapes = infer_all_shapes(data, std::vector{Shape{2, 3, 12, 12}});
    std::vector<ChosenStep> chosen(data.steps.size());
    std::vector<std::unique_ptr<PackedWeights>> packed;
    for (size_t s = 0; s < chosen.size(); ++s) {
      chosen[s].view.emplace(make_view(data, data.steps[s], shapes));
      chosen[s].tactic = &first_accepting(*where.backend, *chosen[s].view, device);
      packed.push_back(chosen[s].tactic->pack(*chosen[s].view, device));
      chosen[s].packed = packed.back().get();
    }
    const size_t expected = gpu_.is_simulated() || device.isa == Isa::kWgmma ? 3
                            : device.isa == Isa::kMma                        ? 1
                                                                             : 0;
    EXPECT_EQ(where.backend->find_chains(chosen, device).size(), expected) << name_of(scheme);

    const Engine cpu = Engine::load(plan), engine = Engine::load(plan, {.device = "cuda:0"});
    ExecutionContext a = cpu.create_context(), b = engine.create_context();
    uint32_t seed = 0;
    for (const int64_t batch : {2, 2, 2, 2, 1, 1, 1, 1}) {  // from the second time on a graph
      const auto inputs = inputs_of(batch, ++seed);
      EXPECT_EQ(a.run(inputs)[0], b.run(inputs)[0]) << name_of(scheme) << ", batch " << batch;
    }
  }
}

TEST_F(OnGpu, StepsAreTimedInARowAndTheContextStaysAsItWas) {
  const Plan plan = plan_of(pooled_cnn(), {.profiles = {{1, 2}}});
  const Engine cpu = Engine::load(plan), engine = Engine::load(plan, {.device = "cuda:0"});
  ExecutionContext a = cpu.create_context(), b = engine.create_context();
  for (const uint32_t seed : {1u, 2u, 3u}) b.run(inputs_of(2, seed));
  StepClock clock(b);
  if (gpu_.is_simulated() || engine.isa() == name_of(Isa::kWgmma)) {
    EXPECT_EQ(clock.chain_count(), 3u);  // memory is planned for them
  }
  for (int i = 0; i < 2; ++i) {
    const std::vector<double> times = clock.sample();
    ASSERT_EQ(times.size(), plan.data().steps.size());
    const auto of = [&](std::string_view name) {
      double sum = 0.0;
      for (size_t s = 0; s < times.size(); ++s) {
        if (plan.data().steps[s].name.starts_with(name)) sum += times[s];
      }
      return sum;
    };
    for (const char* name : {"conv1", "pool1", "conv2", "pool2", "conv3", "pool3", "fc"}) {
      EXPECT_GT(of(name), 0.0) << name;
    }
  }
  const auto inputs = inputs_of(2, 4);
  EXPECT_EQ(a.run(inputs)[0], b.run(inputs)[0]);
}

TEST(Device, StepsAreTimedInARowOnGpusAlone) {
  const Engine engine = Engine::load(plan_of(small_cnn(), {}));
  ExecutionContext context = engine.create_context();
  const std::string text = message_of([&] { StepClock clock(context); }, ErrorCode::kInternal);
  EXPECT_NE(text.find("GPU"), std::string::npos) << text;
}

TEST_F(OnGpu, Float16IsCloseToFloat32AndTheCpuRunsItToo) {
  for (const bool int8 : {false, true}) {
    const Plan floats = plan_of(small_cnn(), {.int8 = int8, .profiles = {{1, 8}}});
    const Plan halves = plan_of(small_cnn(), {.int8 = int8, .profiles = {{1, 8}}, .fp16 = true});
    const Engine exact = Engine::load(floats), cpu = Engine::load(halves),
                 engine = Engine::load(halves, {.device = "cuda:0"});
    for (const std::string& tactic : engine.tactics()) {
      EXPECT_EQ(tactic == "cuda.host", gpu_.is_simulated()) << tactic;
    }
    ExecutionContext a = exact.create_context(), b = cpu.create_context(),
                     c = engine.create_context();
    for (const int64_t batch : {1, 8, 8, 8, 3}) {
      const auto inputs = inputs_of(batch, uint32_t(batch));
      const Tensor expected = a.run(inputs)[0];
      for (ExecutionContext* context : {&b, &c}) {
        EXPECT_GT(sqnr(expected, context->run(inputs)[0]), int8 ? 30.0 : 50.0)
            << (context == &c ? "GPU" : "CPU") << (int8 ? ", int8" : "") << ", batch " << batch;
      }
    }
  }
}

TEST_F(OnGpu, HostAndDeviceMemoryAndStreamsAreTheSame) {
  const Plan plan = plan_of(small_cnn(), {.profiles = {{1, 8}}});
  const Engine engine = Engine::load(plan, {.device = "cuda:0"});
  const auto inputs = inputs_of(4, 5);
  ExecutionContext first = engine.create_context();
  const Tensor expected = first.run(inputs)[0];
  const Binding input = engine.bindings()[0], output = engine.bindings().back();

  ExecutionContext context = engine.create_context();
  context.set_input_shape(input.name, inputs[0].shape());
  Tensor on_host(output.type, expected.shape());
  context.bind_input(input.name, inputs[0].data());
  context.bind_output(output.name, on_host.data());
  for (int run = 0; run < 3; ++run) {
    std::memset(on_host.data(), 0, on_host.bytes());
    context.run();
    EXPECT_EQ(on_host, expected) << "host memory, run " << run;
  }

  const Memory in = on_device(inputs[0]);
  const Memory out(&gpu(), expected.bytes());
  const OwnedStream stream(gpu());
  context.bind_input(input.name, in.data());
  context.bind_output(output.name, out.data());
  for (int run = 0; run < 4; ++run) {
    gpu().fill(out.data(), 0, out.bytes(), stream.get());
    context.run(DeviceStream(stream.get()));
    EXPECT_EQ(read(out, expected, stream.get()), expected) << "device memory, run " << run;
    EXPECT_EQ(context.output(output.name), expected);
  }
}

TEST_F(OnGpu, RunsOfAContextOnTwoStreamsTakeTurns) {
  const Plan plan = plan_of(small_cnn(), {.profiles = {{1, 8}}});
  const Engine engine = Engine::load(plan, {.device = "cuda:0"});
  ExecutionContext context = engine.create_context();
  const Binding input = engine.bindings()[0], output = engine.bindings().back();
  context.set_input_shape(input.name, Shape{8, 3, 12, 12});
  struct Lane {
    Tensor expected;
    Memory in, out;
    std::unique_ptr<OwnedStream> stream;
  };
  std::vector<Lane> lanes(2);
  for (uint32_t seed = 1; Lane & lane : lanes) {
    const auto inputs = inputs_of(8, seed++);
    ExecutionContext alone = engine.create_context();
    lane.expected = alone.run(inputs)[0];
    lane.in = on_device(inputs[0]);
    lane.out = Memory(&gpu(), lane.expected.bytes());
    lane.stream = std::make_unique<OwnedStream>(gpu());
  }
  for (int run = 0; run < 20; ++run) {  // nobody waits: the context does, from stream to stream
    const Lane& lane = lanes[size_t(run % 2)];
    context.bind_input(input.name, lane.in.data());
    context.bind_output(output.name, lane.out.data());
    context.run(DeviceStream(lane.stream->get()));
  }
  for (const Lane& lane : lanes) {
    EXPECT_EQ(read(lane.out, lane.expected, lane.stream->get()), lane.expected);
  }
}

TEST_F(OnGpu, AContextEndsAfterItsRun) {
  const Plan plan = plan_of(small_cnn(), {.profiles = {{1, 8}}});
  const Engine engine = Engine::load(plan, {.device = "cuda:0"});
  const auto inputs = inputs_of(8, 3);
  ExecutionContext alone = engine.create_context();
  const Tensor expected = alone.run(inputs)[0];
  const Binding input = engine.bindings()[0], output = engine.bindings().back();
  const Memory in = on_device(inputs[0]);
  const Memory out(&gpu(), expected.bytes());
  const OwnedStream stream(gpu());
  for (int runs = 1; runs < 5; ++runs) {
    gpu().fill(out.data(), 0, out.bytes(), stream.get());
    {
      ExecutionContext context = engine.create_context();
      context.set_input_shape(input.name, inputs[0].shape());
      context.bind_input(input.name, in.data());
      context.bind_output(output.name, out.data());
      for (int run = 0; run < runs; ++run) context.run(DeviceStream(stream.get()));
    }
    EXPECT_EQ(read(out, expected, stream.get()), expected) << runs;
  }
}

/// Rows of a table by their numbers, which may be wrong.
TEST_F(OnGpu, WhatAStepOnTheHostObjectsToIsToldByWhoeverWaits) {
  Random random(7);
  Network n("rows");
  const TensorId which = n.add_input("which", DataType::kInt32, {4});
  const TensorId table = n.constant(random_floats({5, 3}, random), "table");
  n.mark_output(n.gather(table, which, 0, "pick"), "y");
  const Plan plan = plan_of(n, {.int8 = false});
  const Engine cpu = Engine::load(plan), engine = Engine::load(plan, {.device = "cuda:0"});
  if (engine.tactics().back() != "cuda.host") GTEST_SKIP() << "no step runs on the host";
  const auto numbers = [](int32_t last) {
    Tensor t(DataType::kInt32, Shape{4});
    for (int32_t i = 0; i < 4; ++i) t.as<int32_t>()[i] = i < 3 ? i : last;
    return std::vector<Tensor>{t};
  };
  ExecutionContext a = cpu.create_context(), b = engine.create_context();
  for (int run = 0; run < 4; ++run) {  // from the third time on a graph
    EXPECT_EQ(a.run(numbers(4))[0], b.run(numbers(4))[0]) << run;
    const std::string expected =
        message_of([&] { a.run(numbers(5)); }, ErrorCode::kInvalidArgument);
    EXPECT_EQ(message_of([&] { b.run(numbers(5)); }, ErrorCode::kInvalidArgument), expected) << run;
  }
}

TEST_F(OnGpu, ContextsInSeveralThreadsShareAnEngine) {
  const Plan plan = plan_of(small_cnn(), {.profiles = {{1, 8}}});
  const Engine engine = Engine::load(plan, {.device = "cuda:0"});
  const auto inputs = inputs_of(2, 9);
  ExecutionContext alone = engine.create_context();
  const Tensor expected = alone.run(inputs)[0];
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      ExecutionContext context = engine.create_context();
      for (int run = 0; run < 50; ++run) count += context.run(inputs)[0] == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

/// The plan with another tactic for each convolution of few channels.
Plan with_first_tactic(const Plan& plan, const std::string& tactic) {
  auto data = std::make_shared<PlanData>(plan.data());
  for (PlanStep& step : data->steps) {
    const auto* conv = std::get_if<ConvStep>(&step.step);
    if (conv != nullptr && conv->in_channels <= 4) step.tactics.assign(1, tactic);
  }
  return Plan(std::move(data));
}

TEST_F(OnGpu, AFirstLayerQuantizesItsInputItself) {
  if (gpu_.is_simulated()) GTEST_SKIP() << "a simulated GPU has no kernels";
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
    const Plan plan = plan_of(small_cnn(), {.scheme = scheme, .profiles = {{1, 8}}});
    ASSERT_EQ(plan.layers()[0].step, "Quantize");
    const Engine cpu = Engine::load(plan);
    ExecutionContext expected = cpu.create_context();
    // A plan from elsewhere; then tactics that read floats, and one that wants bytes.
    const std::pair<const char*, bool> tactics[] = {
        {"int8.gemm.avx2", true}, {"cuda.stem", true}, {"cuda.dp4a", false}};
    for (const auto& [tactic, fused] : tactics) {
      const Engine engine = Engine::load(with_first_tactic(plan, tactic), {.device = "cuda:0"});
      EXPECT_EQ(engine.tactics()[0], fused ? kAbsorbedTactic : "cuda.quantize") << tactic;
      if (engine.tactics()[1].starts_with("cuda.stem") != fused) ADD_FAILURE() << tactic;
      ExecutionContext context = engine.create_context();
      for (const int64_t batch : {2, 8, 8, 8, 1}) {
        const auto inputs = inputs_of(batch, uint32_t(batch));
        EXPECT_EQ(context.run(inputs), expected.run(inputs)) << tactic << ", batch " << batch;
      }
      int calls = 0;
      context.set_profiler([&](int, int64_t) { ++calls; });
      (void)context.run(inputs_of(2, 1));
      EXPECT_EQ(calls, int(plan.layers().size())) << tactic;
    }
  }
}

TEST_F(OnGpu, PicturesThatComeChannelsLastGiveTheBitsOfTheCpu) {
  Random random(6);
  Network n("picture");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 12, 12, 3});
  Convolution conv;
  conv.window.pad_before = conv.window.pad_after = {1, 1};
  const TensorId y =
      n.convolution(n.transpose(x, {0, 3, 1, 2}), random_floats({8, 3, 3, 3}, random, 0.3f),
                    random_floats({8}, random), conv, "conv");
  n.mark_output(y, "y");
  const Plan plan = plan_of(n, {.profiles = {{1, 8}}});
  ASSERT_EQ(plan.layers()[0].step, "View");
  ASSERT_EQ(plan.layers()[1].step, "Quantize");
  const Engine cpu = Engine::load(plan), engine = Engine::load(plan, {.device = "cuda:0"});
  if (!gpu_.is_simulated()) {
    EXPECT_EQ(engine.tactics()[1], kAbsorbedTactic);
  }
  ExecutionContext expected = cpu.create_context(), context = engine.create_context();
  for (const int64_t batch : {2, 8, 8, 8, 1}) {
    const Tensor pictures = random_floats({batch, 12, 12, 3}, random);
    EXPECT_EQ(context.run({pictures}), expected.run({pictures})) << "batch " << batch;
  }
}

TEST_F(OnGpu, TensorsThatAreLookedAtAreMade) {
  const Plan plan = plan_of(small_cnn(), {.profiles = {{2, 2}}});
  auto data = std::make_shared<PlanData>(plan.data());
  for (PlanProfile& profile : data->profiles) plan_memory_without_reuse(*data, profile);
  const Plan keeping(std::move(data));
  const Engine cpu = Engine::load(keeping), engine = Engine::load(keeping, {.device = "cuda:0"});
  EXPECT_EQ(engine.tactics()[0], gpu_.is_simulated() ? "cuda.host" : "cuda.quantize");
  ExecutionContext a = cpu.create_context(), b = engine.create_context();
  (void)a.run(inputs_of(2, 3)), (void)b.run(inputs_of(2, 3));
  const auto quantized = size_t(plan.data().steps[0].outputs[0]);
  const auto bytes_in = [&](const ExecutionContext& context) {
    std::string bytes;
    TensorAccess::visit(context, [&](int32_t t, const Shape& shape, const void* at) {
      if (size_t(t) == quantized)
        bytes.assign(static_cast<const char*>(at), size_t(shape.volume()));
    });
    return bytes;
  };
  EXPECT_FALSE(bytes_in(a).empty());
  EXPECT_EQ(bytes_in(a), bytes_in(b));
}

TEST_F(OnGpu, AProfilerSeesEveryStep) {
  const Plan plan = plan_of(small_cnn(), {.profiles = {{1, 8}}});
  const Engine engine = Engine::load(plan, {.device = "cuda:0"});
  ExecutionContext context = engine.create_context();
  std::vector<int64_t> times(plan.layers().size(), -1);
  context.set_profiler([&](int step, int64_t ns) { times[size_t(step)] = ns; });
  (void)context.run(inputs_of(2, 1));
  for (size_t s = 0; s < times.size(); ++s) EXPECT_GE(times[s], 0) << "step " << s;
}

}  // namespace
}  // namespace octile::test
