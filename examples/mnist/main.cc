// From trained weights to an INT8 engine, step by step. Start reading at main(); report.cc only
// measures and prints.
//
// The network is a small CNN (two 5×5 convolutions, two fully connected layers) on raw 28×28
// pictures. It is rebuilt with the network API, calibrated with the entropy method and a cache,
// built as INT8 with two optimization profiles, saved, loaded and run on 10,000 test pictures.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "octile/builder.h"
#include "octile/data.h"
#include "octile/report.h"
#include "report.h"

namespace {

using namespace octile;  // NOLINT(google-build-using-namespace): an example may

/// conv → relu → pool, twice; then flatten → fc → relu → fc.
Network make_network(const std::string& weights_file) {
  const std::map<std::string, Tensor> para = load_npz(weights_file);
  const auto weight = [&](const std::string& name) -> const Tensor& {
    const auto found = para.find(name);
    if (found == para.end()) {
      throw Error(ErrorCode::kInvalidFile, weights_file + ": no array '" + name + "'");
    }
    return found->second;
  };

  Network network("mnist");
  TensorId x = network.add_input("inputT0", DataType::kFloat32, {kDynamic, 1, 28, 28});

  const Convolution conv{.window = {.kernel = {5, 5}, .pad_before = {2, 2}, .pad_after = {2, 2}}};
  const Pooling pool{.kind = PoolingKind::kMax, .window = {.kernel = {2, 2}, .stride = {2, 2}}};
  for (const std::string name : {"conv1", "conv2"}) {
    x = network.convolution(x, weight(name + ".weight"), weight(name + ".bias"), conv, name);
    x = network.activation(x, ActivationKind::kRelu, 0, 0, name + ".relu");
    x = network.pooling(x, pool, name + ".pool");
  }

  x = network.reshape(x, {-1, 64 * 7 * 7}, "flatten");
  for (const std::string name : {"fc1", "fc2"}) {
    // PyTorch keeps (out, in): multiply by the transposed matrix.
    const TensorId w = network.constant(weight(name + ".weight"), name + ".weight");
    const TensorId b = network.constant(weight(name + ".bias"), name + ".bias");
    x = network.matrix_multiply(x, w, {.transpose_b = true}, name);
    x = network.elementwise(x, b, ElementwiseKind::kAdd, name + ".add");
    if (name == "fc1") x = network.activation(x, ActivationKind::kRelu, 0, 0, name + ".relu");
  }
  network.mark_output(x, "scores");
  return network;
}

/// Two profiles: 1 / 4 / 8 for single pictures, 1 / 128 / 128 for throughput.
std::vector<Profile> make_profiles() {
  const auto batch = [](int64_t n) { return Shape{n, 1, 28, 28}; };
  return {{{"inputT0", {batch(1), batch(4), batch(8)}}},
          {{"inputT0", {batch(1), batch(128), batch(128)}}}};
}

BuildOptions make_options(const demo::Arguments& arguments) {
  BuildOptions options;
  options.profiles = make_profiles();
  options.threads = arguments.threads;
  options.timing_cache = arguments.out + "/timing.cache";
  options.log = demo::print_message;
  return options;
}

/// 500 training pictures, raw pixels; the cache file makes a second run skip the pictures.
CalibrationTable calibrate_with_cache(const Network& network, const demo::Arguments& arguments,
                                      CalibrationMethod method) {
  DataOptions options;
  options.samples = 500;
  options.batch = 20;
  SourceCalibrator calibrator(open_data(demo::find_idx(arguments.data, "train"), options), method,
                              fmt::format("{}/int8.{}.cache", arguments.out, name_of(method)),
                              options.batch);
  CalibrationOptions calibration;
  calibration.method = method;
  calibration.log = demo::print_message;
  return calibrate(network, calibrator, calibration);
}

/// Builds, saves and loads: what runs is what was on disk.
Engine build_engine(const Network& network, const CalibrationTable* table,
                    const BuildOptions& options, const std::string& file) {
  build(network, table, options).save(file);
  EngineOptions engine;
  engine.threads = options.threads;
  return Engine::load(file, engine);
}

/// Top-1 and SQNR of a plan on 1,000 test pictures, beside the float network's.
Accuracy evaluate(const Network& network, const Plan& plan, const demo::Arguments& arguments) {
  const auto source =
      open_data(demo::find_idx(arguments.data, "t10k"), {.batch = 8, .samples = 1000});
  const std::vector<int64_t> labels = source->labels();
  double right[2] = {};
  size_t seen = 0;
  CompareOptions options;
  options.threads = arguments.threads;
  options.outputs = [&](auto reference, auto candidate, int64_t rows) {
    const auto some = std::span(labels).subspan(seen, size_t(rows));
    right[0] += top_k_accuracy(reference[0], some, 1) * double(rows);
    right[1] += top_k_accuracy(candidate[0], some, 1) * double(rows);
    seen += size_t(rows);
  };
  Accuracy accuracy;
  for (const TensorComparison& t : compare(network, plan, *source, options).tensors) {
    if (t.output) accuracy.sqnr_db = t.sqnr_db;
  }
  accuracy.reference = 100.0 * right[0] / double(seen);
  accuracy.metric = 100.0 * right[1] / double(seen);
  return accuracy;
}

/// INT8 where it pays on this machine, and the report that says why, layer by layer.
Engine build_where_it_pays(const Network& network, const CalibrationTable& table,
                           BuildOptions options, const demo::Arguments& arguments) {
  options.scheme = Scheme::kStaticSymmetric;
  options.int8_layers = BuildOptions::Int8Layers::kWherePays;
  const auto samples = open_data(demo::find_idx(arguments.data, "train"), {.samples = 500});
  PrecisionGoal goal;
  goal.samples = samples.get();
  goal.metric = "top1";
  goal.evaluate = [&](const Plan& plan) { return evaluate(network, plan, arguments); };
  const Plan plan = build(network, &table, options, goal);
  plan.save(arguments.out + "/where-it-pays.plan");
  samples->rewind();
  const CalibrationData histograms = collect(network, *samples);
  save_text(arguments.out + "/report.html", precision_report_html(plan, {.model = "mnist",
                                                                         .command = "make demo",
                                                                         .histograms = &histograms,
                                                                         .method = "entropy",
                                                                         .evaluated = 1000}));
  EngineOptions engine;
  engine.threads = options.threads;
  return Engine::load(plan, engine);
}

int run(const demo::Arguments& arguments) {
  std::filesystem::create_directories(arguments.out);
  const Network network = make_network(arguments.weights);
  fmt::print("{}\n", network.to_string());
  demo::Report report(arguments);

  BuildOptions options = make_options(arguments);
  report.add("float", "", build_engine(network, nullptr, options, arguments.out + "/float.plan"));

  options.int8 = true;
  options.int8_layers = BuildOptions::Int8Layers::kAll;  // to compare schemes
  for (const CalibrationMethod method : {CalibrationMethod::kEntropy, CalibrationMethod::kMinMax,
                                         CalibrationMethod::kPercentile, CalibrationMethod::kMse}) {
    const CalibrationTable table = calibrate_with_cache(network, arguments, method);
    for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
      options.scheme = scheme;
      const std::string name = fmt::format("{}.{}", name_of(scheme), name_of(method));
      report.add(std::string(name_of(scheme)), std::string(name_of(method)),
                 build_engine(network, &table, options, arguments.out + "/" + name + ".plan"));
    }
  }
  for (const Scheme scheme : {Scheme::kDynamicSymmetric, Scheme::kDynamicAffine}) {
    options.scheme = scheme;  // ranges are taken at run time: no table
    report.add(std::string(name_of(scheme)), "",
               build_engine(network, nullptr, options,
                            fmt::format("{}/{}.plan", arguments.out, name_of(scheme))));
  }
  const CalibrationTable table =
      calibrate_with_cache(network, arguments, CalibrationMethod::kEntropy);
  report.add("where it pays", "entropy", build_where_it_pays(network, table, options, arguments));
  report.measure_latency();
  report.print();
  report.save();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(demo::parse_arguments(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
