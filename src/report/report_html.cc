// See report_html.h.
#include "report/report_html.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace octile {
namespace {

constexpr int kReportFormat = 1;

using ReportJson = nlohmann::json;

ReportJson parsed_report(std::string_view text) {
  ReportJson json;
  try {
    json = ReportJson::parse(text);
  } catch (const ReportJson::exception& error) {
    fail(ErrorCode::kInvalidFile, "the report is no JSON: {}", error.what());
  }
  const bool has_format = json.is_object() && json.contains("format");
  check(has_format && json["format"].is_number_integer(), ErrorCode::kInvalidFile,
        "the report is no JSON object with a whole number \"format\" (docs/report_format.md)");
  check(json["format"] == kReportFormat, ErrorCode::kInvalidFile,
        "the report has format {}, this version of Octile shows format {}; write the report again",
        json["format"].get<int64_t>(), kReportFormat);
  return json;
}

/// `text` with each of `from` as what stands beside it in `to`.
std::string with_escapes(std::string_view text,
                         std::initializer_list<std::pair<char, std::string_view>> escapes) {
  std::string result;
  result.reserve(text.size() + text.size() / 16);
  for (const char c : text) {
    const auto* found = escapes.begin();
    while (found != escapes.end() && found->first != c) ++found;
    if (found == escapes.end()) {
      result += c;
    } else {
      result += found->second;
    }
  }
  return result;
}

}  // namespace

std::string report_html(std::string_view json) {
  const ReportJson report = parsed_report(json);
  const auto model = report.find("model");
  const std::string name =
      model != report.end() && model->is_string() ? model->get<std::string>() : "a network";
  const std::pair<std::string_view, std::string> values[] = {
      {"@title@", with_escapes(name, {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}})},
      // Inside strings only does JSON have a '<', and a page's script ends at nothing else.
      {"@json@", with_escapes(json, {{'<', "\\u003c"}})}};
  std::string page;
  std::string_view rest = report_page();
  for (const auto& [mark, value] : values) {
    const size_t place = rest.find(mark);
    check(place != rest.npos, ErrorCode::kInternal, "the report's page has no {}", mark);
    page.append(rest.substr(0, place)).append(value);
    rest.remove_prefix(place + mark.size());
  }
  return page.append(rest);
}

}  // namespace octile
