// Short forms of layers that have weights or a window.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "convert.h"
#include "handles.h"
#include "ops.h"
#include "short_forms.h"

namespace octile::python {

namespace {

using Net = std::shared_ptr<Network>;
using Mode = EnumOrName<PaddingMode>;

// Weights of layers are float32, whatever numbers they were given as; only int32 stays int32.
std::optional<DataType> weight_type(const Net& net, const NetTensor& x) {
  return net->type(id_in(net, x)) == DataType::kInt32 ? DataType::kInt32 : DataType::kFloat32;
}

// padding: one int, one an axis, or twice as many: all before, then all after (as ONNX).
void set_padding(Window& window, nb::handle padding) {
  const size_t axes = window.kernel.size();
  const std::vector<int64_t> values = to_ints(padding, axes, "padding");
  check(values.size() == axes || values.size() == 2 * axes, ErrorCode::kInvalidArgument,
        "padding: {} values, wanted are one, {} (one a spatial axis) or {} (before, then after)",
        values.size(), axes, 2 * axes);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(axes);
  window.pad_before.assign(values.begin(), middle);
  window.pad_after.assign(values.size() == axes ? values.begin() : middle, values.end());
}

Window window_of(std::vector<int64_t> kernel, nb::handle stride, nb::handle padding,
                 nb::handle dilation, const Mode& mode) {
  Window window;
  window.kernel = std::move(kernel);
  window.stride = to_ints(stride, window.kernel.size(), "stride");
  window.dilation = to_ints(dilation, window.kernel.size(), "dilation");
  set_padding(window, padding);
  window.mode = mode.get();
  return window;
}

std::vector<int64_t> kernel_of(const Tensor& weights) {
  check(weights.shape().rank() >= 3, ErrorCode::kInvalidArgument,
        "weights of shape {}: wanted are three to five axes, the last of them the kernel's",
        weights.shape().to_string());
  return {weights.shape().begin() + 2, weights.shape().end()};
}

void bind_convolutions(nb::class_<Network>& cls) {
  cls.def(
         "convolution",
         [](const Net& net, const NetTensor& x, const ArrayLike& weights,
            std::optional<ArrayLike> bias, const IntOrInts& stride, const IntOrInts& padding,
            const IntOrInts& dilation, int64_t groups, const Mode& padding_mode,
            const std::string& name) {
           const auto type = weight_type(net, x);
           Tensor w = to_tensor(weights, type, "weights");
           Convolution op;
           op.window = window_of(kernel_of(w), stride, padding, dilation, padding_mode);
           op.groups = groups;
           return NetTensor{
               net, net->convolution(id_in(net, x), std::move(w),
                                     bias ? to_optional_tensor(*bias, type, "bias") : std::nullopt,
                                     op, name)};
         },
         nb::arg("x"), nb::arg("weights"), nb::arg("bias") = nb::none(), nb::arg("stride") = 1,
         nb::arg("padding") = 0, nb::arg("dilation") = 1, nb::arg("groups") = 1,
         nb::arg("padding_mode").sig("'explicit'") = "explicit", nb::arg("name") = "",
         "x (N, C, spatial…), weights (M, C/groups, kernel…), bias (M) -> (N, M, spatial'…).\n\n"
         "stride, dilation: an int, or one a spatial axis; padding: the same, or all before and "
         "then all after; padding_mode: 'explicit', 'ceil', 'same_upper' or 'same_lower'.")
      .def(
          "deconvolution",
          [](const Net& net, const NetTensor& x, const ArrayLike& weights,
             std::optional<ArrayLike> bias, const IntOrInts& stride, const IntOrInts& padding,
             const IntOrInts& dilation, int64_t groups, const IntOrInts& output_padding,
             const Mode& padding_mode, const std::string& name) {
            Tensor w = to_tensor(weights, DataType::kFloat32, "weights");
            Deconvolution op;
            op.window = window_of(kernel_of(w), stride, padding, dilation, padding_mode);
            op.groups = groups;
            op.output_padding = to_ints(output_padding, op.window.kernel.size(), "output_padding");
            return NetTensor{
                net, net->deconvolution(id_in(net, x), std::move(w),
                                        bias ? to_optional_tensor(*bias, DataType::kFloat32, "bias")
                                             : std::nullopt,
                                        op, name)};
          },
          nb::arg("x"), nb::arg("weights"), nb::arg("bias") = nb::none(), nb::arg("stride") = 1,
          nb::arg("padding") = 0, nb::arg("dilation") = 1, nb::arg("groups") = 1,
          nb::arg("output_padding") = 0, nb::arg("padding_mode").sig("'explicit'") = "explicit",
          nb::arg("name") = "",
          "x (N, C, spatial…), weights (C, M/groups, kernel…), bias (M) -> (N, M, spatial'…) with "
          "extents stride*(in - 1) + dilated kernel - padding + output_padding.");
}

void bind_pooling(nb::class_<Network>& cls) {
  cls.def(
      "pooling",
      [](const Net& net, const NetTensor& x, const EnumOrName<PoolingKind>& kind,
         std::optional<IntOrInts> kernel, std::optional<IntOrInts> stride, const IntOrInts& padding,
         const IntOrInts& dilation, const Mode& padding_mode, bool count_padding,
         const std::string& name) {
        Pooling op;
        op.kind = kind.get();
        op.count_padding = count_padding;
        op.global = !kernel;
        if (kernel) {
          const int rank = net->shape(id_in(net, x)).rank();
          std::vector<int64_t> extents =
              to_ints(*kernel, static_cast<size_t>(rank > 2 ? rank - 2 : 0), "kernel");
          const nb::object steps = stride ? nb::object(*stride) : nb::object(from_ints(extents));
          op.window = window_of(std::move(extents), steps, padding, dilation, padding_mode);
        }
        return NetTensor{net, net->pooling(id_in(net, x), op, name)};
      },
      nb::arg("x"), nb::arg("kind").sig("'max'") = "max", nb::arg("kernel") = nb::none(),
      nb::arg("stride") = nb::none(), nb::arg("padding") = 0, nb::arg("dilation") = 1,
      nb::arg("padding_mode").sig("'explicit'") = "explicit", nb::arg("count_padding") = false,
      nb::arg("name") = "",
      "x (N, C, spatial…) -> (N, C, spatial'…). kind: 'max' or 'average'.\n\n"
      "kernel: an int or one a spatial axis; None: the whole image. stride: None is the kernel's "
      "extents. count_padding: padded zeros count in the average's divisor.");
}

void bind_scales(nb::class_<Network>& cls) {
  cls.def(
         "scale",
         [](const Net& net, const NetTensor& x, std::optional<ArrayLike> scale,
            std::optional<ArrayLike> shift, std::optional<ArrayLike> power, int64_t axis,
            const std::string& name) {
           const auto tensor = [](const std::optional<ArrayLike>& array, const char* what) {
             return array ? to_optional_tensor(*array, DataType::kFloat32, what) : std::nullopt;
           };
           return NetTensor{
               net, net->scale(id_in(net, x), tensor(scale, "scale"), tensor(shift, "shift"),
                               tensor(power, "power"), axis, name)};
         },
         nb::arg("x"), nb::arg("scale") = nb::none(), nb::arg("shift") = nb::none(),
         nb::arg("power") = nb::none(), nb::arg("axis") = 1, nb::arg("name") = "",
         "(x * scale + shift) ** power. Each is of shape () (uniform), (C) along `axis`, or x's "
         "shape without batch; None leaves it out.")
      .def(
          "batch_norm",
          [](const Net& net, const NetTensor& x, const ArrayLike& gamma, const ArrayLike& beta,
             const ArrayLike& mean, const ArrayLike& variance, float epsilon,
             const std::string& name) {
            const auto type = DataType::kFloat32;
            return NetTensor{
                net, net->batch_norm(id_in(net, x), to_tensor(gamma, type, "gamma"),
                                     to_tensor(beta, type, "beta"), to_tensor(mean, type, "mean"),
                                     to_tensor(variance, type, "variance"), epsilon, name)};
          },
          nb::arg("x"), nb::arg("gamma"), nb::arg("beta"), nb::arg("mean"), nb::arg("variance"),
          nb::arg("epsilon") = 1e-5f, nb::arg("name") = "",
          "gamma * (x - mean) / sqrt(variance + epsilon) + beta along axis 1; each (C).")
      .def(
          "fully_connected",
          [](const Net& net, const NetTensor& x, const ArrayLike& weights,
             std::optional<ArrayLike> bias, const std::string& name) {
            const auto type = weight_type(net, x);
            return NetTensor{
                net, net->fully_connected(
                         id_in(net, x), to_tensor(weights, type, "weights"),
                         bias ? to_optional_tensor(*bias, type, "bias") : std::nullopt, name)};
          },
          nb::arg("x"), nb::arg("weights"), nb::arg("bias") = nb::none(), nb::arg("name") = "",
          "x (…, K) · weights (K, N) + bias (N) -> (…, N).");
}

}  // namespace

void bind_weighted_forms(nb::class_<Network>& cls) {
  bind_convolutions(cls);
  bind_pooling(cls);
  bind_scales(cls);
}

}  // namespace octile::python
