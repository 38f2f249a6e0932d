// The report's page: what it refuses, and that nothing in a report can leave its place in the page.
// What the page then shows is looked at in a browser, by tools/check_report.py.
#include "report/report_html.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "octile/types.h"

namespace octile {
namespace {

size_t count(std::string_view text, std::string_view what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

/// The data as a browser finds it: what stands between its script's tags.
std::string_view data_of(std::string_view page) {
  const std::string_view begin = "<script type=\"application/json\" id=\"report\">";
  const size_t from = page.find(begin) + begin.size();
  return page.substr(from, page.find("</script>", from) - from);
}

std::string report_with_name(const std::string& name) {
  return nlohmann::json{{"format", 1}, {"model", name}, {"groups", {{{"name", name}}}}}.dump();
}

void expect_refused(std::string_view json, std::string_view part_of_message) {
  try {
    report_html(json);
    ADD_FAILURE() << "accepted: " << json;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    EXPECT_NE(std::string_view(error.what()).find(part_of_message), std::string_view::npos)
        << error.what();
  }
}

TEST(ReportHtml, TheSmallestReportMakesAPage) {
  const std::string page = report_html(R"({"format":1})");
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  EXPECT_EQ(data_of(page), R"({"format":1})");
  EXPECT_NE(page.find("<title>a network"), page.npos);
}

TEST(ReportHtml, ThePageIsWholeAndAsksForNothing) {
  const std::string page = report_html(R"({"format":1})");
  for (const char* mark : {".css@", ".js@", "@title@", "@json@"}) {
    EXPECT_EQ(page.find(mark), page.npos) << mark;
  }
  for (const char* tag :
       {"<link rel=\"stylesheet", "src=", "@import", "fetch(", "XMLHttpRequest"}) {
    EXPECT_EQ(page.find(tag), page.npos) << tag;
  }
  EXPECT_EQ(count(page, "http"),
            count(page, "http://www.w3.org/2000/svg") + count(page, "http-equiv"));
  EXPECT_EQ(count(page, "innerHTML"), 0u);
  EXPECT_LT(page.size(), 200u * 1024);
}

TEST(ReportHtml, NamesCannotLeaveTheirPlace) {
  const std::string plain = report_html(report_with_name("plain"));
  for (const std::string name :
       {"</script><script>alert(1)</script>", "</ScRiPt >", "<!--<script>", "</title><b>", "@json@",
        "@title@", "a\"b\\c\nd", "\xe2\x80\xa8", "&lt;i&gt; & <i>", "\\u003c/script>"}) {
    const std::string page = report_html(report_with_name(name));
    for (const char* tag : {"<script", "</script", "<!--", "</title", "<b>", "<i>"}) {
      EXPECT_EQ(count(page, tag), count(plain, tag)) << tag << " in the page of " << name;
    }
    const nlohmann::json data = nlohmann::json::parse(data_of(page));
    EXPECT_EQ(data["model"], name);
    EXPECT_EQ(data["groups"][0]["name"], name);
  }
}

TEST(ReportHtml, TheTitleIsTheModelAsText) {
  const std::string page = report_html(report_with_name("a<b> & c"));
  EXPECT_NE(page.find("<title>a&lt;b&gt; &amp; c · Octile"), page.npos);
}

TEST(ReportHtml, RefusesWhatIsNoReport) {
  expect_refused("", "no JSON");
  expect_refused("{\"format\":1", "no JSON");
  expect_refused("{\"format\":1} x", "no JSON");
  expect_refused("{\"format\":1,\"model\":\"\xff\"}", "no JSON");
  expect_refused("[1]", "\"format\"");
  expect_refused("1", "\"format\"");
  expect_refused("{}", "\"format\"");
  expect_refused(R"({"format":"1"})", "\"format\"");
  expect_refused(R"({"format":1.5})", "\"format\"");
  expect_refused(R"({"format":2})", "format 2");
}

}  // namespace
}  // namespace octile
