// Which tensors may lie in a concatenation's output, and what the memory planner makes of it.
#include "plan/places.h"

#include "plan/plans.h"

namespace octile::test {
namespace {

bool always(size_t, const std::vector<Place>&) { return true; }

/// A quantized image and float outputs of what is made of it.
struct Images : PlanBuilder {
  explicit Images(Shape shape = {kDynamic, 4, 6, kDynamic}) : size(shape) {
    const int32_t x = input("x", with(4));
    first = image("first", 4);
    step(QuantizeStep{}, {x}, {first});
  }
  Shape with(int64_t channels) const {
    Shape shape = size;
    shape[1] = channels;
    return shape;
  }
  int32_t image(const std::string& name, int64_t channels) {
    return tensor(name, kS8, kLast, with(channels), 0.5f);
  }
  int32_t look(int32_t x, const std::string& name) {
    const int32_t y = image(name, plan.tensors[size_t(x)].shape[1]);
    step(LookupStep{blob(kU8, {256})}, {x}, {y});
    return y;
  }
  int32_t concat(std::vector<int32_t> xs, const std::string& name) {
    int64_t channels = 0;
    for (int32_t x : xs) channels += plan.tensors[size_t(x)].shape[1];
    const int32_t y = image(name, channels);
    step(ConcatStep{1}, std::move(xs), {y});
    return y;
  }
  void show(int32_t x) {
    const int32_t wide =
        tensor("wide " + std::to_string(x), kF32, kLast, plan.tensors[size_t(x)].shape);
    const int32_t y = tensor("y " + std::to_string(x), kF32, kPlain, plan.tensors[size_t(x)].shape);
    step(DequantizeStep{}, {x}, {wide});
    step(ReorderStep{}, {wide}, {y});
    plan.outputs.push_back(y);
  }

  Shape size;
  int32_t first = -1;
};

TEST(Places, PartsLieOneBehindTheOtherInEveryRow) {
  Images b;
  const int32_t s = b.look(b.first, "s"), t = b.look(b.first, "t");
  const int32_t y = b.concat({s, b.first, t}, "y");
  b.show(y);
  PlanData plan = b.finish();
  const auto places = places_in_concatenations(plan, always);
  EXPECT_EQ(places[size_t(s)], (Place{y, 0, 12}));
  EXPECT_EQ(places[size_t(b.first)], (Place{y, 4, 12}));
  EXPECT_EQ(places[size_t(t)], (Place{y, 8, 12}));
  EXPECT_EQ(places[size_t(y)], Place{});
  plan_memory(plan, plan.profiles[0], places);
  const auto& offsets = plan.profiles[0].offsets;
  EXPECT_EQ(offsets[size_t(s)], offsets[size_t(y)]);
  EXPECT_EQ(offsets[size_t(t)], offsets[size_t(y)] + 8);
}

TEST(Places, EveryStepThatTouchesATensorIsAsked) {
  Images b;
  const int32_t s = b.look(b.first, "s"), t = b.look(b.first, "t");
  const int32_t y = b.concat({s, t}, "y"), other = b.look(s, "other");
  b.show(y);
  b.show(other);
  const PlanData plan = b.finish();
  for (size_t no = 0; no < plan.steps.size(); ++no) {
    const auto& step = plan.steps[no];
    const auto touches = [&](int32_t x) {
      return std::count(step.inputs.begin(), step.inputs.end(), x) +
                 std::count(step.outputs.begin(), step.outputs.end(), x) >
             0;
    };
    const auto places = places_in_concatenations(
        plan, [&](size_t i, const std::vector<Place>&) { return i != no; });
    EXPECT_EQ(places[size_t(s)].root, touches(s) ? -1 : y) << step.name;
    EXPECT_EQ(places[size_t(t)].root, touches(t) ? -1 : y) << step.name;
  }
}

TEST(Places, OfOneTensorTwiceAndInTwoConcatenations) {
  Images b;
  const int32_t s = b.look(b.first, "s"), t = b.look(b.first, "t");
  const int32_t twice = b.concat({s, s}, "twice"), later = b.concat({t, s}, "later");
  b.show(twice);
  b.show(later);
  const PlanData plan = b.finish();
  const auto places = places_in_concatenations(plan, always);
  EXPECT_EQ(places[size_t(s)], (Place{later, 4, 8}));
  const std::vector<Shape> shapes = infer_all_shapes(plan, std::vector<Shape>{{1, 4, 6, 1}});
  const ConcatenatedBytes bytes = concatenated_bytes(plan, shapes, places);
  EXPECT_EQ(bytes.all, 2 * 8 * 6);
  EXPECT_EQ(bytes.copied, 8 * 6);
}

TEST(Places, InAConcatenationOfConcatenations) {
  Images b;
  const int32_t s = b.look(b.first, "s"), t = b.look(b.first, "t"), u = b.look(b.first, "u");
  const int32_t inner = b.concat({s, t}, "inner"), y = b.concat({u, inner}, "y");
  b.show(y);
  const PlanData plan = b.finish();
  const auto places = places_in_concatenations(plan, always);
  EXPECT_EQ(places[size_t(inner)], (Place{y, 4, 12}));
  EXPECT_EQ(places[size_t(s)], (Place{y, 4, 12}));
  EXPECT_EQ(places[size_t(t)], (Place{y, 8, 12}));
}

/// As exporters write DenseNet: every layer joins all that came before it anew.
TEST(Places, AConcatenationOfWhatALaterOneJoinsIsARunOfThat) {
  Images b;
  const int32_t s = b.look(b.first, "s"), t = b.look(b.first, "t");
  const int32_t two = b.concat({s, t}, "two"), turned = b.concat({t, s}, "turned");
  const int32_t u = b.look(two, "u"), y = b.concat({b.first, s, t, u}, "y");
  b.show(turned);
  b.show(y);
  PlanData plan = b.finish();
  const auto places = places_in_concatenations(plan, always);
  EXPECT_EQ(places[size_t(two)], (Place{y, 4, 20}));
  EXPECT_EQ(places[size_t(u)], (Place{y, 12, 20}));
  EXPECT_EQ(places[size_t(turned)], Place{});
  plan_memory(plan, plan.profiles[0], places);
  EXPECT_EQ(plan.profiles[0].offsets[size_t(two)], plan.profiles[0].offsets[size_t(y)] + 4);
}

TEST(Places, NotOfWhatOthersOwnNorWhereChannelsVary) {
  PlanBuilder b;
  const int32_t x = b.input("x", {kDynamic, 4}), k = b.constant("k", kF32, {1, 4});
  const auto rows = [&](const char* name, int64_t n) {
    return b.tensor(name, kF32, kPlain, {kDynamic, n});
  };
  const int32_t seen = rows("seen", 4), hidden = rows("hidden", 4), y = rows("y", 12);
  b.step(ActivationStep{}, {x}, {seen});
  b.step(ActivationStep{}, {x}, {hidden});
  b.step(ConcatStep{1}, {x, seen, hidden}, {y});
  const int32_t below = b.tensor("below", kF32, kPlain, {kDynamic, 4});
  b.step(ConcatStep{0}, {k, hidden}, {below});  // rows lie close, but batches vary
  b.plan.outputs = {y, seen, below};
  const PlanData plan = b.finish();
  const auto places = places_in_concatenations(plan, always);
  for (int32_t t : {x, seen, k, y, below}) EXPECT_EQ(places[size_t(t)], Place{}) << t;
  EXPECT_EQ(places[size_t(hidden)], (Place{y, 32, 48}));
}

/// Boxes of three scales, flattened and joined: what detectors return.
TEST(Places, WholesOneBehindTheOtherAndTheirViews) {
  PlanBuilder b;
  const int32_t x = b.input("x", {1, 5, 2, 3});
  const int32_t image = b.tensor("image", kF32, kLast, {1, 5, 2, 3});
  b.step(ReorderStep{}, {x}, {image});
  const int32_t rows = b.tensor("rows", kF32, kPlain, {1, 2, 3, 5});
  b.step(ViewStep{Shuffle{.first = {0, 2, 3, 1}}}, {image}, {rows});
  const int32_t flat = b.tensor("flat", kF32, kPlain, {1, 30, 1});
  b.step(ViewStep{Shuffle{.has_reshape = true, .dims = {1, 30, 1}}}, {rows}, {flat});
  const int32_t other = b.tensor("other", kF32, kPlain, {1, 30, 1});
  b.step(ActivationStep{}, {flat}, {other});
  const int32_t y = b.tensor("y", kF32, kPlain, {1, 60, 1});
  b.step(ConcatStep{1}, {other, flat}, {y});
  b.plan.outputs = {y};
  PlanData plan = b.finish();
  const auto places = places_in_concatenations(plan, always);
  EXPECT_EQ(places[size_t(other)], (Place{y, 0, 4}));
  EXPECT_EQ(places[size_t(flat)], (Place{y, 120, 4}));
  EXPECT_EQ(places[size_t(rows)], (Place{y, 120, 20}));
  EXPECT_EQ(places[size_t(image)], (Place{y, 120, 20}));
  plan_memory(plan, plan.profiles[0], places);
  for (int32_t t : {other, flat, rows, image, y})
    EXPECT_EQ(plan.profiles[0].offsets[size_t(t)], -1);
}

/// A part that is read after the whole is: nothing may take the bytes of either.
TEST(PlanMemory, PartsLiveAsLongAsAnyIsRead) {
  Images b;
  const int32_t s = b.look(b.first, "s"), t = b.look(b.first, "t");
  const int32_t y = b.concat({s, t}, "y");
  const int32_t z = b.look(y, "z"), late = b.look(s, "late");
  b.show(z);
  b.show(late);
  PlanData plan = b.finish();
  const auto offset = [&](int32_t i) { return plan.profiles[0].offsets[size_t(i)]; };
  EXPECT_EQ(offset(z), offset(y)) << "in place, where s has bytes of its own";
  EXPECT_EQ(offset(late), offset(s));
  plan_memory(plan, plan.profiles[0], places_in_concatenations(plan, always));
  EXPECT_NE(offset(z), offset(y)) << "s is read later";
  EXPECT_NE(offset(late), offset(s)) << "rows lie otherwise";
  EXPECT_EQ(offset(s), offset(y));
}

}  // namespace
}  // namespace octile::test
