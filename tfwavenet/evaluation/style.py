"""Appearance of the page: no other file, no network, light and dark, from phones to screens."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --text: #1b2330; --soft: #5d6878;
  --accent: #2f5bd0; --good: #11734b; --good-ground: #e3f4ec; --bad: #a23b1e; --bad-ground: #fbe9e3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161c; --card: #1b212a; --line: #2f3845; --text: #e7ebf1; --soft: #9aa6b6;
    --accent: #8cabff; --good: #6fd6a6; --good-ground: #173a2b; --bad: #f0a287; --bad-ground: #442218;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 40px 0 12px; }
.soft { color: var(--soft); }
.small { font-size: 13.5px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(155px, 1fr)); gap: 12px;
  margin-top: 24px; }
.card, .sample { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 16px; }
.card .number { font-size: 27px; line-height: 1.25; font-weight: 650; letter-spacing: -0.01em;
  font-variant-numeric: tabular-nums; }
.card .unit { font-size: 14px; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.tag { display: inline-block; border-radius: 99px; padding: 0 8px; font-size: 12.5px; }
.tag.better { color: var(--good); background: var(--good-ground); }
.tag.worse { color: var(--bad); background: var(--bad-ground); }
.tag.even { color: var(--soft); background: var(--ground); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 9px 16px; text-align: right; vertical-align: top; white-space: nowrap;
  border-top: 1px solid var(--line); }
thead th { border-top: 0; font-size: 13.5px; color: var(--soft); font-weight: 600; }
th:first-child { text-align: left; font-weight: 500; white-space: normal; min-width: 150px; }
td .ci { color: var(--soft); font-size: 13px; }
td.best { color: var(--good); font-weight: 650; }
td.best::before { content: "\\2713\\00a0"; }
td.aside { color: var(--soft); }
.sample { padding: 14px 16px 16px; margin-top: 14px; }
.sample h3 { font-size: 16px; margin: 0 0 10px; font-weight: 600; overflow-wrap: anywhere; }
.versions { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 225px), 1fr));
  gap: 16px; }
.version { min-width: 0; }
.version .name { font-weight: 600; font-size: 14.5px; margin-bottom: 4px; }
audio { width: 100%; height: 38px; display: block; }
figure { margin: 8px 0 0; position: relative; }
figure img { width: 100%; height: 130px; display: block; border-radius: 6px; background: #000; }
figcaption { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft);
  margin-top: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { overflow-x: auto; margin: 10px 0 0; padding: 14px 16px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }
summary { cursor: pointer; color: var(--accent); margin-top: 16px; }
@media (max-width: 560px) {
  main { padding: 20px 12px 48px; }
  h1 { font-size: 23px; }
  table { font-size: 14.5px; }
  th, td { padding: 7px 4px; }
  th:first-child { padding-left: 9px; }
  td:last-child, thead th:last-child { padding-right: 9px; }
  th:first-child { min-width: 0; }
  th .about { display: none; }
  .card .number { font-size: 24px; }
  td .ci { display: block; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 8px; }
}
"""

# One sound at a time.
SCRIPT = """
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio")) {
    if (other !== event.target) { other.pause(); }
  }
}, true);
"""
