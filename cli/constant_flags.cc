// --constant NAME=VALUE: values for graph inputs, from the command line or an .npy file. The text
// says no type: integers become int64, other numbers float32, and the importer converts them.
#include <fmt/format.h>

#include <charconv>

#include "session.h"

namespace octile::cli {
namespace {

template <typename T>
bool parse_numbers(const std::vector<std::string>& words, std::vector<T>& values) {
  for (const std::string& word : words) {
    T value{};
    const char* end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, value);
    if (error != std::errc() || stop != end) return false;
    values.push_back(value);
  }
  return true;
}

Tensor parse_value(const std::string& name, const std::string& text) {
  if (text.ends_with(".npy")) return load_npy(text);
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<int64_t> integers;
  if (parse_numbers(words, integers)) return Tensor::int64s(integers);
  std::vector<float> floats;
  if (parse_numbers(words, floats)) {
    return Tensor::floats(Shape{static_cast<int64_t>(floats.size())}, floats);
  }
  throw CLI::ValidationError(fmt::format(
      "--constant {}: '{}' is neither a list of numbers (1,2,3) nor an .npy file", name, text));
}

}  // namespace

void ConstantFlags::add(CLI::App& command) {
  command
      .add_option("--constant", given,
                  "Value of a model input that only carries a shape or parameter (repeatable):\n"
                  "NAME=VALUE[,VALUE...] or NAME=file.npy; the input becomes a constant")
      ->allow_extra_args(false);
}

std::map<std::string, Tensor> ConstantFlags::parse() const {
  std::map<std::string, Tensor> constants;
  for (const std::string& text : given) {
    const size_t mark = text.find('=');
    if (mark == std::string::npos || mark == 0) {
      throw CLI::ValidationError(
          fmt::format("--constant '{}': write it as NAME=VALUE[,VALUE...]", text));
    }
    const std::string name = text.substr(0, mark);
    if (!constants.emplace(name, parse_value(name, text.substr(mark + 1))).second) {
      throw CLI::ValidationError(fmt::format("--constant {}: it is given twice", name));
    }
  }
  return constants;
}

void ConstantFlags::need_model(bool is_there) const {
  if (given.empty() || is_there) return;
  throw CLI::ValidationError("--constant", "is for models; a plan is built already");
}

}  // namespace octile::cli
