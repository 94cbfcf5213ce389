// Pages that stand alone: one file, no network, light and dark, no script but its own.
//
// Everything that comes from a model goes through `text`; the page's policy allows exactly the
// style sheet and the script below, by digest.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace stkit::html {

extern const std::string_view kStyle;
extern const std::string_view kScript;  // of the page's one table (table.h)

// Foreign text for element content and quoted attributes: control and reordering characters made
// visible, markup made harmless. Longer text is cut in its middle.
std::string text(std::string_view foreign, size_t columns = 400);

// "12.5 %"; what is nearly nothing or nearly all says so.
std::string percent(double fraction);

// Up to and with the heading. `title` and `path` are foreign.
void append_head(std::string& out, std::string_view title, std::string_view path);
// REQUIRES: the page has a table. `command` is ours.
void append_end(std::string& out, std::string_view command);

// A row of these stands in <ul class="tags">. `value` is foreign; without one there is no tag.
void append_tag(std::string& out, std::string_view label, std::string_view value);
// These stand in <div class="cards">. All three are HTML.
void append_card(std::string& out, std::string_view label, std::string_view value,
                 std::string_view note);
// Foreign lines, the first hundred of them. Nothing when there are none.
void append_notices(std::string& out, std::string_view title, std::span<const std::string> lines);
// HTML; nothing when `content` is empty.
void append_section(std::string& out, std::string_view title, std::string_view content);
// A row of <table class="facts">, as HTML.
void append_fact(std::string& out, std::string_view label, std::string_view value);

}  // namespace stkit::html
