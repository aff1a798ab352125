// The table of members: one row each, what the member says of itself where it answers, and what this node knows of
// it where it does not.

import { attr, fill, h, keyed, say } from "./dom.js";
import { bytes, plural, rate, short, si, span } from "./format.js";
import { Meter, Spark } from "./spark.js";

const COLUMNS = [
  ["Member", "Its name, zone and version"], ["State", "How it stands, and how many members reach it"],
  ["Complete", "How long ago the time is up to which it has all that the members held"],
  ["Behind", "What this node holds and the member has not reported as held"],
  ["Written here", "Points that clients wrote to it in a second, over the last two minutes"],
  ["Between nodes", "Bytes that it exchanges with other nodes in a second"],
  ["Holds", "Points and series"], ["Memory", "Of its process; the bar is the machine's whole memory"],
  ["Disk", "Its journal and blocks; the bar is its file system, with everybody's files"],
  ["CPU", "Of its process, in cores, and for how long it has been running"],
];

export class Members {
  constructor(watch) {
    this.watch = watch;
    this.body = h("tbody");
    const head = COLUMNS.map(([name, title]) => h("th", { scope: "col", title }, name));
    this.count = h("span", { class: "dim" });
    this.node = h("section", { class: "sheet members" }, h("header", {}, h("h2", {}, "Members"), this.count),
      h("div", { class: "scroll" }, h("table", { class: "cards" }, h("thead", {}, h("tr", {}, head)), this.body)));
  }

  update() {
    const joined = this.watch.joined();
    say(this.count, `as ${this.watch.nameOf(this.watch.own.node)} sees them`);
    keyed(this.body, joined, member => member.node, () => new Row(this.watch));
  }
}

class Row {
  constructor(watch) {
    this.watch = watch;
    this.name = h("b");
    this.place = h("span", { class: "sub" });
    this.stands = h("span", { class: "state" }, h("i", { class: "mark", "aria-hidden": "true" }), this.word = h("span"));
    this.reached = h("span", { class: "sub" });
    this.spark = new Spark("Points written in a second, the last two minutes");
    this.memory = new Meter("Part of the machine's memory");
    this.disk = new Meter("Part of the file system that is used");
    this.cells = COLUMNS.slice(2).map(([name]) => h("td", { "data-name": name }));
    [this.lines, this.subs] = [[], []];
    this.cells.forEach((cell, at) => {
      this.lines[at] = h("span", { class: "main" });
      this.subs[at] = h("span", { class: "sub" });
      cell.append(this.lines[at], this.subs[at]);
    });
    fill(this.subs[2], this.spark.node);
    fill(this.subs[5], this.memory.node, this.memoryWords = h("span"));
    fill(this.subs[6], this.disk.node, this.diskWords = h("span"));
    this.node = h("tr", {}, h("th", { scope: "row" }, this.name, this.place),
      h("td", { "data-name": "State" }, this.stands, this.reached), this.cells);
  }

  /** The two lines of a cell; where the second is a picture, its words or nothing. */
  put(at, main, sub = "") {
    say(this.lines[at], main);
    const words = { 2: null, 5: this.memoryWords, 6: this.diskWords };
    if (!(at in words)) say(this.subs[at], sub);
    else if (words[at]) say(words[at], sub);
  }

  update(member) {
    const { watch } = this;
    const { state, isFresh } = watch.viewOf(member.node);
    const standing = watch.standing(member);
    attr(this.node, "data-member", member.name);
    attr(this.node, "data-state", standing.word);
    attr(this.node, "data-old", !isFresh);
    this.head(member, standing);
    this.put(1, behind(member, watch.own), member.lag_bytes ? bytes(member.lag_bytes) : "");
    this.memory.node.hidden = this.disk.node.hidden = !state;
    if (!state) return [0, 2, 3, 4, 5, 6, 7].forEach(at => this.put(at, "–"));
    const until = state.complete_until;
    this.put(0, until ? span(Math.max(0, watch.own.time_ms - until)) : "unknown", sameFrontier(state, watch.own, member));
    this.figures(member, state, isFresh);
  }

  head(member, standing) {
    say(this.name, member.name);
    attr(this.place, "title", `Node ${member.node}`);
    const isOwn = member.node === this.watch.own.node;
    if (isOwn) attr(this.name, "title", "The node that this page comes from");
    else if (!this.link && member.client_address) this.link = fill(this.name, h("a", { href: `${location.protocol}//${member.client_address}/`, title: "Its own page" }, member.name));
    say(this.place, [member.zone, `v${member.version || "?"}`, isOwn ? "this node" : null].filter(Boolean).join(" · "));
    attr(this.stands, "data-kind", standing.kind);
    say(this.word, standing.since ? `${standing.word} for ${span(standing.since)}` : standing.word);
    const views = this.watch.joined().filter(other => other.node !== member.node).map(other => this.watch.viewOf(other.node)).filter(view => view.isFresh);
    const reach = views.filter(({ state }) => state.members.some(other => other.node === member.node && other.reachable)).length;
    say(this.reached, views.length ? `reached by ${reach} of ${views.length}` : "nobody else to ask");
  }

  figures(member, state, isFresh) {
    const { usage } = state;
    const readings = this.watch.readings.get(member.node);
    const grown = pick => isFresh ? readings?.rate(pick) ?? null : null;
    const [written, bytesIn, bytesOut, cpu] = [r => r.written, r => r.in, r => r.out, r => r.cpu].map(grown);
    this.put(2, written === null ? "–" : rate(written));
    this.spark.draw(readings?.rates(reading => reading.written) ?? []);
    this.put(3, bytesIn === null ? "–" : `${bytes(bytesIn)}/s in`, bytesOut === null ? "" : `${bytes(bytesOut)}/s out`);
    this.put(4, `${si(state.points)} points`, `${si(state.series)} series`);
    this.put(5, bytes(usage.resident_bytes), bytes(usage.memory_bytes));
    this.memory.draw(usage.resident_bytes / (usage.memory_bytes || 1));
    const used = 1 - usage.disk_free_bytes / (usage.disk_bytes || 1);
    this.put(6, bytes(usage.journal_bytes + usage.block_bytes), `${bytes(usage.disk_free_bytes)} free`);
    this.disk.draw(used, used > 0.95 ? "bad" : used > 0.85 ? "wait" : null);
    this.put(7, cpu === null ? "–" : `${cpu.toFixed(2)} cores`, `up ${span(state.time_ms - usage.started_ms)}`);
  }
}

function behind(member, own) {
  if (member.node === own.node) return "–";
  return member.lag_frames ? plural(member.lag_frames, "frame") : "nothing";
}

/** Equal frontiers, equal answers; between two looks they differ for a moment. */
function sameFrontier(state, own, member) {
  if (member.node === own.node) return `frontier ${short(state.frontier)}`;
  return state.frontier === own.frontier ? "same frontier" : `frontier ${short(state.frontier)}`;
}
