// Who reaches whom: each member's own word on every other, as far as it can be asked.

import { attr, fill, h, say } from "./dom.js";
import { span } from "./format.js";

const NAMED_MAX = 8;

export class Matrix {
  constructor(watch) {
    this.watch = watch;
    this.table = h("table", { class: "matrix" });
    this.note = h("span", { class: "dim" });
    this.node = h("section", { class: "sheet" }, h("header", {}, h("h2", {}, "Who reaches whom"), this.note), h("div", { class: "scroll pad" }, this.table));
  }

  update() {
    const joined = this.watch.joined();
    const key = joined.map(member => member.node + member.name).join();
    if (key !== this.key) this.build(joined);
    this.key = key;
    let apart = 0, unknown = 0;
    joined.forEach((from, row) => joined.forEach((to, column) => {
      const [kind, text, title] = this.look(from, to);
      const cell = this.cells[row][column];
      attr(cell, "data-reach", kind);
      attr(cell, "title", title);
      attr(cell, "aria-label", title);
      say(cell.lastChild, text);
      if (kind === "no") apart += 1;
      if (kind === "unknown") unknown += 1;
    }));
    say(this.note, apart ? `${apart} of ${joined.length * (joined.length - 1)} ways are cut` : unknown ? "" : joined.length > 1 ? "everybody reaches everybody" : "");
  }

  build(joined) {
    attr(this.table, "data-small", joined.length > NAMED_MAX);
    const name = (member, at) => joined.length > NAMED_MAX ? String(at + 1) : member.name;
    const head = joined.map((member, at) => h("th", { scope: "col", title: member.name }, name(member, at)));
    this.cells = joined.map(() => joined.map(() => h("td", {}, h("i", { class: "mark", "aria-hidden": "true" }), h("span"))));
    const rows = joined.map((member, at) => h("tr", {}, h("th", { scope: "row" }, joined.length > NAMED_MAX ? `${at + 1} ${member.name}` : member.name), this.cells[at]));
    fill(this.table, h("thead", {}, h("tr", {}, h("td", { class: "corner" }, "reaches →"), head)), h("tbody", {}, rows));
  }

  /** Whether one reaches the other, when it last heard from it, and both in words. */
  look(from, to) {
    if (from.node === to.node) return ["self", "", `${from.name} itself`];
    const { state, isFresh } = this.watch.viewOf(from.node);
    if (!isFresh) return ["unknown", "", `${from.name} cannot be asked whether it reaches ${to.name}`];
    const seen = state.members.find(member => member.node === to.node);
    if (!seen) return ["no", "", `${from.name} does not know ${to.name}`];
    const ago = seen.last_seen_ms ? span(Math.max(0, state.time_ms - seen.last_seen_ms)) : null;
    if (!seen.reachable) return ["no", ago ?? "never", `${from.name} does not reach ${to.name}; ${ago ? `last heard ${ago} ago` : "never heard of it"}`];
    return ["yes", ago ?? "", `${from.name} reaches ${to.name}; last heard ${ago} ago`];
  }
}
