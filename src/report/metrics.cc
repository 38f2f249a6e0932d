// Measures of how close two outputs are, and top-k accuracy; see report.h.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "octile/report.h"
#include "report/error_sums.h"

namespace octile {
namespace {

void check_sizes(std::span<const float> a, std::span<const float> b) {
  check(a.size() == b.size(), ErrorCode::kInvalidArgument,
        "cannot compare {} values with {}: the shapes differ", a.size(), b.size());
}

/// (N, classes) of scores: N rows, everything behind axis 0 a class.
std::pair<int64_t, int64_t> rows_of(const Tensor& scores) {
  check(scores.type() == DataType::kFloat32 && scores.shape().rank() >= 2,
        ErrorCode::kInvalidArgument, "scores need to be float32 (N, classes), not {} {}",
        name_of(scores.type()), scores.shape().to_string());
  const int64_t n = scores.shape()[0];
  return {n, n > 0 ? scores.volume() / n : 0};
}

int64_t best_class(const float* row, int64_t classes) {
  return std::max_element(row, row + classes) - row;
}

}  // namespace

double sqnr_db(std::span<const float> reference, std::span<const float> value) {
  check_sizes(reference, value);
  ErrorSums sums;
  sums.add(reference, value);
  return sums.sqnr_db();
}

double cosine(std::span<const float> reference, std::span<const float> value) {
  check_sizes(reference, value);
  ErrorSums sums;
  sums.add(reference, value);
  return sums.cosine();
}

double top_k_accuracy(const Tensor& scores, std::span<const int64_t> labels, int k) {
  const auto [n, classes] = rows_of(scores);
  check(static_cast<size_t>(n) == labels.size(), ErrorCode::kInvalidArgument,
        "{} rows of scores but {} labels", n, labels.size());
  check(k >= 1, ErrorCode::kInvalidArgument, "top-k needs k >= 1, not {}", k);
  int64_t hits = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t label = labels[static_cast<size_t>(i)];
    check(label >= 0 && label < classes, ErrorCode::kInvalidArgument,
          "label {} of sample {} is none of the {} classes", label, i, classes);
    const float* row = scores.as<float>() + i * classes;
    int64_t better = 0;  // classes ranked before the label
    for (int64_t c = 0; c < classes; ++c) {
      if (row[c] > row[label] || (row[c] == row[label] && c < label)) ++better;
    }
    if (better < k && !std::isnan(row[label])) ++hits;
  }
  return n == 0 ? 0.0 : static_cast<double>(hits) / static_cast<double>(n);
}

double top1_agreement(const Tensor& a, const Tensor& b) {
  const auto [n, classes] = rows_of(a);
  check(a.shape() == b.shape(), ErrorCode::kInvalidArgument,
        "cannot compare scores of shape {} with {}", a.shape().to_string(), b.shape().to_string());
  int64_t equal = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (best_class(a.as<float>() + i * classes, classes) ==
        best_class(b.as<float>() + i * classes, classes)) {
      ++equal;
    }
  }
  return n == 0 ? 0.0 : static_cast<double>(equal) / static_cast<double>(n);
}

}  // namespace octile
