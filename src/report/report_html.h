// The precision report as a page: one self-contained HTML file that asks no network for anything.
// Its sources are src/report/html/; CMake puts them into the binary (cmake/embed_page.cmake). The
// JSON is that of docs/report_format.md.
#pragma once

#include <string>
#include <string_view>

namespace octile {

/// The page that shows `json`, which stands inside it. Throws kInvalidFile when the text is no JSON
/// object of format 1. Whatever the page shows of it is escaped: names of layers are untrusted.
std::string report_html(std::string_view json);

/// The page without data: @title@ and @json@ stand for what report_html() puts there. Generated.
std::string_view report_page();

}  // namespace octile
