// Einsum: its equation as labels of axes, then operand after operand from the left (contraction.h).
#include <algorithm>
#include <map>

#include "formats/onnx/contraction.h"
#include "formats/onnx/rules.h"

namespace octile {
namespace {

struct Equation {
  std::vector<std::string> terms;
  std::string result;
  bool explicit_result = false;
};

Equation parsed(Node& node) {
  node.require(node.has_attribute("equation"), "attribute 'equation' is missing");
  std::string text = node.text("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  Equation equation;
  if (const size_t arrow = text.find("->"); arrow != std::string::npos) {
    equation.explicit_result = true;
    equation.result = text.substr(arrow + 2);
    text.resize(arrow);
  }
  size_t begin = 0;
  for (size_t comma = 0; comma != std::string::npos; begin = comma + 1) {
    comma = text.find(',', begin);
    equation.terms.push_back(text.substr(begin, comma - begin));
  }
  node.require(static_cast<int>(equation.terms.size()) == node.input_count(),
               "its equation has {} terms for {} inputs", equation.terms.size(),
               node.input_count());
  return equation;
}

/// `ellipsis` axes stand for "...".
Labels labels_of(Node& node, const std::string& term, int ellipsis) {
  Labels labels;
  bool seen = false;
  for (size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    if (c == '.') {
      node.require(!seen && term.compare(i, 3, "...") == 0, "its equation has the term '{}'", term);
      for (int a = ellipsis; a > 0; --a) labels.push_back(kEllipsis + a);
      seen = true;
      i += 2;
      continue;
    }
    node.require((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), "its equation has the term '{}'",
                 term);
    labels.push_back(c);
  }
  return labels;
}

Operand operand(Node& node, int index, const std::string& term) {
  const auto letters =
      static_cast<int>(std::count_if(term.begin(), term.end(), [](char c) { return c != '.'; }));
  const bool dots = term.find('.') != std::string::npos;
  const int rank = node.rank(index), rest = rank - letters;
  node.require(dots ? rest >= 0 : rest == 0, "its term '{}' does not fit input {} {}", term, index,
               node.shape(index).to_string());
  return {node.in(index), labels_of(node, term, dots ? rest : 0)};
}

/// Without "->": the ellipsis, then the letters that occur once, in alphabetical order.
Labels implied_result(const std::vector<Operand>& operands) {
  std::map<int, int> uses;
  for (const Operand& o : operands) {
    for (const int label : o.labels) ++uses[label];
  }
  Labels result;
  for (const auto& [label, count] : uses) {
    if (label > kEllipsis) result.insert(result.begin(), label);
  }
  for (const auto& [label, count] : uses) {
    if (label < kEllipsis && count == 1) result.push_back(label);
  }
  return result;
}

Labels needed_after(const std::vector<Operand>& operands, size_t index, const Labels& result) {
  Labels needed = result;
  for (size_t i = index; i < operands.size(); ++i) {
    needed.insert(needed.end(), operands[i].labels.begin(), operands[i].labels.end());
  }
  return needed;
}

}  // namespace

void import_einsum(Node& node) {
  const Equation equation = parsed(node);
  std::vector<Operand> operands;
  int ellipsis = 0;
  Contraction contraction(node);
  for (size_t i = 0; i < equation.terms.size(); ++i) {
    operands.push_back(operand(node, static_cast<int>(i), equation.terms[i]));
    for (const int label : operands.back().labels) ellipsis = std::max(ellipsis, label - kEllipsis);
  }
  const Labels result = equation.explicit_result ? labels_of(node, equation.result, ellipsis)
                                                 : implied_result(operands);
  for (Operand& o : operands) contraction.take_diagonals(o);
  Operand y = operands[0];
  contraction.reduce(y, needed_after(operands, 1, result));
  for (size_t i = 1; i < operands.size(); ++i) {
    const Labels later = needed_after(operands, i + 1, result);
    Labels of_b = later;
    of_b.insert(of_b.end(), y.labels.begin(), y.labels.end());
    contraction.reduce(operands[i], of_b);
    y = contraction.product(y, operands[i], later);
  }
  for (size_t i = 0; i < result.size(); ++i) {
    node.require(
        has(y.labels, result[i]) && std::count(result.begin(), result.end(), result[i]) == 1,
        "its equation's result '{}' repeats a letter or has one of no term", equation.result);
  }
  node.output(contraction.ordered(y, result));
}

}  // namespace octile
