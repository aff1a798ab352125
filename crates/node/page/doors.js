// The view of doors: what came in at each, and what was refused and why, at every member, since it started.

import { attr, fill, h, keyed, say } from "./dom.js";
import { count, plural, rate, si } from "./format.js";
import { Spark } from "./spark.js";

const DOORS = {
  grpc: ["gRPC", "Ingest.Write of shoal.v1, the SDK’s"], import: ["Text", "/api/v1/import/prometheus"], remote_write: ["Remote write", "/api/v1/write"], otlp: ["OTLP", "gRPC and /v1/metrics; data points"],
  push: ["Push", "/metrics/job/…, as Pushgateway"], statsd: ["StatsD", "values of its lines"], statsd_totals: ["StatsD, written", "the points that its lines came to"], scrape: ["Scraping", "samples of targets"], self: ["Itself", "the node’s and its host’s own metrics"],
};

const TURNED_AWAY = "too many were in work";

export class Doors {
  constructor(watch) {
    this.watch = watch;
    this.title = h("h1", {}, "Doors");
    this.taken = h("tbody");
    this.refused = h("tbody");
    this.takenHead = h("tr");
    this.refusedHead = h("tr");
    this.calm = h("p", { class: "empty" });
    this.empty = h("div", { class: "sheet", hidden: true }, h("p", { class: "empty" }, "Nothing has come in at any door since the nodes started."));
    const sheet = (title, note, head, body, ...rest) => h("section", { class: "sheet" }, h("header", {}, h("h2", {}, title), h("span", { class: "dim" }, note)), h("div", { class: "scroll" }, h("table", { class: "cards" }, h("thead", {}, head), body)), rest);
    this.takenSheet = sheet("Taken", "points, or lines, a second; below, since the node started", this.takenHead, this.taken);
    this.refusedSheet = sheet("Refused", "now, and since the node started", this.refusedHead, this.refused, this.calm);
    this.node = h("div", { class: "doors" }, h("div", { class: "lead" }, this.title), h("div", { class: "stack" }, this.empty, this.takenSheet, this.refusedSheet));
  }

  enter() {
    this.end ??= this.watch.listen(() => this.redraw());
  }

  leave() {
    this.end?.();
    this.end = null;
  }

  redraw() {
    if (!this.watch.own || !this.end) return;
    const members = this.watch.joined().map(member => ({ member, ...this.watch.viewOf(member.node) }));
    this.heads(members);
    const known = members.filter(({ state }) => state);
    const taken = [...new Set(known.flatMap(({ state }) => Object.keys(state.doors)))].sort((a, b) => order(a) - order(b));
    keyed(this.taken, taken, door => door, door => new TakenRow(this.watch, door));
    const reasons = [...new Set(known.flatMap(({ state }) => reasonsOf(state)))].sort();
    keyed(this.refused, reasons, reason => reason, reason => new RefusedRow(this.watch, reason));
    this.empty.hidden = taken.length > 0;
    this.takenSheet.hidden = taken.length === 0;
    this.sum(known, reasons);
  }

  sum(known, reasons) {
    const refused = known.reduce((sum, { state }) => sum + refusedOf(state), 0);
    const rates = known.map(({ member }) => this.watch.readings.get(member.node)?.rate(reading => reading.written) ?? 0);
    const unheard = this.watch.joined().length - known.length;
    say(this.title, `${si(rates.reduce((a, b) => a + b, 0))} points a second come in; ${refused ? `${plural(refused, "point")} ${refused === 1 ? "was" : "were"} refused` : "nothing was refused"}`);
    say(this.calm, `Nothing was refused at any door${unheard ? `; ${plural(unheard, "member has", "members have")} not been heard` : ""}.`);
    this.calm.hidden = reasons.length > 0;
    this.refusedHead.hidden = reasons.length === 0;
  }

  heads(members) {
    const key = members.map(({ member }) => member.name).join("\n");
    if (key === this.key) return;
    this.key = key;
    // Rows are made anew with their columns.
    for (const body of [this.taken, this.refused]) { fill(body); body.kept = null; }
    const names = members.map(({ member }) => h("th", { class: "figure", scope: "col" }, member.name));
    fill(this.takenHead, h("th", { scope: "col" }, "Door"), h("th", { scope: "col" }, "All members"), names);
    fill(this.refusedHead, h("th", { scope: "col" }, "Door"), h("th", { scope: "col" }, "Reason"), h("th", { class: "figure", scope: "col" }, "Now"), h("th", { class: "figure", scope: "col" }, "All members"), names.map(name => name.cloneNode(true)));
  }
}

function doorName(door) {
  if (!door) return h("th", { scope: "row", class: "wide" }, h("b", {}, "Requests"), h("span", { class: "sub" }, "at any door"));
  const [name, about] = DOORS[door] ?? [door, ""];
  return h("th", { scope: "row", class: "wide" }, h("b", {}, name), h("span", { class: "sub" }, about));
}

class TakenRow {
  constructor(watch, door) {
    [this.watch, this.door] = [watch, door];
    this.spark = new Spark("A second, the last two minutes");
    this.all = h("span");
    this.cells = watch.joined().map(() => [h("b"), h("span", { class: "sub" })]);
    this.node = h("tr", { "data-door": door }, doorName(door), h("td", { class: "wide" }, this.spark.node, " ", this.all), this.cells.map((cell, at) => h("td", { class: "figure", "data-name": watch.joined()[at].name }, cell)));
  }

  update() {
    const pick = reading => reading.doors[this.door]?.accepted ?? 0;
    let sum = 0;
    this.watch.joined().forEach((member, at) => {
      const { state, isFresh } = this.watch.viewOf(member.node);
      const grown = isFresh ? this.watch.readings.get(member.node)?.rate(pick) ?? null : null;
      sum += grown ?? 0;
      say(this.cells[at][0], grown === null ? "–" : rate(grown));
      const taken = state?.doors[this.door]?.accepted ?? 0;
      say(this.cells[at][1], state ? si(taken) : "");
      attr(this.cells[at][1], "title", state ? count(taken) : null);
    });
    say(this.all, rate(sum));
    this.spark.draw(added(this.watch, pick));
  }
}

/** The rates of all members, added up by the second. */
function added(watch, pick) {
  const sums = new Map();
  for (const readings of watch.readings.values()) {
    for (const [at, grown] of readings.rates(pick)) {
      const second = Math.round(at / 1000) * 1000;
      sums.set(second, (sums.get(second) ?? 0) + grown);
    }
  }
  return [...sums].sort((a, b) => a[0] - b[0]);
}

class RefusedRow {
  constructor(watch, reason) {
    [this.watch, this.reason] = [watch, reason];
    [this.door, this.why] = reason.split("\n");
    this.all = h("b");
    this.now = h("span");
    this.cells = watch.joined().map(member => h("td", { class: "figure", "data-name": member.name }, h("span")));
    this.node = h("tr", { "data-reason": this.why }, doorName(this.door), h("td", { class: "reason" }, this.why.replaceAll("_", " ")), h("td", { class: "figure", "data-name": "Now" }, this.now), h("td", { class: "figure", "data-name": "All members" }, this.all), this.cells);
  }

  update() {
    let sum = 0, now = 0;
    const pick = ({ doors, turnedAway }) => this.door ? doors[this.door]?.refused[this.why] ?? 0 : turnedAway;
    this.watch.joined().forEach((member, at) => {
      const { state, isFresh } = this.watch.viewOf(member.node);
      const refused = state ? pick({ doors: state.doors, turnedAway: state.usage?.requests_refused ?? 0 }) : 0;
      sum += refused;
      now += isFresh ? this.watch.readings.get(member.node)?.rate(pick) ?? 0 : 0;
      say(this.cells[at].firstChild, state ? count(refused) : "–");
      attr(this.cells[at], "class", refused ? "figure bad" : "figure zero");
    });
    say(this.all, count(sum));
    say(this.now, rate(now));
    attr(this.now, "class", now ? "bad" : "zero");
  }
}

/** Doors with reasons; requests that were turned away before any door saw them have none. */
function reasonsOf(state) {
  const turnedAway = state.usage?.requests_refused ? [`\n${TURNED_AWAY}`] : [];
  return Object.entries(state.doors).flatMap(([door, { refused }]) => Object.keys(refused).map(reason => `${door}\n${reason}`)).concat(turnedAway);
}

function refusedOf(state) {
  return Object.values(state.doors).flatMap(({ refused }) => Object.values(refused)).reduce((a, b) => a + b, 0);
}

/** The doors in the order of the list above, then others. */
function order(door) {
  const at = Object.keys(DOORS).indexOf(door);
  return at < 0 ? 99 : at;
}
