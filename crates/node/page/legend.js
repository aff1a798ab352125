// The table below a graph: a line for each series with what it came to. A click hides or shows a series, a click on
// `only` leaves it alone; columns sort.

import { attr, fill, h, say } from "./dom.js";
import { count, si } from "./format.js";
import { swatch } from "./chart.js";

const SHOWN = 100;
const FIGURES = { last: values => values.at(-1), least: values => least(values), mean: values => mean(values), greatest: values => greatest(values) };

export class Legend {
  constructor(chart) {
    this.chart = chart;
    this.sort = { by: null, down: true };
    this.limit = SHOWN;
    this.rows = new Map();
    this.body = h("tbody");
    this.heads = Object.keys(FIGURES).map(name => h("th", { class: "figure", scope: "col" }, h("button", { class: "plain", onclick: () => this.sortBy(name) }, name)));
    this.rest = h("p", { class: "rest", hidden: true }, h("span"), " ", h("button", { onclick: () => { this.limit = Infinity; this.draw(); } }, "Show all"));
    this.node = h("div", { class: "legend" }, h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Series"), this.heads)), this.body)), this.rest);
  }

  show(series) {
    // While the same series go on, their rows stay and only figures change.
    const key = series.map(each => each.name).join("\n");
    this.series = series.map(each => ({ ...each, figures: Object.fromEntries(Object.entries(FIGURES).map(([name, of]) => [name, of(each.values)])) }));
    if (key !== this.names) [this.names, this.limit] = [key, SHOWN];
    this.draw();
  }

  sortBy(name) {
    this.sort = { by: name, down: this.sort.by === name ? !this.sort.down : true };
    this.heads.forEach((head, at) => attr(head, "aria-sort", Object.keys(FIGURES)[at] === name ? (this.sort.down ? "descending" : "ascending") : null));
    this.draw();
  }

  draw() {
    const { by, down } = this.sort;
    const sorted = by ? [...this.series].sort((a, b) => (down ? -1 : 1) * ((a.figures[by] ?? NaN) - (b.figures[by] ?? NaN) || 0)) : this.series;
    fill(this.body, sorted.slice(0, this.limit).map(series => this.row(series)));
    this.rest.hidden = sorted.length <= this.limit;
    say(this.rest.firstChild, `${count(Math.min(this.limit, sorted.length))} of ${count(sorted.length)} series.`);
    this.node.hidden = sorted.length === 0;
  }

  row(series) {
    const { hidden } = this.chart;
    const isShown = !hidden.has(series.name);
    const toggle = h("button", { class: "series", "aria-pressed": String(isShown), title: isShown ? "Hide" : "Show", onclick: () => this.toggle(series) }, swatch(series.at), h("span", { class: "mono" }, series.label ?? series.name));
    const only = h("button", { class: "plain only", onclick: () => this.only(series) }, this.isOnly(series) ? "all" : "only");
    const figures = Object.values(series.figures).map(value => h("td", { class: "figure", title: String(value) }, value === undefined ? "–" : si(value)));
    return h("tr", { class: isShown ? null : "off", onpointerenter: () => this.point(series), onpointerleave: () => this.point(null) }, h("th", { scope: "row" }, toggle, this.series.length > 1 ? only : null), figures);
  }

  /** Emphasises a series while its row is pointed at. */
  point(series) {
    const { chart } = this;
    const pen = chart.pen(chart.over);
    if (series && !chart.hidden.has(series.name)) chart.emphasise(pen, [{ series, index: 0, value: NaN }, { series, index: 0, value: NaN }]);
  }

  toggle(series) {
    const { hidden } = this.chart;
    if (!hidden.delete(series.name)) hidden.add(series.name);
    this.changed();
  }

  isOnly(series) {
    return this.series.length > 1 && this.chart.hidden.size >= this.series.length - 1 && !this.chart.hidden.has(series.name);
  }

  only(series) {
    const all = this.isOnly(series);
    this.chart.hidden.clear();
    if (!all) this.series.forEach(other => { if (other.name !== series.name) this.chart.hidden.add(other.name); });
    this.changed();
  }

  changed() {
    const focused = document.activeElement?.closest("tr");
    const at = focused ? [...this.body.children].indexOf(focused) : -1;
    const isOnly = document.activeElement?.classList.contains("only");
    this.chart.redraw();
    this.draw();
    if (at >= 0) this.body.children[at]?.querySelector(isOnly ? ".only" : "button")?.focus();
  }
}

function finite(values) {
  return values.filter(value => Number.isFinite(value));
}

function least(values) {
  const all = finite(values);
  return all.length ? all.reduce((a, b) => Math.min(a, b)) : undefined;
}

function greatest(values) {
  const all = finite(values);
  return all.length ? all.reduce((a, b) => Math.max(a, b)) : undefined;
}

function mean(values) {
  const all = finite(values);
  return all.length ? all.reduce((a, b) => a + b, 0) / all.length : undefined;
}
