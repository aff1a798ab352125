// An answer as a table: a column for each label that tells series apart, then the value.

import { fill, h } from "./dom.js";
import { count, exact, stamp } from "./format.js";
import { common } from "./labels.js";
import { shownName, zone } from "./shell.js";

const SHOWN = 200;

export class ResultTable {
  constructor() {
    this.limit = SHOWN;
    this.node = h("div", { class: "result" });
  }

  /** Shows series with one or many samples each. `other` are another node's values by name, if there are some. */
  show(series, other = null) {
    this.limit = SHOWN;
    this.draw(series, other);
  }

  draw(series, other) {
    const shared = common(series);
    const names = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].filter(name => series.length === 1 || !(name in shared)).sort();
    const head = [...names.map(name => h("th", { scope: "col" }, shownName(name))), h("th", { class: "figure", scope: "col" }, "Value"), other ? h("th", { class: "figure", scope: "col" }, "There") : null];
    const rows = series.slice(0, this.limit).map(one => h("tr", {}, names.map(name => h("td", { class: "mono" }, one.metric[name] ?? "")), h("td", { class: "figure value" }, valueOf(one)), other ? thereOf(one, other) : null));
    const rest = series.length > this.limit ? h("p", { class: "rest" }, `${count(this.limit)} of ${count(series.length)} series. `, h("button", { onclick: () => { this.limit = Infinity; this.draw(series, other); } }, "Show all")) : null;
    fill(this.node, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))), rest);
  }
}

function thereOf(one, other) {
  const there = other.get(one.name);
  const isSame = there && there.texts.join() === one.texts.join();
  return h("td", { class: isSame ? "figure value dim" : "figure value bad" }, there ? valueOf(there) : "none");
}

/** One value in full; of a range each with its time. */
function valueOf({ times, values, texts }) {
  if (times.length === 1) return Number.isNaN(values[0]) ? texts[0] : exact(values[0]);
  return [...times].map((at, index) => h("span", { class: "sample" }, `${texts[index]} `, h("span", { class: "dim" }, stamp(at, zone))));
}
