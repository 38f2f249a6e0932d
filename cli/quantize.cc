// octile quantize: from a model and samples (or a cache) to a quantized ONNX model. No engine is
// built.
#include <fmt/format.h>

#include <filesystem>

#include "layer_flags.h"
#include "model_flags.h"
#include "session.h"

namespace octile::cli {
namespace {

struct QuantizeFlags {
  ModelFlags model;
  CalibrationFlags calibration;
  LayerFlags layers;
  std::string output, style = "onnxruntime", table;
};

BuildOptions options_of(const Session& session, const QuantizeFlags& flags, const Network& network,
                        Scheme scheme) {
  BuildOptions options;
  options.int8 = true;
  options.scheme = scheme;
  options.threads = session.threads;
  options.log = session.log();
  flags.layers.set(options, network);
  return options;
}

/// Pure bookkeeping: not what a user asks about.
bool is_quantization(const LayerDecision& layer) {
  return layer.op == "Quantize" || layer.op == "Dequantize";
}

/// What stays float, and why.
std::string float_table(const QuantizedNetwork& quantized) {
  std::vector<std::vector<std::string>> rows{{"stays float", "op", "why"}};
  for (const LayerDecision& layer : quantized.layers) {
    if (layer.int8 || is_quantization(layer)) continue;
    rows.push_back({layer.name, std::string(layer.op),
                    layer.why.empty() ? "no int8 arithmetic for this op" : layer.why});
  }
  return rows.size() > 1 ? format_table(rows) : "";
}

std::string summary(const QuantizedNetwork& quantized) {
  int all = 0, int8 = 0, weighted = 0, weighted_int8 = 0;
  for (const LayerDecision& layer : quantized.layers) {
    if (is_quantization(layer)) continue;
    ++all;
    int8 += layer.int8 ? 1 : 0;
    weighted += layer.weighted ? 1 : 0;
    weighted_int8 += layer.weighted && layer.int8 ? 1 : 0;
  }
  return fmt::format("{} of {} layers int8 ({} of {} convolutions and products)", int8, all,
                     weighted_int8, weighted);
}

void run_quantize(const Session& session, const QuantizeFlags& flags) {
  const CalibrationFlags& calibration = flags.calibration;
  if (calibration.data.empty() && calibration.cache.empty() && flags.layers.ranges.empty()) {
    throw CLI::ValidationError("quantize needs --calibrate DATA, --cache FILE or --range");
  }
  calibration.check();
  const std::string output =
      flags.output.empty()
          ? std::filesystem::path(flags.model.file).replace_extension(".qdq.onnx").string()
          : flags.output;
  check_apart({{"-o", output}, {"--table", flags.table}, {"--cache", calibration.cache}},
              {{"the model", flags.model.file}, {"--calibrate", calibration.data}});
  check_writable("--table", flags.table);
  Network network = flags.model.load(session);
  check_writable("-o", output);
  flags.layers.apply_ranges(network);
  const QdqStyle style = qdq_style_from_name(flags.style);
  const Scheme scheme =
      style == QdqStyle::kTensorRt ? Scheme::kStaticSymmetric : Scheme::kStaticAffine;
  BuildOptions options = options_of(session, flags, network, scheme);
  for (const std::string& pass : passes_against(style)) options.disabled_passes.push_back(pass);
  calibration.before_calibration(session, network, options);
  const std::optional<CalibrationTable> table = calibration.obtain(session, network, output);
  const CalibrationTable* ranges = table ? &*table : nullptr;
  calibration.before_build(session, network, options, ranges);
  const QuantizedNetwork quantized = quantize(network, ranges, options, style);
  std::string table_text;
  if (!flags.table.empty()) {
    options.scheme = Scheme::kStaticSymmetric;
    table_text = to_ncnn_table(quantize(network, ranges, options, QdqStyle::kTensorRt).network);
  }
  export_onnx(quantized.network, output);
  fmt::print("{}", float_table(quantized));
  fmt::print("{}: {} bytes, style {}, {}\n", output, size_of_file(output), flags.style,
             summary(quantized));
  if (flags.table.empty()) return;
  save_text(flags.table, table_text);
  fmt::print("{}: ncnn's calibration table\n", flags.table);
}

}  // namespace

void add_quantize(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand(
      "quantize",
      "Write a quantized ONNX model (Q/DQ) for TensorRT, ONNX Runtime and others.\n"
      "Example: octile quantize model.onnx --calibrate images/ --style onnxruntime \\\n"
      "           -o model.qdq.onnx\n"
      "         octile quantize model.onnx --cache old.cache --style tensorrt");
  auto flags = std::make_shared<QuantizeFlags>();
  flags->model.add(*command);
  command->add_option("-o,--output", flags->output, "ONNX file (default: MODEL with .qdq.onnx)");
  command
      ->add_option("--style", flags->style,
                   "tensorrt (int8, zero point 0, pairs before int8 layers) or onnxruntime\n"
                   "(uint8 with zero points, pairs on both sides of int8 layers)")
      ->check(CLI::IsMember({"tensorrt", "onnxruntime"}))
      ->capture_default_str();
  command->add_option("--table", flags->table, "Also write ncnn's calibration table to this file");
  flags->calibration.add(
      *command,
      "Calibration cache, Octile's or TensorRT's. Where the file exists it is read, and\n"
      "--calibrate is not run again; else --calibrate is run and the file written");
  flags->calibration.add_recipes(*command);
  flags->layers.add(*command);
  command->callback([&session, flags] { run_quantize(session, *flags); });
}

}  // namespace octile::cli
