// Select: condition ? a : b with NumPy broadcasting, any type.
#include "ops/families.h"
#include "ops/rows.h"

namespace octile {

Inferred infer_op(const Select&, Infos in) {
  require_inputs(in, {"condition", "a", "b"});
  require_type(in, 0, {DataType::kBool});
  check(in[1].type == in[2].type, ErrorCode::kInvalidArgument,
        "a has type {} but b has type {}; cast one of them", name_of(in[1].type),
        name_of(in[2].type));
  return {{in[1].type, broadcast(broadcast(in[0].shape, in[1].shape), in[2].shape), nullptr}};
}

void evaluate_op(const Select&, Views in, Outs out) {
  const Rows rows{out[0].shape};
  std::array<Strides, 3> strides{};
  for (size_t i = 0; i < 3; ++i) strides[i] = broadcast_strides(in[i].shape, out[0].shape);
  const int64_t length = rows.length();
  const std::array<int64_t, 3> step{rows.step(strides[0]), rows.step(strides[1]),
                                    rows.step(strides[2])};
  by_size(in[1].type, [&](auto tag) {
    using T = decltype(tag);
    for_rows(rows, strides, [&](int64_t row, const std::array<int64_t, 3>& at) {
      const uint8_t* condition = in[0].as<uint8_t>() + at[0];
      const T *a = in[1].as<T>() + at[1], *b = in[2].as<T>() + at[2];
      T* to = out[0].as<T>() + row * length;
      for (int64_t i = 0; i < length; ++i) {
        to[i] = condition[i * step[0]] != 0 ? a[i * step[1]] : b[i * step[2]];
      }
    });
  });
}

}  // namespace octile
