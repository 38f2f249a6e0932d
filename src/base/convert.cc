// See convert.h.
#include "base/convert.h"

#include "base/error.h"

namespace octile {
namespace {

/// Index of the first value that `converted` does not hold, or −1. Compared in the wider integers
/// where both sides are integers, since binary64 does not hold all of int64.
int64_t first_lost(const Tensor& values, const Tensor& converted) {
  const bool floats = is_real(values.type());
  const DataType common = floats ? DataType::kFloat64 : DataType::kInt64;
  const Tensor before = values.cast(common), after = converted.cast(common);
  for (int64_t i = 0; i < values.volume(); ++i) {
    const bool same = floats ? before.as<double>()[i] == after.as<double>()[i]
                             : before.as<int64_t>()[i] == after.as<int64_t>()[i];
    if (!same) return i;
  }
  return -1;
}

}  // namespace

bool is_real(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16 ||
         type == DataType::kFloat64;
}

Tensor convert_exactly(Tensor values, DataType wanted, const std::string& where) {
  if (values.type() == wanted) return values;
  Tensor converted = values.cast(wanted);
  if (is_real(wanted)) return converted;
  const int64_t lost = first_lost(values, converted);
  check(lost < 0, ErrorCode::kInvalidArgument,
        "{}: the input is {}, the data {}, and value {} at position {} is lost in it; convert the "
        "data yourself",
        where, name_of(wanted), name_of(values.type()),
        lost < 0 ? 0.0 : values.cast(DataType::kFloat64).as<double>()[lost], lost);
  return converted;
}

}  // namespace octile
