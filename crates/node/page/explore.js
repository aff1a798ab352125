// The explorer: expressions over one range of time, as graphs or tables, live or fixed, alone or beside another node.
// Everything that is asked stands in the address.

import { Browser } from "./browser.js";
import { attr, fill, h, say } from "./dom.js";
import { millis, promql } from "./format.js";
import { Panel } from "./panel.js";
import { address, read, readQuestion, writeQuestion } from "./route.js";
import { TimeRange } from "./timerange.js";
import { autoStep } from "./ticks.js";

const LIVE_LEAST_MS = 2000, LIVE_MOST_MS = 30_000;
/** A live question may take this part of the node's time at most. */
const LIVE_SHARE = 10;
const STEPS_MAX = 11_000;

export class Explore {
  constructor(watch) {
    this.watch = watch;
    this.panels = [];
    this.question = readQuestion(new URLSearchParams());
    this.range = new TimeRange(range => this.change({ range }), () => watch.now());
    this.graph = h("button", { onclick: () => this.change({ shows: "graph" }) }, "Graph");
    this.table = h("button", { onclick: () => this.change({ shows: "table" }) }, "Table");
    this.live = h("button", { title: "Ask again as time goes on", onclick: () => this.change({ live: !this.question.live }) }, h("i", { class: "mark", "aria-hidden": "true" }), "Live");
    this.step = h("input", { id: "step", size: 5, placeholder: "auto", autocomplete: "off", onchange: () => this.takeStep() });
    this.other = h("select", { id: "other", onchange: () => this.change({ other: this.other.value || null }) });
    this.add = h("button", { class: "plain", onclick: () => this.change({ queries: [...this.texts(), ""] }) }, "+ Expression");
    this.list = h("div", { class: "stack" });
    this.browser = new Browser(expression => this.start(expression));
    this.controls = h("div", { class: "controls" }, this.range.node, h("div", { class: "group", role: "group", "aria-label": "Shown as" }, this.graph, this.table), this.live,
      h("label", { for: "step" }, "Step"), this.step, h("label", { for: "other" }, "Compare with"), this.other, this.add);
    this.node = h("div", { class: "explore" }, h("h1", { class: "unseen" }, "Explore"), this.controls, this.list, this.browser.node);
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.isShown) this.ask(); });
  }

  /** The address of what is asked now. */
  address() {
    return address("explore", writeQuestion(this.question));
  }

  enter(params) {
    // Coming back by the bare link shows what was asked before.
    const question = [...params.keys()].length || !this.isEntered ? readQuestion(params) : this.question;
    [this.isShown, this.isEntered] = [true, true];
    if (![...params.keys()].length && question.queries.some(query => query.trim())) history.replaceState(null, "", address("explore", writeQuestion(question)));
    this.question = question;
    this.arrange();
    this.end ??= this.watch.listen(() => { this.listOthers(); this.browser.renew(); });
    this.ask();
  }

  leave() {
    this.isShown = false;
    clearTimeout(this.timer);
    this.end?.();
    this.end = null;
  }

  focus() {
    this.panels[0].editor.focus();
  }

  texts() {
    return this.panels.map(panel => panel.editor.text);
  }

  /** Changes what is asked, as a step that the browser's way back undoes; at once, or it would undo what is typed next. */
  change(part) {
    const next = address("explore", writeQuestion({ ...this.question, queries: this.texts(), ...part }));
    // A list of empty expressions has no address of its own.
    this.question = { ...this.question, queries: this.texts(), ...part };
    if (next === location.hash || (next === "#/explore" && !location.hash.includes("?"))) { this.arrange(); this.ask(); }
    else {
      history.pushState(null, "", next === "#/explore" ? "#/explore?range=1h" : next);
      this.enter(read(location.hash).params);
    }
  }

  start(expression) {
    this.panels[0].editor.text = expression;
    this.change({});
  }

  takeStep() {
    const text = this.step.value.trim();
    const step = text === "" || text === "auto" ? null : millis(text);
    attr(this.step, "aria-invalid", text && text !== "auto" && !step ? "true" : null);
    if (!text || text === "auto" || step) this.change({ step });
  }

  /** Makes panels and controls say what is asked. */
  arrange() {
    const { queries, range, step, shows, live } = this.question;
    while (this.panels.length < queries.length) this.panels.push(this.panel());
    while (this.panels.length > queries.length) this.panels.pop().clear();
    this.panels.forEach((panel, at) => { panel.editor.text = queries[at]; panel.removeButton.hidden = queries.length === 1; });
    if (this.list.children.length !== this.panels.length) fill(this.list, this.panels.map(panel => panel.node));
    this.range.range = range;
    this.step.value = step ? promql(step) : "";
    attr(this.graph, "aria-pressed", shows === "graph" ? "true" : "false");
    attr(this.table, "aria-pressed", shows === "table" ? "true" : "false");
    attr(this.live, "aria-pressed", live && range.last ? "true" : "false");
    this.live.disabled = !range.last;
    this.listOthers();
    if (queries.every(query => !query.trim())) this.browser.show(); else this.browser.hide();
  }

  panel() {
    const panel = new Panel({
      run: () => this.change({}), zoomed: (from, to) => this.zoom(from, to), change: () => {},
      remove: () => this.change({ queries: this.panels.filter(one => one !== panel).map(one => one.editor.text) }),
    });
    return panel;
  }

  /** To whole steps of a second, so that the address stays short. */
  zoom(from, to) {
    this.change({ range: { from: Math.floor(from / 1000) * 1000, to: Math.max(Math.ceil(to / 1000), Math.floor(from / 1000) + 1) * 1000 } });
  }

  listOthers() {
    const own = this.watch.own?.node;
    const others = this.watch.joined().filter(member => member.node !== own);
    const { other } = this.question;
    const key = `${others.map(member => member.node + member.name)}|${other}`;
    if (key === this.othersKey) return;
    this.othersKey = key;
    const known = !other || others.some(member => member.node === other);
    fill(this.other, h("option", { value: "" }, others.length ? "nobody" : "no other member"), others.map(member => h("option", { value: member.node }, member.name)), known ? null : h("option", { value: other }, other.slice(0, 8)));
    this.other.value = other ?? "";
    this.other.disabled = others.length === 0 && !other;
  }

  how() {
    const { range, step: wanted, shows, at, other, live } = this.question;
    const length = range.last ?? range.to - range.from;
    const width = this.panels[0].chart.plotWidth > 60 ? this.panels[0].chart.plotWidth : Math.max(240, this.node.clientWidth - 100);
    const step = Math.max(wanted ?? autoStep(length, width), Math.ceil(length / STEPS_MAX));
    attr(this.step, "placeholder", `auto: ${promql(step)}`);
    const [start, end] = this.range.bounds(step);
    const isLive = live && Boolean(range.last);
    const now = this.watch.now();
    const here = this.watch.own ? this.watch.nameOf(this.watch.own.node) : "here";
    const instant = at ?? (range.last ? now : range.to);
    return { shows, step, start, end: shows === "table" ? instant : end, other: other ? { id: other, name: this.watch.nameOf(other) } : null, here, live: isLive, now };
  }

  /** Asks all expressions, and again after a while where the range is live. */
  async ask({ isAgain = false } = {}) {
    clearTimeout(this.timer);
    const turn = this.turn = (this.turn ?? 0) + 1;
    const how = this.how();
    const asked = isAgain ? this.panels.filter(panel => panel.asked) : this.panels;
    const took = await Promise.all(asked.map(panel => panel.ask(how)));
    if (turn !== this.turn || !this.isShown || !how.live || document.hidden || this.panels.every(panel => !panel.asked)) return;
    const longest = Math.max(0, ...took.filter(Boolean));
    const pause = Math.max(Math.min(Math.max(how.step, LIVE_LEAST_MS), LIVE_MOST_MS), longest * LIVE_SHARE);
    this.timer = setTimeout(() => this.again(), pause);
  }

  /** A live question waits while somebody types or reads the crosshair. */
  again() {
    const typed = this.texts().some((text, at) => this.panels[at].asked && text.trim() !== this.panels[at].asked);
    const reads = this.panels.some(panel => panel.chart.from !== undefined);
    if (typed || reads) this.timer = setTimeout(() => this.again(), LIVE_LEAST_MS);
    else this.ask({ isAgain: true });
  }

  redraw() {
    if (!this.isShown) return;
    this.range.say();
    this.panels.forEach(panel => panel.redraw());
  }
}
