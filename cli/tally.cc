// See tally.h.
#include "tally.h"

#include "collected.h"
#include "octile/report.h"

namespace octile::cli {

Tally::Tally(const MetricFlags& flags, const std::string& data, const DataOptions& options,
             const BatchSource& source)
    : name_(flags.metric), labels_(labels_for(flags, data, options, source)) {
  if (name_.empty() && !labels_.empty()) name_ = "top1";
  if (flags.boxes()) {
    reference_.emplace(flags, data, source);
    candidate_.emplace(flags, data, source);
  } else if (!name_.empty() && name_ != "agreement" && labels_.empty()) {
    throw CLI::ValidationError("--metric " + name_ +
                               " needs labels: --labels FILE, or a data set that carries them");
  }
}

void Tally::add(std::span<const Tensor> reference, std::span<const Tensor> candidate,
                int64_t rows) {
  if (reference_) {
    reference_->add(reference, rows);
    candidate_->add(candidate, rows);
  } else if (!name_.empty()) {
    const Tensor r = with_rows(reference[0], rows), x = with_rows(candidate[0], rows);
    if (name_ == "agreement") {
      hits_[0] += double(rows);
      hits_[1] += top1_agreement(r, x) * double(rows);
    } else {
      const auto labels = std::span(labels_).subspan(size_t(rows_), size_t(rows));
      hits_[0] += top_k_accuracy(r, labels, name_ == "top5" ? 5 : 1) * double(rows);
      hits_[1] += top_k_accuracy(x, labels, name_ == "top5" ? 5 : 1) * double(rows);
    }
  }
  rows_ += rows;
}

std::optional<EndMetric> Tally::value() const {
  if (name_.empty()) return std::nullopt;
  if (reference_) return EndMetric{name_, reference_->value(), candidate_->value()};
  return EndMetric{name_, hits_[0] / double(rows_), hits_[1] / double(rows_)};
}

}  // namespace octile::cli
