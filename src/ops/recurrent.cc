// Recurrent: RNN, GRU and LSTM by ONNX's formulas, one sample after the other. Sums are kept in
// binary64 and rounded once a gate, as those of a matrix multiply.
#include <algorithm>
#include <vector>

#include "ops/families.h"

namespace octile {
namespace {

using Doubles = std::vector<double>;

int64_t gates_of(RecurrentKind kind) {
  return kind == RecurrentKind::kRnn ? 1 : kind == RecurrentKind::kGru ? 3 : 4;
}

size_t activations_of(RecurrentKind kind) {
  return kind == RecurrentKind::kRnn ? 1 : kind == RecurrentKind::kGru ? 2 : 3;
}

int64_t directions_of(const Recurrent& op) {
  return op.direction == RecurrentDirection::kBidirectional ? 2 : 1;
}

/// Where the optional inputs stand; −1 when absent. `count` is how many inputs there are in all.
struct Places {
  int bias = -1, lengths = -1, h = -1, c = -1, peepholes = -1;
  int count = 3;

  explicit Places(const Recurrent& op) {
    if (op.has_bias) bias = count++;
    if (op.has_lengths) lengths = count++;
    if (op.has_initial_h) h = count++;
    if (op.has_initial_c) c = count++;
    if (op.has_peepholes) peepholes = count++;
  }
};

void require_shape(Infos in, int index, std::string_view what, const Shape& wanted) {
  if (index < 0) return;
  const Shape& shape = in[static_cast<size_t>(index)].shape;
  const bool fits = std::equal(shape.begin(), shape.end(), wanted.begin(), wanted.end(), may_equal);
  check(fits, ErrorCode::kInvalidArgument, "{} has the shape {}, but must have {}", what,
        shape.to_string(), wanted.to_string());
}

void require_attributes(const Recurrent& op) {
  const size_t functions = activations_of(op.kind) * static_cast<size_t>(directions_of(op));
  check(op.activations.size() == functions, ErrorCode::kInvalidArgument,
        "it has {} activations, but needs {}", op.activations.size(), functions);
  check(op.clip >= 0.0f, ErrorCode::kInvalidArgument, "clip is {}, but must not be negative",
        op.clip);
  check(
      op.kind == RecurrentKind::kLstm || !(op.has_initial_c || op.has_peepholes || op.input_forget),
      ErrorCode::kInvalidArgument, "only an LSTM has cells, peepholes and a coupled input gate");
}

/// One direction: its weights, transposed so that the inner loops run along the gates.
struct Cell {
  const Recurrent& op;
  const Activation* functions;
  int64_t inputs, hidden, width;  // width: gates · hidden
  std::vector<float> weights, recurrence;
  const float* bias = nullptr;
  const float* peepholes = nullptr;

  float activate_gate(int index, double sum) const {
    auto x = static_cast<float>(sum);
    if (op.clip > 0.0f) x = x < -op.clip ? -op.clip : x > op.clip ? op.clip : x;
    return activate(functions[index], x);
  }
  double peephole(int64_t gate, int64_t j, float c) const {
    return peepholes == nullptr ? 0.0 : static_cast<double>(peepholes[gate * hidden + j]) * c;
  }
};

std::vector<float> transposed(const float* from, int64_t rows, int64_t columns) {
  std::vector<float> to(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      to[static_cast<size_t>(c * rows + r)] = from[r * columns + c];
    }
  }
  return to;
}

/// sums[first …] = bias + x · matrix, along the columns from `first` on.
void project(const float* x, int64_t count, const std::vector<float>& matrix, int64_t width,
             const float* bias, int64_t first, Doubles& sums) {
  for (int64_t j = first; j < width; ++j) {
    sums[static_cast<size_t>(j)] = bias != nullptr ? static_cast<double>(bias[j]) : 0.0;
  }
  for (int64_t i = 0; i < count; ++i) {
    const auto factor = static_cast<double>(x[i]);
    const float* row = matrix.data() + i * width;
    for (int64_t j = first; j < width; ++j) {
      sums[static_cast<size_t>(j)] += factor * static_cast<double>(row[j]);
    }
  }
}

/// The state of one sample, and room for the sums of one step: of x's products and of h's.
struct State {
  std::vector<float> h, c;
  Doubles x_sums, h_sums;

  double sum(int64_t j) const {
    return x_sums[static_cast<size_t>(j)] + h_sums[static_cast<size_t>(j)];
  }
};

void rnn_step(const Cell& cell, State& s) {
  for (int64_t j = 0; j < cell.hidden; ++j) {
    s.h[static_cast<size_t>(j)] = cell.activate_gate(0, s.sum(j));
  }
}

void gru_step(const Cell& cell, State& s) {
  const int64_t n = cell.hidden;
  const float* h_bias = cell.bias != nullptr ? cell.bias + cell.width : nullptr;
  std::vector<float> reset(static_cast<size_t>(n)), scaled(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) {
    const auto at = static_cast<size_t>(j);
    reset[at] = cell.activate_gate(0, s.sum(n + j));
    scaled[at] = reset[at] * s.h[at];
  }
  if (!cell.op.linear_before_reset) {
    project(scaled.data(), n, cell.recurrence, cell.width, h_bias, 2 * n, s.h_sums);
  }
  for (int64_t j = 0; j < n; ++j) {
    const auto at = static_cast<size_t>(j), last = static_cast<size_t>(2 * n + j);
    const double factor = cell.op.linear_before_reset ? static_cast<double>(reset[at]) : 1.0;
    const float update = cell.activate_gate(0, s.sum(j));
    const float candidate = cell.activate_gate(1, s.x_sums[last] + factor * s.h_sums[last]);
    s.h[at] = (1.0f - update) * candidate + update * s.h[at];
  }
}

void lstm_step(const Cell& cell, State& s) {
  const int64_t n = cell.hidden;
  for (int64_t j = 0; j < n; ++j) {
    const auto at = static_cast<size_t>(j);
    const float before = s.c[at];
    const float in = cell.activate_gate(0, s.sum(j) + cell.peephole(0, j, before));
    const float forget =
        cell.op.input_forget
            ? 1.0f - in
            : cell.activate_gate(0, s.sum(2 * n + j) + cell.peephole(2, j, before));
    s.c[at] = forget * before + in * cell.activate_gate(1, s.sum(3 * n + j));
    const float out = cell.activate_gate(0, s.sum(n + j) + cell.peephole(1, j, s.c[at]));
    s.h[at] = out * activate(cell.functions[2], s.c[at]);
  }
}

void step(const Cell& cell, const float* x, State& s) {
  const float* h_bias = cell.bias != nullptr ? cell.bias + cell.width : nullptr;
  project(x, cell.inputs, cell.weights, cell.width, cell.bias, 0, s.x_sums);
  project(s.h.data(), cell.hidden, cell.recurrence, cell.width, h_bias, 0, s.h_sums);
  switch (cell.op.kind) {
    case RecurrentKind::kRnn: return rnn_step(cell, s);
    case RecurrentKind::kGru: return gru_step(cell, s);
    default: return lstm_step(cell, s);
  }
}

/// Slice `at` of an input that may be absent.
const float* slice_of(Views in, int index, int64_t at, int64_t size) {
  return index < 0 ? nullptr : in[static_cast<size_t>(index)].as<float>() + at * size;
}

Cell cell_of(const Recurrent& op, Views in, int64_t direction) {
  const Places places(op);
  const int64_t width = in[1].shape[1], inputs = in[1].shape[2], hidden = in[2].shape[2];
  return {op,
          op.activations.data() + direction * static_cast<int64_t>(activations_of(op.kind)),
          inputs,
          hidden,
          width,
          transposed(slice_of(in, 1, direction, width * inputs), width, inputs),
          transposed(slice_of(in, 2, direction, width * hidden), width, hidden),
          slice_of(in, places.bias, direction, 2 * width),
          slice_of(in, places.peepholes, direction, 3 * hidden)};
}

/// One sample in one direction: y and the last state.
void run_sample(const Cell& cell, Views in, Outs out, int64_t direction, int64_t sample) {
  const Places places(cell.op);
  const int64_t steps = in[0].shape[0], batch = in[0].shape[1], hidden = cell.hidden;
  const int64_t length =
      places.lengths < 0 ? steps : in[static_cast<size_t>(places.lengths)].as<int32_t>()[sample];
  check(length >= 0 && length <= steps, ErrorCode::kInvalidArgument,
        "sequence {} has the length {}, but there are {} steps", sample, length, steps);
  const int64_t row = direction * batch + sample;
  const auto size = static_cast<size_t>(hidden), width = static_cast<size_t>(cell.width);
  State s{std::vector<float>(size), std::vector<float>(size), Doubles(width), Doubles(width)};
  if (const float* h = slice_of(in, places.h, row, hidden)) std::copy_n(h, size, s.h.data());
  if (const float* c = slice_of(in, places.c, row, hidden)) std::copy_n(c, size, s.c.data());
  const bool backwards = cell.op.direction == RecurrentDirection::kReverse || direction == 1;
  const auto y_at = [&](int64_t t) {
    return out[0].as<float>() +
           ((t * directions_of(cell.op) + direction) * batch + sample) * hidden;
  };
  for (int64_t i = 0; i < length; ++i) {
    const int64_t t = backwards ? length - 1 - i : i;
    step(cell, in[0].as<float>() + (t * batch + sample) * cell.inputs, s);
    std::copy_n(s.h.data(), size, y_at(t));
  }
  for (int64_t t = length; t < steps; ++t) std::fill_n(y_at(t), size, 0.0f);
  std::copy_n(s.h.data(), size, out[1].as<float>() + row * hidden);
  if (out.size() > 2) std::copy_n(s.c.data(), size, out[2].as<float>() + row * hidden);
}

}  // namespace

Inferred infer_op(const Recurrent& op, Infos in) {
  require_attributes(op);
  const Places places(op);
  check(in.size() == static_cast<size_t>(places.count), ErrorCode::kInvalidArgument,
        "got {} inputs, but its attributes say {}", in.size(), places.count);
  for (int i = 0; i < places.count; ++i) {
    require_type(in, i, {i == places.lengths ? DataType::kInt32 : DataType::kFloat32});
  }
  check(in[0].shape.rank() == 3 && in[2].shape.rank() == 3 && in[2].shape[2] > 0,
        ErrorCode::kInvalidArgument, "x and recurrence must have three axes, not {} and {}",
        in[0].shape.to_string(), in[2].shape.to_string());
  const int64_t steps = in[0].shape[0], batch = in[0].shape[1], hidden = in[2].shape[2];
  const int64_t directions = directions_of(op), width = gates_of(op.kind) * hidden;
  require_shape(in, 1, "weights", {directions, width, in[0].shape[2]});
  require_shape(in, 2, "recurrence", {directions, width, hidden});
  require_shape(in, places.bias, "bias", {directions, 2 * width});
  require_shape(in, places.lengths, "lengths", {batch});
  require_shape(in, places.h, "initial h", {directions, batch, hidden});
  require_shape(in, places.c, "initial c", {directions, batch, hidden});
  require_shape(in, places.peepholes, "peepholes", {directions, 3 * hidden});
  const TensorInfo last{DataType::kFloat32, {directions, batch, hidden}, nullptr};
  Inferred result{{DataType::kFloat32, {steps, directions, batch, hidden}, nullptr}, last};
  if (op.kind == RecurrentKind::kLstm) result.push_back(last);
  return result;
}

void evaluate_op(const Recurrent& op, Views in, Outs out) {
  for (int64_t direction = 0; direction < directions_of(op); ++direction) {
    const Cell cell = cell_of(op, in, direction);
    for (int64_t sample = 0; sample < in[0].shape[1]; ++sample) {
      run_sample(cell, in, out, direction, sample);
    }
  }
}

}  // namespace octile
