#include "html/page.h"

namespace stkit::html {

// Colours s0..s9 tell apart on white and on near-black, also for most colour-blind eyes.
const std::string_view kStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --panel: #ffffff; --ink: #1b1f24; --quiet: #5d6673; --line: #e1e5ea;
  --soft: #f0f2f5; --accent: #2f5fd0; --warn-ink: #7a4b00; --warn: #fff4dc; --warn-line: #f0cf8a;
  --bad: #c62f2f;
  --s0: #4269d0; --s1: #e8a30e; --s2: #3ca951; --s3: #ff725c; --s4: #a463f2; --s5: #27a7b8;
  --s6: #9498a0; --s7: #ff8ab7; --s8: #9c6b4e; --s9: #6f8f2f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --panel: #181c22; --ink: #e6e9ee; --quiet: #98a2b0; --line: #2a3038;
    --soft: #20262e; --accent: #7fa4ff; --warn-ink: #f3d08a; --warn: #2b2312; --warn-line: #5a4718;
    --bad: #ff7b72;
    --s0: #6d8ff0; --s1: #f0b83e; --s2: #55c06a; --s3: #ff8873; --s4: #b884f7; --s5: #4cc3d2;
    --s6: #848b96; --s7: #ff9fc4; --s8: #b98563; --s9: #93b54a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 48px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; letter-spacing: -.01em; }
h2 { font-size: 17px; margin: 0 0 12px; letter-spacing: -.005em; }
h3 { font-size: 13px; font-weight: 600; margin: 18px 0 6px; color: var(--quiet); overflow-wrap: anywhere; }
h3:first-of-type { margin-top: 0; }
p { margin: 0 0 10px; }
.quiet { color: var(--quiet); }
.small { font-size: 13px; }
.path { color: var(--quiet); overflow-wrap: anywhere; margin: 0 0 12px; }
code, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 13px; }
.tags { display: flex; flex-wrap: wrap; gap: 6px; margin: 0 0 22px; padding: 0; list-style: none; }
.tags li { border: 1px solid var(--line); background: var(--panel); border-radius: 999px; padding: 2px 11px; font-size: 13px; }
.tags b { font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(164px, 1fr)); gap: 14px; margin-bottom: 14px; }
.card, section { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 16px; }
.card .label { color: var(--quiet); font-size: 13px; }
.card .value { font-size: 25px; font-weight: 650; line-height: 1.3; letter-spacing: -.015em; overflow-wrap: anywhere; }
.card .note { color: var(--quiet); font-size: 12.5px; }
section { padding: 18px 20px 20px; margin-top: 14px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 14px; margin-top: 14px; }
.columns section { margin-top: 0; min-width: 0; }
section > .columns { gap: 26px 32px; margin-top: 0; }
.notice { background: var(--warn); border-color: var(--warn-line); color: var(--warn-ink); }
.notice ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }
svg + .scroll { margin-top: 10px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--quiet); font-family: inherit; }
svg .strong { fill: var(--ink); }
svg .axis { stroke: var(--line); stroke-width: 1; }
svg .track { fill: var(--soft); }
svg .hit { fill: transparent; }
svg g:hover > .hit { fill: var(--ink); fill-opacity: .06; }
svg .fault { stroke: var(--bad); stroke-width: 2; }
.f0 { fill: var(--s0); background: var(--s0); } .f1 { fill: var(--s1); background: var(--s1); }
.f2 { fill: var(--s2); background: var(--s2); } .f3 { fill: var(--s3); background: var(--s3); }
.f4 { fill: var(--s4); background: var(--s4); } .f5 { fill: var(--s5); background: var(--s5); }
.f6 { fill: var(--s6); background: var(--s6); } .f7 { fill: var(--s7); background: var(--s7); }
.f8 { fill: var(--s8); background: var(--s8); } .f9 { fill: var(--s9); background: var(--s9); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 13px; color: var(--quiet); }
summary { cursor: pointer; color: var(--accent); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--quiet); white-space: nowrap; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > td { border-bottom: 0; }
th:last-child, td:last-child { padding-right: 0; }
section > :last-child { margin-bottom: 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { overflow-wrap: anywhere; min-width: 330px; }
#tensor-table td:not(.name) { white-space: nowrap; }
td.bad { color: var(--bad); font-weight: 600; }
.facts td:first-child { color: var(--quiet); white-space: nowrap; width: 1%; padding-right: 22px; }
.facts td { overflow-wrap: anywhere; }
.tools { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin-bottom: 10px; }
input, select, button {
  font: inherit; font-size: 14px; color: inherit; background: var(--panel);
  border: 1px solid var(--line); border-radius: 7px; padding: 6px 11px;
}
input[type=search] { flex: 1 1 280px; }
input:focus-visible, select:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button:hover:enabled { border-color: var(--accent); }
button:disabled { opacity: .45; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:hover, th button:focus-visible { color: var(--accent); }
th[aria-sort=ascending] button::after { content: " \2191"; }
th[aria-sort=descending] button::after { content: " \2193"; }
tbody tr:hover td { background: var(--soft); }
.facts tbody tr:hover td, .plain tbody tr:hover td { background: none; }
.pages { display: flex; gap: 10px; align-items: center; margin-top: 12px; }
footer { color: var(--quiet); font-size: 13px; margin-top: 22px; text-align: center; }
@media (max-width: 520px) { main { padding: 18px 12px; } .columns { grid-template-columns: 1fr; } }
@media print {
  :root { --page: #fff; --panel: #fff; --ink: #000; --quiet: #444; --line: #ccc; --soft: #eee; }
  body { font-size: 11px; }
  main { max-width: none; padding: 0; }
  section, .card { break-inside: avoid; border-radius: 0; }
  .tools, .pages { display: none; }
  .f0, .f1, .f2, .f3, .f4, .f5, .f6, .f7, .f8, .f9 { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

}  // namespace stkit::html
