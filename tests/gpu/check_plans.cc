// Runs plans on the CPU and on a GPU with the same random inputs and compares: what follows from
// int8 steps alone must have the same bits, the rest must be close. Each plan runs step by step,
// recorded, replayed, with other batches in between, in a second context, and on a stream of the
// caller's with inputs and outputs in device memory.
//
//   octile_gpu_check [--device cuda:0] [--isa mma] PLAN… MODEL.onnx…
//
// A model is built on the spot: float, float16, and INT8 by each scheme, calibrated with random
// samples on the CPU and on the GPU.
//
// Exit code 77 without a GPU.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

#include "backend/backend.h"
#include "octile/builder.h"
#include "octile/data.h"
#include "octile/engine.h"
#include "octile/onnx.h"
#include "plan/plan_data.h"

namespace octile {
namespace {

constexpr int kSkipped = 77;

// --- what must be exact ---

/// Steps whose results are the same bits everywhere, given the same inputs.
struct IsExact {
  const PlanData& plan;
  const PlanStep& step;
  bool reads_float() const {
    for (const int32_t t : step.inputs) {
      if (is_real(plan.tensors[size_t(t)].type)) return true;
    }
    return false;
  }
  bool first_is_float() const { return is_real(plan.tensors[size_t(step.inputs[0])].type); }

  bool operator()(const ConvStep&) const { return !first_is_float(); }
  bool operator()(const PoolStep& s) const {
    return !first_is_float() || s.kind == PoolingKind::kMax;
  }
  bool operator()(const SoftmaxStep&) const { return !first_is_float(); }
  bool operator()(const EltwiseStep&) const { return !reads_float(); }
  bool operator()(const MatMulStep&) const { return !reads_float(); }
  bool operator()(const DeconvStep&) const { return false; }
  bool operator()(const ActivationStep&) const { return false; }
  bool operator()(const NormalizeStep&) const { return false; }
  bool operator()(const GenericStep& s) const {
    return std::holds_alternative<Slice>(s.op) || std::holds_alternative<Shuffle>(s.op) ||
           std::holds_alternative<Padding>(s.op) || std::holds_alternative<Gather>(s.op);
  }
  template <typename Other>
  bool operator()(const Other&) const {
    return true;  // quantize, dequantize, lookup, and what moves bytes
  }
};

/// By output of the engine.
std::vector<bool> exact_outputs(const PlanData& plan) {
  std::vector<bool> exact(plan.tensors.size(), true);
  for (const PlanStep& step : plan.steps) {
    bool all = std::visit(IsExact{plan, step}, step.step);
    for (const int32_t t : step.inputs) all = all && exact[size_t(t)];
    for (const int32_t t : step.outputs) exact[size_t(t)] = all;
  }
  std::vector<bool> outputs;
  for (const int32_t t : plan.outputs) outputs.push_back(exact[size_t(t)]);
  return outputs;
}

// --- data ---

Tensor random_input(const Binding& binding, const Shape& shape, std::mt19937& random) {
  Tensor values(DataType::kFloat32, shape);
  std::uniform_real_distribution<float> draw(-2.0f, 2.0f);
  for (int64_t i = 0; i < values.volume(); ++i) values.as<float>()[i] = draw(random);
  return values.cast(binding.type);
}

/// ‖a − b‖ / ‖b‖ over floats; 0 or 1 for other types.
double distance(const Tensor& a, const Tensor& b) {
  if (a.type() != DataType::kFloat32) return a == b ? 0.0 : 1.0;
  double off = 0.0, whole = 0.0;
  for (int64_t i = 0; i < a.volume(); ++i) {
    const double x = a.as<float>()[i], y = b.as<float>()[i];
    if (std::isnan(x) != std::isnan(y)) return kInfinity;
    if (std::isnan(x) || x == y) {
      whole += std::isfinite(y) ? y * y : 0.0;
      continue;
    }
    off += (x - y) * (x - y);
    whole += y * y;
  }
  return whole > 0.0 ? std::sqrt(off / whole) : std::sqrt(off);
}

struct Result {
  int compared = 0, different = 0;  // outputs
  double worst = 0.0;               // of those that need not be exact
  std::string first;                // what differed first
};

constexpr double kClose = 2e-2;
constexpr double kNoise = 1e-5, kHalfNoise = 0x1p-11;  // relative

/// What inputs may be off and be as good as the same: float16 steps round theirs.
double noise_of(const PlanData& plan) {
  for (const PlanTensor& t : plan.tensors) {
    if (t.type == DataType::kFloat16) return kHalfNoise;
  }
  return kNoise;
}

/// Float steps between int8 ones may turn a rounding over, and so do float16 steps, which some
/// networks make much of on random inputs: how far off the CPU itself is where its inputs are as
/// good as the same.
class OwnNoise {
 public:
  OwnNoise(ExecutionContext& cpu, double noise, const std::vector<Tensor>& inputs,
           const std::vector<Tensor>& expected)
      : cpu_(cpu), noise_(noise), inputs_(inputs), expected_(expected) {}
  /// The worst of a few draws: whether a rounding turns over is chance.
  double of(size_t output) {
    if (worst_.empty()) {
      worst_.assign(expected_.size(), 0.0);
      for (const unsigned seed : {3u, 4u, 5u, 6u}) draw(seed);
    }
    return worst_[output];
  }

 private:
  ExecutionContext& cpu_;
  double noise_;
  const std::vector<Tensor>&inputs_, &expected_;
  std::vector<double> worst_;  // of each output

  void draw(unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, float(noise_));
    std::vector<Tensor> inputs = inputs_;
    for (Tensor& x : inputs) {
      if (x.type() != DataType::kFloat32) continue;
      for (int64_t i = 0; i < x.volume(); ++i) x.as<float>()[i] *= 1.0f + normal(random);
    }
    const std::vector<Tensor> noisy = cpu_.run(inputs);
    for (size_t o = 0; o < expected_.size(); ++o) {
      const bool same_shape = noisy[o].shape() == expected_[o].shape();
      const double off = same_shape ? distance(noisy[o], expected_[o]) : kInfinity;
      worst_[o] = std::max(worst_[o], off);
    }
  }
};

void compare(const std::string& how, const std::vector<Binding>& bindings,
             const std::vector<bool>& exact, const std::vector<Tensor>& expected,
             const std::vector<Tensor>& actual, OwnNoise& noise, Result& result) {
  size_t at = 0;
  for (const Binding& binding : bindings) {
    if (binding.is_input) continue;
    const size_t o = at++;
    ++result.compared;
    const bool same_shape = expected[o].shape() == actual[o].shape();
    const double off = same_shape ? distance(actual[o], expected[o]) : kInfinity;
    if (!exact[o]) result.worst = std::max(result.worst, off);
    const bool good = exact[o] ? same_shape && expected[o] == actual[o]
                               : off <= kClose || binding.from_values || off <= 3 * noise.of(o);
    if (good) continue;
    ++result.different;
    if (result.first.empty()) {
      result.first = fmt::format("{}: '{}' is {:.2e} off{}", how, binding.name, off,
                                 exact[o] ? " and should be equal" : "");
    }
  }
}

// --- ways to run ---

/// A caller's stream, inputs and outputs in device memory.
std::vector<Tensor> run_on_stream(const Engine& engine, const Accelerator& gpu,
                                  const std::vector<Tensor>& inputs) {
  ExecutionContext context = engine.create_context();
  const OwnedStream stream(gpu);
  std::vector<Memory> memory;
  size_t at = 0;
  for (const Binding& b : engine.bindings()) {
    if (!b.is_input) continue;
    const Tensor& value = inputs[at++];
    context.set_input_shape(b.name, value.shape());
    memory.push_back(upload(&gpu, std::as_bytes(std::span(value.as<std::byte>(), value.bytes()))));
    context.bind_input(b.name, memory.back().data());
  }
  std::vector<Tensor> outputs;
  std::vector<std::pair<size_t, void*>> bound;
  for (const Binding& b : engine.bindings()) {
    if (b.is_input) continue;
    outputs.emplace_back();
    if (b.from_values) continue;
    outputs.back() = Tensor(b.type, context.shape(b.name));
    memory.emplace_back(&gpu, std::max<size_t>(1, outputs.back().bytes()));
    context.bind_output(b.name, memory.back().data());
    bound.emplace_back(outputs.size() - 1, memory.back().data());
  }
  for (int i = 0; i < 3; ++i) context.run(DeviceStream(stream.get()));
  context.wait();
  for (const auto& [o, data] : bound) {
    gpu.copy(outputs[o].data(), data, outputs[o].bytes(), stream.get());
  }
  (void)gpu.wait(stream.get());
  at = 0;
  for (const Binding& b : engine.bindings()) {
    if (b.is_input) continue;
    if (b.from_values) outputs[at] = context.output(b.name);
    ++at;
  }
  return outputs;
}

double milliseconds_of(ExecutionContext& context) {
  using Clock = std::chrono::steady_clock;
  constexpr int kRuns = 30;
  const auto start = Clock::now();
  for (int i = 0; i < kRuns; ++i) context.run();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count() / kRuns;
}

bool check_plan(const std::string& file, const Plan& plan, const EngineOptions& gpu_options) {
  const Engine cpu = Engine::load(plan), gpu = Engine::load(plan, gpu_options);
  const DeviceName where = device_from_name(gpu.device());
  const Device device = where.backend->open(gpu_options.isa, 0, where.ordinal);
  const std::vector<bool> exact = exact_outputs(plan.data());
  int host = 0;
  for (const std::string& tactic : gpu.tactics()) host += tactic == "cuda.host" ? 1 : 0;

  std::mt19937 random(11);
  Result result;
  ExecutionContext on_cpu = cpu.create_context(), on_gpu = gpu.create_context();
  double ms = 0.0;
  int64_t batch = 1;
  for (const int which : {0, 1, 2}) {  // opt, min, opt again: prepared shapes are kept
    for (int run = 0; run < 3; ++run) {
      std::vector<Tensor> inputs;
      for (const Binding& b : gpu.bindings()) {
        if (!b.is_input) continue;
        const Shape opt = gpu.opt_shape(b.name, 0), min = gpu.min_shape(b.name, 0);
        inputs.push_back(random_input(b, which == 1 ? min : opt, random));
        batch = opt.rank() > 0 ? opt[0] : 1;
      }
      const std::vector<Tensor> expected = on_cpu.run(inputs);
      OwnNoise noise(on_cpu, noise_of(plan.data()), inputs, expected);
      compare(fmt::format("batch {}, run {}", which, run), gpu.bindings(), exact, expected,
              on_gpu.run(inputs), noise, result);
      if (which == 2 && run == 2) {
        compare("stream", gpu.bindings(), exact, expected,
                run_on_stream(gpu, *device.accelerator, inputs), noise, result);
        ms = milliseconds_of(on_gpu);
      }
    }
  }
  const size_t slash = file.rfind('/');
  std::printf(
      "%-24s %4zu steps %3d on the host  %3d outputs, %d differ, floats %.1e off  %.3f ms (batch "
      "%lld)%s\n",
      file.substr(slash == std::string::npos ? 0 : slash + 1).c_str(), plan.data().steps.size(),
      host, result.compared, result.different, result.worst, ms, static_cast<long long>(batch),
      result.first.empty() ? "" : ("\n    " + result.first).c_str());
  std::fflush(stdout);
  return result.different == 0;
}

// --- models ---

Network import(const std::string& file) {
  try {
    return import_onnx(file, {.dynamic_batch = true});
  } catch (const Error&) {
    return import_onnx(file);  // its shapes were fixed for one sample
  }
}

/// Random samples, the batch of a network that fixes it.
std::unique_ptr<BatchSource> random_samples(const Network& network) {
  constexpr int64_t kSamples = 4;
  std::mt19937 random(5);
  Batch samples;
  for (const TensorId input : network.inputs()) {
    Shape shape = network.shape(input);
    shape[0] = shape[0] == kDynamic ? kSamples : shape[0];
    samples[network.name(input)] =
        random_input({.name = "", .type = network.type(input)}, shape, random);
  }
  return memory_data(std::move(samples), 1);
}

/// The ranges of both collections are close: the float arithmetic differs, the counting does not.
bool check_calibration(const std::string& name, const CalibrationTable& cpu,
                       const CalibrationTable& gpu) {
  double worst = 0.0;
  std::string where;
  for (const auto& [tensor, entry] : cpu.entries) {
    const CalibrationTable::Entry* other = gpu.find(tensor);
    const double a = entry.threshold, b = other != nullptr ? other->threshold : -1.0;
    const double off = std::fabs(a - b) / std::max(1e-6, std::fabs(a));
    if (off <= worst) continue;
    worst = off;
    where = tensor;
  }
  constexpr double kNear = 0.02;
  if (worst > kNear || gpu.path != "cuda" || gpu.samples != cpu.samples) {
    std::printf("%s: calibrated on the GPU, '%s' is %.2e off\n", name.c_str(), where.c_str(),
                worst);
    return false;
  }
  return true;
}

bool check_model(const std::string& file, const EngineOptions& gpu_options) {
  const Network network = import(file);
  CalibrationOptions calibration{.method = CalibrationMethod::kMinMax};
  const auto samples = random_samples(network);
  const CalibrationTable table = calibrate(network, *samples, calibration);
  calibration.device = gpu_options.device;
  bool good = check_calibration(file, table, calibrate(network, *samples, calibration));
  Profile profile;
  for (const TensorId input : network.inputs()) {
    Shape min = network.shape(input), opt = min;
    if (min.is_static()) continue;
    min[0] = 1;
    opt[0] = 5;
    profile[network.name(input)] = {min, opt, opt};
  }
  using Layers = BuildOptions::Int8Layers;
  const auto built = [&](const std::string& how, BuildOptions options,
                         Layers layers = Layers::kAll) {
    if (!profile.empty()) options.profiles = {profile};
    if (options.device == "cpu") options.tactics = BuildOptions::Tactics::kFirst;
    options.int8_layers = layers;
    const bool ok = check_plan(file + " " + how, build(network, &table, options), gpu_options);
    good = ok && good;
  };
  built("float", {});
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine,
                              Scheme::kDynamicSymmetric, Scheme::kDynamicAffine}) {
    built(std::string(name_of(scheme)), {.int8 = true, .scheme = scheme});
  }
  // The CPU runs these in float32 and rounds where the GPU rounds.
  built("float16", {.fp16 = true, .device = gpu_options.device});
  built("int8 and float16", {.int8 = true, .fp16 = true, .device = gpu_options.device});
  // Built for the GPU, tactics timed there: the same bits again.
  built("timed on the GPU", {.int8 = true, .device = gpu_options.device});
  built("where INT8 pays", {.int8 = true, .device = gpu_options.device}, Layers::kWherePays);
  return good;
}

bool check_file(const std::string& file, const EngineOptions& options) {
  if (file.ends_with(".onnx")) return check_model(file, options);
  return check_plan(file, Plan::load(file), options);
}

int check_all(int argc, char** argv) {
  EngineOptions options;
  options.device = "cuda:0";
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--device" && i + 1 < argc) {
      options.device = argv[++i];
    } else if (argument == "--isa" && i + 1 < argc) {
      options.isa = isa_from_name(argv[++i]);
    } else {
      files.push_back(argument);
    }
  }
  try {
    const DeviceName where = device_from_name(options.device);
    const Device device = where.backend->open(options.isa, 0, where.ordinal);
    std::printf("%s: %s, level %s\n", options.device.c_str(), device.accelerator->name().c_str(),
                std::string(name_of(device.isa)).c_str());
  } catch (const Error& error) {
    std::printf("SKIP: %zu files did not run on a GPU: %s\n", files.size(), error.what());
    return kSkipped;
  }
  int failed = 0;
  for (const std::string& file : files) {
    try {
      failed += check_file(file, options) ? 0 : 1;
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", file.c_str(), error.what());
      ++failed;
    }
  }
  std::printf("%zu files, %d failed\n", files.size(), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace octile

int main(int argc, char** argv) { return octile::check_all(argc, argv); }
