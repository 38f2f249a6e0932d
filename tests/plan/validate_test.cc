// Hostile plans whose checksum is right: each alteration must be refused on reading, with a message
// that names the file and, for a step, the step.
#include "plan/plans.h"

namespace octile::test {
namespace {

struct Hostile {
  const char* name;
  void (*alter)(PlanData& plan);
  const char* said;  // part of the message
};

template <typename T>
T& first(PlanData& plan) {
  for (PlanStep& s : plan.steps) {
    if (auto* found = std::get_if<T>(&s.step)) return *found;
  }
  throw std::runtime_error("no such step");
}

template <typename T>
PlanStep& first_step(PlanData& plan) {
  for (PlanStep& s : plan.steps) {
    if (std::holds_alternative<T>(s.step)) return s;
  }
  throw std::runtime_error("no such step");
}

PlanTensor& named(PlanData& plan, std::string_view name) {
  for (PlanTensor& t : plan.tensors) {
    if (t.name == name) return t;
  }
  throw std::runtime_error("no such tensor");
}

void only_convs(PlanData& plan, void (*alter)(ConvStep&)) { alter(first<ConvStep>(plan)); }

const Hostile kHostile[] = {
    // indices and order
    {"input index", [](PlanData& p) { p.inputs[0] = 1000; }, "index"},
    {"negative input index", [](PlanData& p) { p.inputs[0] = -1; }, "index"},
    {"output index", [](PlanData& p) { p.outputs[0] = 1000; }, "index"},
    {"no outputs", [](PlanData& p) { p.outputs.clear(); }, "no outputs"},
    {"output twice", [](PlanData& p) { p.outputs.push_back(p.outputs[0]); }, "small.plan"},
    {"output is an input", [](PlanData& p) { p.outputs[0] = p.inputs[0]; }, "small.plan"},
    {"input twice",
     [](PlanData& p) {
       p.inputs.push_back(p.inputs[0]);
       p.profiles[0].inputs.push_back(p.profiles[0].inputs[0]);
     },
     "small.plan"},
    {"two outputs of one name",
     [](PlanData& p) {
       p.tensors[size_t(p.outputs[1])].name = p.tensors[size_t(p.outputs[0])].name;
     },
     "one name"},
    {"blob index of a tensor", [](PlanData& p) { named(p, "y").blob = 1000; }, "blob index"},
    {"negative blob index", [](PlanData& p) { named(p, "y").blob = -2; }, "blob index"},
    {"constant with a wrong blob", [](PlanData& p) { named(p, "y").blob = 0; }, "constant"},
    {"step input index", [](PlanData& p) { p.steps[3].inputs[0] = 1 << 20; }, "index"},
    {"step output index", [](PlanData& p) { p.steps[3].outputs[0] = -7; }, "index"},
    {"step without inputs", [](PlanData& p) { p.steps[3].inputs.clear(); }, "without operands"},
    {"step without outputs", [](PlanData& p) { p.steps[3].outputs.clear(); }, "without operands"},
    {"steps in wrong order", [](PlanData& p) { std::swap(p.steps[1], p.steps[4]); },
     "read before it is made"},
    {"reads itself", [](PlanData& p) { p.steps[3].inputs[0] = p.steps[3].outputs[0]; },
     "read before it is made"},
    {"made twice", [](PlanData& p) { p.steps[3].outputs[0] = p.steps[2].outputs[0]; },
     "made twice"},
    {"overwrites an input", [](PlanData& p) { p.steps[3].outputs[0] = p.inputs[0]; }, "made twice"},
    {"output never made", [](PlanData& p) { p.steps.pop_back(); }, "no step makes"},
    // profiles
    {"no profiles", [](PlanData& p) { p.profiles.clear(); }, "no profiles"},
    {"profile without inputs", [](PlanData& p) { p.profiles[0].inputs.clear(); }, "lacks inputs"},
    {"profile of another rank",
     [](PlanData& p) {
       p.profiles[0].inputs[0].min = {1, 4};
     },
     "profile"},
    {"min above opt", [](PlanData& p) { p.profiles[0].inputs[0].min[0] = 9; }, "bounds"},
    {"open bound", [](PlanData& p) { p.profiles[0].inputs[0].min[0] = -1; }, "a profile's shape"},
    {"dynamic bound", [](PlanData& p) { p.profiles[0].inputs[0].max[0] = kDynamic; }, "profile"},
    {"fixed extent changed", [](PlanData& p) { p.profiles[0].inputs[0].max[1] = 5; }, "fixed"},
    {"huge batch", [](PlanData& p) { p.profiles[0].inputs[0].max[0] = int64_t{1} << 40; },
     "too large"},
    {"missing tactics", [](PlanData& p) { p.steps[2].tactics.clear(); }, "tactics"},
    {"too many tactics", [](PlanData& p) { p.steps[2].tactics.push_back("x"); }, "tactics"},
    // shapes
    {"declared shape",
     [](PlanData& p) {
       named(p, "y").shape = {kDynamic, 6};
     },
     "'y'"},
    {"declared rank", [](PlanData& p) { named(p, "y").shape = {5}; }, "small.plan"},
    {"huge declared shape", [](PlanData& p) { named(p, "y").shape = {int64_t{1} << 50}; },
     "out of range"},
    {"negative declared shape",
     [](PlanData& p) {
       named(p, "y").shape = {-2, 5};
     },
     "out of range"},
    {"layout without channels", [](PlanData& p) { named(p, "y").layout = kLast; }, "layout"},
    // convolution
    {"groups of 0", [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.groups = 0; }); },
     "groups"},
    {"groups that do not divide",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.groups = 3; }); }, "groups"},
    {"weights for other groups",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.groups = 2; }); }, "wrong size"},
    {"negative channels",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.in_channels = -4; }); }, "channels"},
    {"huge channels",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.out_channels = int64_t{1} << 60; }); },
     "channels"},
    {"negative stride",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.window.stride[1] = -1; }); }, "window"},
    {"stride of 0", [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.window.stride[0] = 0; }); },
     "window"},
    {"dilation of 0",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.window.dilation[0] = 0; }); }, "window"},
    {"negative padding",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.window.pad_before[0] = -1; }); },
     "window"},
    {"huge padding",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.window.pad_after[0] = 1LL << 50; }); },
     "window"},
    {"kernel of one axis",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.window.kernel.pop_back(); }); },
     "two axes"},
    {"kernel larger than the image",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) {
                         s.window.dilation = {100, 100};
                       }); },
     "small.plan"},
    {"weights missing", [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.weights = -1; }); },
     "weight is missing"},
    {"weights out of range",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.weights = 99; }); }, "weight is missing"},
    {"bias of wrong type",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.bias = s.multiplier; }); }, "wrong type"},
    {"int8 without bias", [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.bias = -1; }); },
     "weight is missing"},
    {"blob shorter than its shape",
     [](PlanData& p) {
       Blob& b = p.blobs[size_t(first<ConvStep>(p).weights)];
       b.bytes = b.bytes.first(b.bytes.size() - 1);
     },
     "wrong size"},
    {"bounds of the clamp",
     [](PlanData& p) {
       only_convs(p, [](ConvStep& s) { s.clamp = {.lo = 0, .hi = 0, .q_lo = 5, .q_hi = 4}; });
     },
     "bounds"},
    {"clamp beyond int8",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.clamp.q_hi = 255; }); }, "bounds"},
    {"NaN clamp",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.clamp.lo = std::nanf(""); }); }, "clamp"},
    {"residual of another shape",
     [](PlanData& p) {
       for (PlanStep& s : p.steps) {
         auto* conv = std::get_if<ConvStep>(&s.step);
         if (conv != nullptr && conv->residual) conv->window.stride = {2, 2};
       }
     },
     "small.plan"},
    {"residual without operand",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.residual = true; }); },
     "number of inputs"},
    {"dynamic without scales",
     [](PlanData& p) { only_convs(p, [](ConvStep& s) { s.dynamic = true; }); }, "number of inputs"},
    {"plain input of a convolution", [](PlanData& p) { named(p, "q").layout = kPlain; }, "layout"},
    {"float accumulator of int8", [](PlanData& p) { named(p, "q").type = kF32; }, "type"},
    {"scale of 0", [](PlanData& p) { named(p, "q").scale = 0.0f; }, "scale"},
    {"negative scale", [](PlanData& p) { named(p, "c").scale = -1.0f; }, "scale"},
    {"NaN scale", [](PlanData& p) { named(p, "c").scale = std::nanf(""); }, "scale"},
    {"infinite scale", [](PlanData& p) { named(p, "c").scale = kInfinity; }, "scale"},
    {"zero point out of range", [](PlanData& p) { named(p, "c").zero_point = 128; }, "zero point"},
    {"dynamic scales of another shape", [](PlanData& p) { named(p, "scales").type = kS32; },
     "scale type"},
    {"multiplier of 0",
     [](PlanData& p) {
       static const float kZeros[4] = {};
       p.blobs[size_t(first<ConvStep>(p).multiplier)].bytes = std::as_bytes(std::span(kZeros));
     },
     "multiplier"},
    {"infinite residual multiplier",
     [](PlanData& p) {
       for (PlanStep& s : p.steps) {
         auto* conv = std::get_if<ConvStep>(&s.step);
         if (conv != nullptr && conv->residual) conv->residual_multiplier = kInfinity;
       }
     },
     "multiplier"},
    // others
    {"subnormal multiplier of an addition", [](PlanData& p) { first<EltwiseStep>(p).m_b = 1e-40f; },
     "multiplier"},
    {"deconvolution groups", [](PlanData& p) { first<DeconvStep>(p).groups = 4; }, "groups"},
    {"deconvolution output padding",
     [](PlanData& p) {
       first<DeconvStep>(p).output_padding = {1, 1, 1};
     },
     "padding"},
    {"huge deconvolution output padding",
     [](PlanData& p) {
       first<DeconvStep>(p).output_padding = {1LL << 40, 0};
     },
     "small.plan"},
    {"negative deconvolution output padding",
     [](PlanData& p) {
       first<DeconvStep>(p).output_padding = {-1, 0};
     },
     "small.plan"},
    {"deconvolution bias", [](PlanData& p) { first<DeconvStep>(p).bias = 0; }, "wrong type"},
    {"pool window larger than the image",
     [](PlanData& p) {
       first<PoolStep>(p).window.kernel = {7, 7};
     },
     "small.plan"},
    {"pool padding as large as its window",
     [](PlanData& p) {
       first<PoolStep>(p).window.pad_before = {2, 0};
     },
     "padding"},
    {"maximum that rescales", [](PlanData& p) { named(p, "p").scale = 1.0f; }, "maximum"},
    {"table of wrong size",
     [](PlanData& p) { first<LookupStep>(p).table = first<ConvStep>(p).weights; }, "wrong"},
    {"int8 division", [](PlanData& p) { first<EltwiseStep>(p).kind = ElementwiseKind::kDiv; },
     "kind"},
    {"operands that do not broadcast",
     [](PlanData& p) { first_step<EltwiseStep>(p).inputs[1] = first_step<ConvStep>(p).inputs[0]; },
     "small.plan"},
    {"concatenation axis", [](PlanData& p) { first<ConcatStep>(p).axis = 9; }, "small.plan"},
    {"concatenation of scales", [](PlanData& p) { named(p, "k").scale = 3.0f; }, "scale"},
    {"quantize bounds", [](PlanData& p) { first<QuantizeStep>(p).q_lo = -129; }, "bounds"},
    {"reorder that casts", [](PlanData& p) { named(p, "x last").type = kS8; }, "type"},
    {"view that transposes",
     [](PlanData& p) {
       std::get<Shuffle>(first<ViewStep>(p).op).first = {0, 2, 3, 1};
     },
     "view"},
    {"view that computes", [](PlanData& p) { first<ViewStep>(p).op = Unary{UnaryKind::kExp}; },
     "view"},
    {"view of another volume",
     [](PlanData& p) {
       std::get<Shuffle>(first<ViewStep>(p).op).dims = {0, 73};
     },
     "small.plan"},
    {"normalize axes", [](PlanData& p) { first<NormalizeStep>(p).axes = 3; }, "small.plan"},
    {"normalize scale", [](PlanData& p) { first<NormalizeStep>(p).scale = 99; }, "small.plan"},
    {"softmax axis", [](PlanData& p) { first<SoftmaxStep>(p).axes = {5}; }, "small.plan"},
    {"product of wrong extents", [](PlanData& p) { first<MatMulStep>(p).op.transpose_b = false; },
     "small.plan"},
    {"top-k beyond the axis", [](PlanData& p) { std::get<TopK>(first<GenericStep>(p).op).k = 73; },
     "small.plan"},
    {"negative top-k", [](PlanData& p) { std::get<TopK>(first<GenericStep>(p).op).k = -1; },
     "small.plan"},
    {"generic with a missing output",
     [](PlanData& p) {
       first_step<GenericStep>(p).outputs.pop_back();
       p.outputs.pop_back();
     },
     "outputs"},
    {"generic output type", [](PlanData& p) { named(p, "index").type = kF32; }, "types"},
    {"generic constant", [](PlanData& p) { first<GenericStep>(p).op = Constant{}; }, "small.plan"},
};

class Validate : public testing::TestWithParam<Hostile> {};

TEST_P(Validate, IsRefused) {
  PlanData plan = every_step_plan();
  GetParam().alter(plan);
  const std::string bytes = serialize(plan);
  const std::string message = message_of([&] { read(bytes); }, ErrorCode::kInvalidFile);
  EXPECT_TRUE(contains(message, "small.plan"));
  EXPECT_TRUE(contains(message, GetParam().said));
}

INSTANTIATE_TEST_SUITE_P(Hostile, Validate, testing::ValuesIn(kHostile), [](const auto& param) {
  std::string name = param.param.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

TEST(ValidateMessages, NameTheStep) {
  PlanData plan = every_step_plan();
  plan.steps[2].name = "conv1 + relu1";
  std::get<ConvStep>(plan.steps[2].step).groups = 3;
  const std::string bytes = serialize(plan);
  const std::string message = message_of([&] { read(bytes); }, ErrorCode::kInvalidFile);
  EXPECT_TRUE(contains(message, "conv1 + relu1"));
  EXPECT_TRUE(contains(message, "build it again"));
}

/// One attribute or index changed at random: refused, or harmless.
TEST(ValidateMessages, RandomNumbersNeverCrash) {
  Random random(5);
  const auto strange = [&]() -> int64_t {
    constexpr int64_t kValues[] = {-1,
                                   0,
                                   1,
                                   2,
                                   3,
                                   5,
                                   127,
                                   1 << 20,
                                   int64_t{1} << 31,
                                   int64_t{1} << 40,
                                   int64_t{1} << 62,
                                   -(int64_t{1} << 62)};
    return kValues[random.integer(0, 11)];
  };
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    PlanData plan = every_step_plan();
    PlanStep& step = plan.steps[size_t(random.integer(0, int64_t(plan.steps.size()) - 1))];
    PlanTensor& tensor = plan.tensors[size_t(random.integer(0, int64_t(plan.tensors.size()) - 1))];
    switch (random.integer(0, 5)) {
      case 0: step.inputs[0] = int32_t(random.integer(0, int64_t(plan.tensors.size()) - 1)); break;
      case 1: step.outputs[0] = int32_t(random.integer(0, int64_t(plan.tensors.size()) - 1)); break;
      case 2: tensor.type = DataType(random.integer(0, 9)); break;
      case 3: tensor.shape = Shape{kDynamic, strange()}; break;
      case 4: tensor.zero_point = int32_t(strange()); break;
      default:
        if (auto* conv = std::get_if<ConvStep>(&step.step)) {
          (random.integer(0, 1) == 0 ? conv->window.stride[0] : conv->in_channels) = strange();
        } else if (auto* generic = std::get_if<GenericStep>(&step.step)) {
          std::get<TopK>(generic->op).k = strange();
        } else if (auto* deconv = std::get_if<DeconvStep>(&step.step)) {
          deconv->window.stride[1] = deconv->output_padding[0] = strange();
        } else if (auto* view = std::get_if<ViewStep>(&step.step)) {
          std::get<Shuffle>(view->op).dims = {strange(), strange()};
        }
    }
    try {
      read(serialize(plan));
    } catch (const Error& error) {
      ++refused;
      ASSERT_TRUE(error.code() == ErrorCode::kInvalidFile ||
                  error.code() == ErrorCode::kUnsupported)
          << error.what();
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace octile::test
