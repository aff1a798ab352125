// The choice of a range of time: the last hours, or from one time to another, in the zone of the page.

import { attr, fill, h, say } from "./dom.js";
import { millis, moment, promql, span, stamp } from "./format.js";
import { zone } from "./shell.js";

const LAST = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "15d"];

export class TimeRange {
  /** `changed(range)` is called with `{last}` or `{from, to}` in ms; `now()` tells the time. */
  constructor(changed, now) {
    [this.changed, this.now] = [changed, now];
    this.button = h("button", { class: "range", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => this.toggle() });
    this.panel = h("div", { class: "panel", role: "dialog", "aria-label": "Range of time", hidden: true, onkeydown: event => { if (event.key === "Escape") { this.close(); this.button.focus(); } } });
    this.node = h("div", { class: "picker" },
      h("button", { "aria-label": "Earlier", title: "Earlier by half the range", onclick: () => this.shift(-1) }, "‹"), this.button,
      h("button", { "aria-label": "Later", title: "Later by half the range", onclick: () => this.shift(1) }, "›"),
      h("button", { "aria-label": "Zoom out", title: "Twice the range", onclick: () => this.zoom(2) }, "−"), this.panel);
    document.addEventListener("mousedown", event => { if (!this.node.contains(event.target)) this.close(); });
  }

  set range(range) {
    this.value = range;
    this.say();
  }

  say() {
    const { last, from, to } = this.value;
    say(this.button, last ? `Last ${span(last)}` : `${stamp(from, zone)} – ${stamp(to, zone)}`);
  }

  /** The range in ms; one that moves ends at a whole step, so that points stay where they are while it moves. */
  bounds(step) {
    const { last, from, to } = this.value;
    if (!last) return [from, to];
    const end = Math.floor(this.now() / step) * step;
    return [end - Math.floor(last / step) * step, end];
  }

  shift(way) {
    const [from, to] = this.bounds(1);
    const by = way * (to - from) / 2;
    this.change(from + by, to + by);
  }

  zoom(factor) {
    if (this.value.last) return this.changed({ last: Math.round(this.value.last * factor) });
    const [from, to] = this.bounds(1), middle = (from + to) / 2, half = (to - from) / 2 * factor;
    this.change(middle - half, middle + half);
  }

  change(from, to) {
    this.changed({ from: Math.round(from), to: Math.round(to) });
  }

  toggle() {
    if (!this.panel.hidden) return this.close();
    const [from, to] = this.bounds(1000);
    const field = (id, label, value) => [h("label", { for: id }, label), h("input", { id, value, autocomplete: "off", spellcheck: "false" })];
    const last = h("input", { id: "range-last", "aria-label": "Last", value: this.value.last ? promql(this.value.last) : "", placeholder: "90m", autocomplete: "off", size: 6 });
    const fields = [...field("range-from", "From", stamp(from, zone)), ...field("range-to", "To", stamp(to, zone))];
    const problem = h("p", { class: "problem", role: "alert", hidden: true });
    const wrong = (input, text) => { attr(input, "aria-invalid", "true"); say(problem, text); problem.hidden = false; };
    const takeLast = () => {
      const ms = millis(last.value);
      if (ms) this.take({ last: ms }); else wrong(last, "A length of time is such as 90m, 6h or 2d.");
    };
    const takeFixed = () => {
      const [start, end] = [moment(fields[1].value, zone), moment(fields[3].value, zone)];
      if (start === null) return wrong(fields[1], "A time is such as 2026-11-28 12:00.");
      if (end === null || end <= start) return wrong(fields[3], end === null ? "A time is such as 2026-11-28 12:00." : "It ends before it begins.");
      return this.take({ from: start, to: end });
    };
    const onEnter = take => event => { if (event.key === "Enter") take(); };
    last.addEventListener("keydown", onEnter(takeLast));
    [fields[1], fields[3]].forEach(input => input.addEventListener("keydown", onEnter(takeFixed)));
    fill(this.panel,
      h("div", { class: "lasts" }, LAST.map(text => h("button", { class: "plain", "aria-pressed": this.value.last === millis(text) ? "true" : null, onclick: () => this.take({ last: millis(text) }) }, text)), last),
      h("div", { class: "fixed" }, fields, h("button", { onclick: takeFixed }, "Show")), h("p", { class: "dim" }, `Times are in ${zone === "utc" ? "UTC" : "the local zone"}.`), problem);
    this.panel.hidden = false;
    attr(this.button, "aria-expanded", "true");
    this.panel.querySelector("button")?.focus();
  }

  take(range) {
    this.close();
    this.button.focus();
    this.changed(range);
  }

  close() {
    this.panel.hidden = true;
    attr(this.button, "aria-expanded", "false");
  }
}
