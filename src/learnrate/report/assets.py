"""The style and the script of every page."""

from __future__ import annotations

from .palette import QUIET

STYLE = """
:root { --ink: #1c1e21; --soft: #5b6168; --paper: #fff; --card: #f6f7f8; --rule: #dfe2e6; --mark: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #a4abb3; --paper: #16181b; --card: #212428; --rule: #363b41; --mark: #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
#verdict { font-size: 1.1rem; margin: 0 0 .6rem; padding: .9rem 1.1rem; background: var(--card);
  border-left: 4px solid var(--mark); border-radius: 4px; overflow-wrap: anywhere; }
.facts, figcaption { color: var(--soft); font-size: .9rem; margin: .2rem 0; }
figure { margin: 0; min-width: 0; }
.chart { width: 100%; min-height: 8rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
figure:last-child:nth-child(odd) { grid-column: 1 / -1; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; }
th, td { padding: .32rem .7rem .32rem 0; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; min-width: 9rem; }
tr.group th { font-weight: 700; }
tr.idle, tr.diverged, tr.failed, tr.unfinished { color: var(--soft); }
td:last-child { min-width: 11rem; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.swatch { width: 1.5rem; height: 1.5rem; padding: 0; border-radius: 50%; border: 2px solid var(--tint);
  background: transparent; cursor: pointer; vertical-align: middle; }
.swatch[aria-pressed=true] { background: var(--tint); }
.swatch:focus-visible, .copy:focus-visible, [role=tab]:focus-visible {
  outline: 3px solid var(--mark); outline-offset: 2px; }
.keys { list-style: none; padding: 0; overflow-wrap: anywhere; }
.keys li { margin: .3rem 0; }
.code { position: relative; }
pre { background: var(--card); padding: 1rem; border-radius: 4px; overflow-x: auto; font-size: .85rem; }
.copy { position: absolute; top: .5rem; right: .5rem; font: inherit; font-size: .8rem; padding: .2rem .7rem;
  color: var(--ink); background: var(--paper); border: 1px solid var(--rule); border-radius: 4px; cursor: pointer; }
.tabs { display: flex; flex-wrap: wrap; gap: .3rem; }
.tabs button { font: inherit; font-size: .9rem; padding: .25rem .9rem; color: var(--soft); background: transparent;
  border: 1px solid var(--rule); border-radius: 4px; cursor: pointer; }
.tabs button[aria-selected=true] { color: var(--ink); background: var(--card); border-color: var(--mark); }
.findings { list-style: none; padding: 0; }
.findings li { margin: .4rem 0; padding: .4rem .8rem; border-left: 4px solid var(--rule); overflow-wrap: anywhere; }
.findings .error { border-color: #d55e00; }
.findings .warning { border-color: #e69f00; }
.findings b { text-transform: capitalize; }
tfoot td, tfoot th { font-weight: 600; border-bottom: 0; }
"""

SCRIPT = """
"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const quiet = "QUIET";
const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themed() {
  const font = getComputedStyle(document.body).fontFamily;
  return {
    "font.color": ink("--ink"), "font.family": font, "font.size": 13,
    "xaxis.gridcolor": ink("--rule"), "yaxis.gridcolor": ink("--rule"),
    "xaxis.linecolor": ink("--rule"), "yaxis.linecolor": ink("--rule"),
    "hoverlabel.bgcolor": ink("--card"), "hoverlabel.font.color": ink("--ink"), "hoverlabel.bordercolor": ink("--rule"),
  };
}

function eachChart(act) {
  for (const key of Object.keys(charts)) act(document.getElementById(key), charts[key]);
}

function bring(index, bright) {
  eachChart(place => {
    const at = place.data.flatMap((line, i) => line.meta && line.meta.index === index ? [i] : []);
    if (!at.length) return;
    const colour = bright ? place.data[at[0]].meta.colour : quiet;
    Plotly.restyle(place, {
      "line.color": colour, "line.width": bright ? 2.2 : 1, opacity: bright ? 1 : 0.5,
      hoverinfo: bright ? "all" : "skip",
    }, at);
  });
}

eachChart((place, chart) => {
  Plotly.newPlot(place, chart.data, chart.layout, { responsive: true, displaylogo: false, displayModeBar: false });
  Plotly.relayout(place, themed());
});
dark.addEventListener("change", () => eachChart(place => Plotly.relayout(place, themed())));

for (const button of document.querySelectorAll(".swatch")) {
  button.addEventListener("click", () => {
    const bright = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(bright));
    bring(Number(button.dataset.index), bright);
  });
}

for (const copy of document.querySelectorAll(".copy")) {
  copy.addEventListener("click", () => {
    const code = document.getElementById(copy.dataset.code);
    getSelection().selectAllChildren(code);  // works from a file, where the clipboard may be closed to scripts
    const copied = document.execCommand("copy");
    copy.textContent = copied ? "Copied" : "Selected: press Ctrl-C";
  });
}

const tabs = [...document.querySelectorAll("[role=tab]")];
function choose(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = each !== tab;
  }
}
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", event => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    const next = tabs[(tabs.indexOf(tab) + move + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}
""".replace("QUIET", QUIET)
