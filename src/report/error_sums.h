// Sums over pairs of values that SQNR and cosine are made of: any number of parts, in double.
#pragma once

#include <cstdint>
#include <span>

namespace octile {

class ErrorSums {
 public:
  /// REQUIRES: equal sizes. Equal values that are not finite leave no trace; a pair that differs
  /// and is not finite makes the error infinite.
  void add(std::span<const float> reference, std::span<const float> value);
  /// 10·log10(Σ r² / Σ (r − x)²) in dB; +infinity when all are equal.
  double sqnr_db() const;
  /// Σ r·x / √(Σ r² · Σ x²); 1 when both are zero, 0 when one is.
  double cosine() const;
  double max_abs_error() const { return worst_; }

 private:
  double rr_ = 0.0, rx_ = 0.0, xx_ = 0.0, noise_ = 0.0, worst_ = 0.0;
};

}  // namespace octile
