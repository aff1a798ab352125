// One question of the explorer: its expression, its answer as a graph or a table, and what the node says about it.

import { call } from "./api.js";
import { read } from "./answer.js";
import { Chart } from "./chart.js";
import { placeOf } from "./complaint.js";
import { Comparison, compare } from "./comparison.js";
import { attr, fill, h, say } from "./dom.js";
import { Editor } from "./editor.js";
import { count, plural, promql, readable, short, span, stamp, took } from "./format.js";
import { common, label } from "./labels.js";
import { Legend } from "./legend.js";
import { shownName, zone } from "./shell.js";
import { ResultTable } from "./table.js";

export class Panel {
  /** `run()` asks everything again, `zoomed(from, to)` changes the range, `remove()` takes the panel away. */
  constructor({ run, zoomed, remove, change }) {
    this.editor = new Editor({ run, change });
    this.chart = new Chart({ zoomed });
    this.otherChart = new Chart({ zoomed });
    this.chart.lead(this.otherChart);
    this.otherChart.lead(this.chart);
    this.legend = new Legend(this.chart);
    this.table = new ResultTable();
    this.comparison = new Comparison();
    this.facts = h("p", { class: "facts-line" });
    this.shared = h("div", { class: "labels shared" });
    this.notes = h("ul", { class: "notes" });
    this.nothing = h("p", { class: "empty", hidden: true });
    [this.hereName, this.otherName] = [h("h3"), h("h3")];
    this.charts = h("div", { class: "charts" }, h("div", {}, this.hereName, this.chart.node), this.other = h("div", { hidden: true }, this.otherName, this.otherChart.node));
    this.removeButton = h("button", { class: "plain remove", "aria-label": "Remove this expression", title: "Remove", onclick: remove }, "×");
    this.runButton = h("button", { class: "primary run", onclick: run }, "Run");
    this.result = h("div", { class: "answer", hidden: true }, this.facts, this.notes, this.comparison.node, this.shared, this.charts, this.legend.node, this.table.node, this.nothing);
    this.node = h("section", { class: "sheet panel" }, h("div", { class: "ask" }, this.editor.node, this.runButton, this.removeButton), this.result);
    this.numbers = new Map();
  }

  /** Asks; `{shows, start, end, step, at, other}` say how. Resolves with the ms that the answer took, or `null`. */
  async ask(how) {
    const expression = this.editor.text.trim();
    if (!expression) return this.clear();
    this.stop?.abort();
    const { signal } = this.stop = new AbortController();
    if (expression !== this.asked) this.numbers = new Map();
    if (expression !== this.asked) this.chart.hidden.clear();
    this.asked = expression;
    attr(this.node, "aria-busy", "true");
    const [name, params] = requestOf(expression, how);
    try {
      if (how.other) await this.askBoth(name, params, how, signal);
      else this.show(read(await call(name, { params, post: true, signal })), how);
      this.editor.mark(null);
      return this.last.took;
    } catch (error) {
      if (error.kind !== "canceled") this.fail(error, expression);
      // A wrong expression stays wrong: only the reader can change that.
      if (error.kind === "bad_data") this.asked = null;
      return null;
    } finally {
      if (!signal.aborted) attr(this.node, "aria-busy", null);
    }
  }

  async askBoth(name, params, how, signal) {
    const other = how.other;
    if (!this.last || this.comparedWith !== other.id) this.comparison.wait(other.name);
    this.comparedWith = other.id;
    try {
      await compare(name, params, other.id, signal, (here, there, tries) => {
        this.show(here, how, there);
        this.comparison.show(other.name, here, there, tries);
      });
    } catch (error) {
      if (error.kind === "canceled") throw error;
      // One of the two is the node of this page: its own answer is shown, or its own error.
      this.show(read(await call(name, { params, post: true, signal })), how);
      this.comparison.fail(other.name, error);
    }
  }

  clear() {
    this.stop?.abort();
    this.asked = null;
    this.result.hidden = true;
    this.editor.mark(null);
    return null;
  }

  fail(error, expression) {
    const isOurs = error.kind === "bad_data";
    const message = error.message.replace(/^invalid parameter "query": /, "");
    // What was shown stays where the node is away, and the foot of the page says so; of a wrong expression there is no answer.
    if (error.kind === "away" && !this.result.hidden) return;
    this.editor.mark(error.kind === "away" ? "The node does not answer." : message, isOurs ? placeOf(message, expression) : null);
    this.result.hidden = true;
  }

  show(answer, how, there = null) {
    this.last = answer;
    this.result.hidden = false;
    if (!how.other) this.comparison.hide();
    const series = label(answer.series).map(one => ({ ...one, at: this.numberOf(one.name) }));
    this.series = series;
    this.tell(answer, how);
    const isGraph = how.shows === "graph" && series.length > 0;
    this.charts.hidden = this.legend.node.hidden = !isGraph;
    this.table.node.hidden = isGraph || series.length === 0;
    this.nothing.hidden = series.length > 0;
    const shared = series.length > 1 ? Object.entries(common(series)) : [];
    fill(this.shared, shared.map(([name, value]) => h("code", {}, `${shownName(name)}="${value}"`)));
    this.shared.hidden = shared.length === 0;
    say(this.nothing, how.shows === "graph" ? "No series has a value in this range." : "No series has a value at this time.");
    if (isGraph) this.graph(series, answer, how, there);
    else if (series.length) this.table.show(series, there ? new Map(there.series.map(one => [one.name, one])) : null);
  }

  graph(series, answer, how, there) {
    this.other.hidden = !there;
    attr(this.charts, "data-two", Boolean(there));
    this.chart.show({ series, start: how.start, end: how.end, step: how.step, until: answer.completeUntil });
    this.legend.show(series);
    if (!there) return;
    say(this.hereName, how.here);
    say(this.otherName, how.other.name);
    this.otherChart.hidden = this.chart.hidden;
    const others = label(there.series).map(one => ({ ...one, at: this.numberOf(one.name) }));
    this.otherChart.show({ series: others, start: how.start, end: how.end, step: how.step, until: there.completeUntil });
  }

  /** A series keeps its colour while the expression stays. */
  numberOf(name) {
    if (!this.numbers.has(name)) this.numbers.set(name, this.numbers.size);
    return this.numbers.get(name);
  }

  tell(answer, how) {
    const { completeUntil: until, frontier } = answer;
    const steps = Math.floor((how.end - how.start) / how.step) + 1;
    const until_ = until ? `complete up to ${stamp(Math.floor(until / 1000) * 1000, zone)}${how.live && until <= how.now ? ` (${span(Math.max(0, how.now - until))} ago)` : ""}` : "complete up to an unknown time";
    const facts = [plural(answer.series.length, "series", "series"), how.shows === "graph" ? `${count(steps)} steps of ${promql(how.step)}` : `at ${stamp(how.end, zone)}`, took(answer.took), until_, `frontier ${short(frontier ?? "–")}`];
    fill(this.facts, facts.map((text, at) => [at ? h("span", { class: "dim" }, " · ") : null, h("span", {}, text)]));
    const notes = [...answer.warnings.map(text => ["wait", text]), ...answer.infos.map(text => ["info", text])];
    fill(this.notes, notes.map(([kind, text]) => h("li", { "data-kind": kind }, h("b", {}, kind === "wait" ? "warning" : "info"), ` ${readable(text)}`)));
  }

  redraw() {
    if (this.result.hidden || !this.last) return;
    this.chart.redraw();
    this.otherChart.redraw();
    if (!this.legend.node.hidden) this.legend.draw();
  }
}

function requestOf(query, { shows, start, end, step }) {
  const seconds = ms => String(ms / 1000);
  if (shows === "table") return ["query", [["query", query], ["time", seconds(end)]]];
  return ["query_range", [["query", query], ["start", seconds(start)], ["end", seconds(end)], ["step", seconds(step)]]];
}
