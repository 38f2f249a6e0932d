// Writes the page of a report's JSON, for tools/check_report.py: write_page JSON HTML
#include <fmt/format.h>

#include <exception>
#include <fstream>
#include <iterator>
#include <string>

#include "report/report_html.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} REPORT.json PAGE.html\n", argv[0]);
    return 2;
  }
  try {
    std::ifstream in(argv[1], std::ios::binary);
    const std::string json{std::istreambuf_iterator<char>(in), {}};
    std::ofstream out(argv[2], std::ios::binary);
    out << octile::report_html(json);
    out.close();
    if (!in || !out) throw std::runtime_error("a file cannot be read or written");
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", argv[1], error.what());
    return 1;
  }
}
