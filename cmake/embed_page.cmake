# Writes a C++ source that holds a page: FOLDER/page.html, in which @name.js@ and @style.css@ stand
# for the folder's other files.
#   cmake -DFOLDER=src/report/html -DOUTPUT=report_page.cc -P cmake/embed_page.cmake
file(READ ${FOLDER}/page.html page)
file(GLOB parts RELATIVE ${FOLDER} ${FOLDER}/*.css ${FOLDER}/*.js)
foreach(part ${parts})
  string(FIND "${page}" "@${part}@" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "${FOLDER}/page.html has no place for ${part}: write @${part}@ there")
  endif()
  file(READ ${FOLDER}/${part} text)
  string(REPLACE "@${part}@" "${text}" page "${page}")
endforeach()
string(FIND "${page}" ")octile\"" place)
if(NOT place EQUAL -1)
  message(FATAL_ERROR "the page holds )octile\", which ends its string in C++")
endif()
file(WRITE ${OUTPUT} "// Generated from src/report/html by cmake/embed_page.cmake.
#include \"report/report_html.h\"

namespace octile {

std::string_view report_page() {
  static constexpr std::string_view kPage = R\"octile(${page})octile\";
  return kPage;
}

}  // namespace octile
")
