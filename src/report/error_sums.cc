// See error_sums.h.
#include "report/error_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octile {

void ErrorSums::add(std::span<const float> reference, std::span<const float> value) {
  for (size_t i = 0; i < reference.size(); ++i) {
    const double r = reference[i], x = value[i];
    const bool finite = std::isfinite(r) && std::isfinite(x);
    if (finite) {
      rr_ += r * r;
      rx_ += r * x;
      xx_ += x * x;
      noise_ += (r - x) * (r - x);
      worst_ = std::max(worst_, std::fabs(r - x));
    } else if (r != x && !(std::isnan(r) && std::isnan(x))) {
      noise_ = worst_ = std::numeric_limits<double>::infinity();
    }
  }
}

double ErrorSums::sqnr_db() const {
  if (noise_ == 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(rr_ / noise_);
}

double ErrorSums::cosine() const {
  if (rr_ == 0.0 && xx_ == 0.0) return 1.0;
  return rr_ == 0.0 || xx_ == 0.0 ? 0.0 : rx_ / std::sqrt(rr_ * xx_);
}

}  // namespace octile
