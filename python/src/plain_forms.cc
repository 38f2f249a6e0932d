// Short forms of layers without weights that compute; movement_forms.cc has those that move.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <limits>

#include "convert.h"
#include "handles.h"
#include "ops.h"
#include "short_forms.h"

namespace octile::python {

namespace {

using Net = std::shared_ptr<Network>;

struct Defaults {
  ActivationKind kind;
  float alpha, beta;
};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
// As ONNX has them where it has the kind; the others leave the function without parameters.
constexpr std::array<Defaults, 10> kDefaults{{
    {ActivationKind::kLeakyRelu, 0.01f, 0.0f},
    {ActivationKind::kElu, 1.0f, 0.0f},
    {ActivationKind::kSelu, 1.67326319217681884765625f, 1.05070102214813232421875f},
    {ActivationKind::kSoftplus, 1.0f, 1.0f},
    {ActivationKind::kClip, -kInfinity, kInfinity},
    {ActivationKind::kHardSigmoid, 0.2f, 0.5f},
    {ActivationKind::kScaledTanh, 1.0f, 1.0f},
    {ActivationKind::kThresholdedRelu, 1.0f, 0.0f},
    {ActivationKind::kSwish, 1.0f, 0.0f},
    {ActivationKind::kAffine, 1.0f, 0.0f},
}};

Activation activation_of(ActivationKind kind, std::optional<float> alpha,
                         std::optional<float> beta) {
  Activation op{kind, 0.0f, 0.0f};
  for (const Defaults& row : kDefaults) {
    if (row.kind == kind) op = {kind, row.alpha, row.beta};
  }
  return {kind, alpha.value_or(op.alpha), beta.value_or(op.beta)};
}

void bind_pointwise(nb::class_<Network>& cls) {
  cls.def(
         "activation",
         [](const Net& net, const NetTensor& x, const EnumOrName<ActivationKind>& kind,
            std::optional<float> alpha, std::optional<float> beta, const std::string& name) {
           const Activation op = activation_of(kind.get(), alpha, beta);
           return NetTensor{net, net->activation(id_in(net, x), op.kind, op.alpha, op.beta, name)};
         },
         nb::arg("x"), nb::arg("kind").sig("'relu'") = "relu", nb::arg("alpha") = nb::none(),
         nb::arg("beta") = nb::none(), nb::arg("name") = "",
         "kind: an ActivationKind or its name ('leaky_relu'); its formula is in octile/ops.h.\n\n"
         "alpha and beta are ONNX's where not given (leaky_relu 0.01, elu 1, hard_sigmoid 0.2 and "
         "0.5, swish 1, …); clip is between alpha and beta.")
      .def(
          "elementwise",
          [](const Net& net, const NetTensor& a, const NetTensor& b,
             const EnumOrName<ElementwiseKind>& kind, const std::string& name) {
            return NetTensor{net, net->elementwise(id_in(net, a), id_in(net, b), kind.get(), name)};
          },
          nb::arg("a"), nb::arg("b"), nb::arg("kind").sig("'add'") = "add", nb::arg("name") = "",
          "kind: an ElementwiseKind or its name ('add', 'mul', 'greater', …). a and b broadcast as "
          "in NumPy; comparisons and logic give bool.")
      .def(
          "unary",
          [](const Net& net, const NetTensor& x, const EnumOrName<UnaryKind>& kind,
             const std::string& name) {
            return NetTensor{net, net->unary(id_in(net, x), kind.get(), name)};
          },
          nb::arg("x"), nb::arg("kind"), nb::arg("name") = "",
          "kind: a UnaryKind or its name ('exp', 'sqrt', 'erf', …).")
      .def(
          "softmax",
          [](const Net& net, const NetTensor& x, const IntOrInts& axes, const std::string& name) {
            return NetTensor{net, net->softmax(id_in(net, x), to_ints(axes, 1, "axes"), name)};
          },
          nb::arg("x"), nb::arg("axes") = -1, nb::arg("name") = "",
          "Softmax over `axes`, taken together.")
      .def(
          "select",
          [](const Net& net, const NetTensor& condition, const NetTensor& a, const NetTensor& b,
             const std::string& name) {
            return NetTensor{
                net, net->select(id_in(net, condition), id_in(net, a), id_in(net, b), name)};
          },
          nb::arg("condition"), nb::arg("a"), nb::arg("b"), nb::arg("name") = "",
          "condition ? a : b, all broadcast.")
      .def(
          "cast",
          [](const Net& net, const NetTensor& x, const DTypeLike& dtype, const std::string& name) {
            return NetTensor{net, net->cast(id_in(net, x), to_data_type(dtype), name)};
          },
          nb::arg("x"), nb::arg("dtype"), nb::arg("name") = "", "x in another type, as ONNX Cast.")
      .def(
          "identity",
          [](const Net& net, const NetTensor& x, const std::string& name) {
            return NetTensor{net, net->identity(id_in(net, x), name)};
          },
          nb::arg("x"), nb::arg("name") = "", "x itself, as a tensor of its own.");
}

void bind_reductions(nb::class_<Network>& cls) {
  cls.def(
         "reduce",
         [](const Net& net, const NetTensor& x, const EnumOrName<ReduceKind>& kind,
            const IntOrInts& axes, bool keep_dims, const std::string& name) {
           return NetTensor{
               net,
               net->reduce(id_in(net, x), {kind.get(), to_ints(axes, 1, "axes"), keep_dims}, name)};
         },
         nb::arg("x"), nb::arg("kind").sig("'sum'") = "sum", nb::arg("axes") = nb::tuple(),
         nb::arg("keep_dims") = false, nb::arg("name") = "",
         "kind: 'sum', 'prod', 'max', 'min' or 'mean'. No axes: all.")
      .def(
          "matrix_multiply",
          [](const Net& net, const NetTensor& a, const NetTensor& b, bool transpose_a,
             bool transpose_b, const std::string& name) {
            return NetTensor{net, net->matrix_multiply(id_in(net, a), id_in(net, b),
                                                       {transpose_a, transpose_b}, name)};
          },
          nb::arg("a"), nb::arg("b"), nb::arg("transpose_a") = false,
          nb::arg("transpose_b") = false, nb::arg("name") = "",
          "a (…, M, K) · b (…, K, N) -> (…, M, N); batch extents broadcast, rank 1 is a vector.")
      .def(
          "top_k",
          [](const Net& net, const NetTensor& x, int64_t k, int64_t axis, bool largest,
             const std::string& name) {
            const LayerId layer = net->top_k(id_in(net, x), {k, axis, largest}, name);
            return std::pair{NetTensor{net, net->output(layer, 0)},
                             NetTensor{net, net->output(layer, 1)}};
          },
          nb::arg("x"), nb::arg("k") = 1, nb::arg("axis") = -1, nb::arg("largest") = true,
          nb::arg("name") = "",
          "(values, indices int32), both with extent k on `axis`, best first; of equal values the "
          "lower index first.")
      .def(
          "gather",
          [](const Net& net, const NetTensor& data, const NetTensor& indices, int64_t axis,
             const std::string& name) {
            return NetTensor{net, net->gather(id_in(net, data), id_in(net, indices), axis, name)};
          },
          nb::arg("data"), nb::arg("indices"), nb::arg("axis") = 0, nb::arg("name") = "",
          "data with `axis` replaced by the shape of indices (int32 or int64).");
}

void bind_resize(nb::class_<Network>& cls) {
  cls.def(
      "resize",
      [](const Net& net, const NetTensor& x, std::optional<Ints> sizes,
         std::optional<std::vector<float>> scales, const EnumOrName<ResizeKind>& kind,
         const EnumOrName<ResizeCoordinates>& coordinates,
         const EnumOrName<ResizeRounding>& rounding, float cubic_coefficient, bool exclude_outside,
         bool antialias, std::optional<std::vector<float>> roi, float extrapolation,
         const std::string& name) {
        Resize op;
        op.kind = kind.get();
        op.coordinates = coordinates.get();
        op.rounding = rounding.get();
        if (sizes) op.sizes = to_ints(*sizes, "sizes");
        op.scales = scales.value_or(std::vector<float>{});
        op.cubic_coefficient = cubic_coefficient;
        op.exclude_outside = exclude_outside;
        op.antialias = antialias;
        op.roi = roi.value_or(std::vector<float>{});
        op.extrapolation = extrapolation;
        return NetTensor{net, net->resize(id_in(net, x), op, name)};
      },
      nb::arg("x"), nb::arg("sizes") = nb::none(), nb::arg("scales") = nb::none(),
      nb::arg("kind").sig("'nearest'") = "nearest",
      nb::arg("coordinates").sig("'half_pixel'") = "half_pixel",
      nb::arg("rounding").sig("'round_prefer_floor'") = "round_prefer_floor",
      nb::arg("cubic_coefficient") = -0.75f, nb::arg("exclude_outside") = false,
      nb::arg("antialias") = false, nb::arg("roi") = nb::none(), nb::arg("extrapolation") = 0.0f,
      nb::arg("name") = "",
      "x (N, C, spatial…) resized to `sizes` or by `scales`, one entry for each of all axes.\n\n"
      "kind: 'nearest', 'linear' or 'cubic'; the others as in octile.ops.Resize (and ONNX "
      "Resize).");
}

using FloatOrFloats = std::variant<float, std::vector<float>>;

std::vector<float> scales_of(const FloatOrFloats& scale) {
  if (const float* one = std::get_if<float>(&scale)) return {*one};
  return std::get<std::vector<float>>(scale);
}

// The ends of a quantized type; those of int8 for what quantize() will refuse.
std::pair<int32_t, int32_t> ends_of(DataType type) {
  if (type == DataType::kUInt8) return {0, 255};
  if (type == DataType::kInt32) {
    return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  }
  return {-128, 127};
}

void bind_quantization(nb::class_<Network>& cls) {
  cls.def(
         "quantize",
         [](const Net& net, const NetTensor& x, const FloatOrFloats& scale, int32_t zero_point,
            int64_t axis, const DTypeLike& dtype, std::optional<int32_t> lo,
            std::optional<int32_t> hi, const std::string& name) {
           Quantize op;
           op.type = to_data_type(dtype);
           op.scale = scales_of(scale);
           op.zero_point = zero_point;
           op.axis = axis;
           const auto [least, most] = ends_of(op.type);
           op.lo = lo.value_or(least);
           op.hi = hi.value_or(most);
           return NetTensor{net, net->quantize(id_in(net, x), op, name)};
         },
         nb::arg("x"), nb::arg("scale"), nb::arg("zero_point") = 0, nb::arg("axis") = -1,
         nb::arg("dtype").sig("'int8'") = "int8", nb::arg("lo") = nb::none(),
         nb::arg("hi") = nb::none(), nb::arg("name") = "",
         "clamp(round(x / scale) + zero_point, lo, hi). scale: a float, or one a slice along "
         "`axis`; lo and hi: those of the type where not given.")
      .def(
          "dequantize",
          [](const Net& net, const NetTensor& q, const FloatOrFloats& scale, int32_t zero_point,
             int64_t axis, const std::string& name) {
            Dequantize op;
            op.scale = scales_of(scale);
            op.zero_point = zero_point;
            op.axis = axis;
            return NetTensor{net, net->dequantize(id_in(net, q), op, name)};
          },
          nb::arg("q"), nb::arg("scale"), nb::arg("zero_point") = 0, nb::arg("axis") = -1,
          nb::arg("name") = "", "scale * (q - zero_point) in float32.");
}

}  // namespace

void bind_plain_forms(nb::class_<Network>& cls) {
  bind_pointwise(cls);
  bind_reductions(cls);
  bind_resize(cls);
  bind_quantization(cls);
}

}  // namespace octile::python
