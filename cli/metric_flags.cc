// See metric_flags.h.
#include "metric_flags.h"

#include <fmt/format.h>

namespace octile::cli {
namespace {

std::vector<std::string> decoder_names() {
  std::vector<std::string> names;
  for (const BoxDecoderInfo& row : box_decoders()) names.emplace_back(row.name);
  return names;
}

}  // namespace

void MetricFlags::add(CLI::App& app) {
  command = &app;
  app.add_option("--labels", labels,
                 "Labels: one integer a line, .npy, or IDX (default: those of the data); one a\n"
                 "sample of the whole data set, cut by --first and --samples as the data. For\n"
                 "ap50 boxes: a directory of YOLO's texts, or COCO's JSON (default: YOLO's texts\n"
                 "beside the pictures or in ../labels)");
  app.add_option("--metric", metric, "top1, top5, agreement or ap50")
      ->check(CLI::IsMember({"top1", "top5", "agreement", "ap50"}));
  app.add_option("--boxes", decoder,
                 "How the outputs say boxes, for ap50: " + join(decoder_names(), ", "))
      ->check(CLI::IsMember(decoder_names()));
  app.add_option("--score-threshold", score_threshold, "Boxes with less are dropped")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--nms", nms,
                 "Of boxes of one class that overlap more, the best is kept (default: the\n"
                 "decoder's: 0.65, fastestdet 0.45)")
      ->check(CLI::Range(0.0, 1.0));
}

void MetricFlags::check() const {
  for (const char* flag : {"--boxes", "--score-threshold", "--nms"}) {
    if (!boxes() && command->count(flag) > 0) {
      throw CLI::ValidationError(flag, "needs --metric ap50");
    }
  }
  if (boxes() && decoder.empty()) {
    throw CLI::ValidationError("--metric ap50 needs --boxes, how the outputs say boxes: " +
                               join(decoder_names(), ", "));
  }
}

std::vector<int64_t> labels_for(const MetricFlags& flags, const std::string& data,
                                DataOptions options, const BatchSource& source) {
  if (flags.boxes()) return {};
  if (flags.labels.empty()) return source.labels();
  if (options.seed) {
    throw CLI::ValidationError(
        "--labels with --seed: a file of labels cannot follow samples drawn at random; use data "
        "that carry their labels");
  }
  std::vector<int64_t> labels = load_labels(flags.labels);
  const bool part = options.first > 0 || options.samples >= 0;
  const auto first = ptrdiff_t(options.first);
  options.first = 0;
  options.samples = -1;
  const int64_t whole = part ? open_data(data, options)->size() : source.size();
  if (whole >= 0 && int64_t(labels.size()) != whole) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--labels {}: {} labels, but {} holds {} samples; give one label a "
                            "sample of the whole data set, whatever --first and --samples choose",
                            flags.labels, labels.size(), data, whole));
  }
  if (part) labels = {labels.begin() + first, labels.begin() + first + ptrdiff_t(source.size())};
  return labels;
}

Ap50::Ap50(const MetricFlags& flags, const std::string& data, const BatchSource& source)
    : options_{.decoder = flags.decoder, .score_threshold = flags.score_threshold, .nms_iou = {}},
      pictures_(source.pictures()) {
  if (flags.nms >= 0.0) options_.nms_iou = flags.nms;
  if (pictures_.empty()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--metric ap50: {} holds no pictures; boxes are mapped back to pictures, "
                    "so arrays will not do",
                    data));
  }
  truth_ = load_boxes(flags.labels, pictures_);
}

void Ap50::add(std::span<const Tensor> outputs, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row) {
    found_.push_back(detect(outputs, row, pictures_.at(found_.size()), options_));
  }
}

double Ap50::value() const { return average_precision(found_, truth_); }

}  // namespace octile::cli
