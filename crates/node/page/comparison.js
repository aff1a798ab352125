// The same question at the same time to two nodes: whether their answers are the same to the byte, and if not, where
// they first part. A node that has not applied the other's newest frames yet may differ for a moment: it is asked again.

import { call } from "./api.js";
import { read } from "./answer.js";
import { attr, fill, h } from "./dom.js";
import { differences, verdict } from "./difference.js";
import { bytes, plural, short, stamp } from "./format.js";
import { zone } from "./shell.js";

const TRIES = 4;
const PAUSE_MS = 600;
const LISTED = 8;

/** Asks both nodes until they agree, or a few times; calls `tell(here, there, tries)` after each. */
export async function compare(name, params, member, signal, tell) {
  for (let tries = 1; ; tries++) {
    const [here, there] = await Promise.all([null, member].map(async node => read(await call(name, { params, post: true, member: node, signal }))));
    tell(here, there, tries);
    if (verdict(here, there) !== "behind" || tries >= TRIES) return;
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
  }
}

/** The verdict on two answers, in words, with the first differences. */
export class Comparison {
  constructor() {
    this.node = h("div", { class: "comparison", role: "status", hidden: true });
  }

  hide() {
    this.node.hidden = true;
  }

  wait(name) {
    this.say("wait", h("b", {}, "asking"), ` ${name} the same…`);
  }

  fail(name, error) {
    this.say("bad", h("b", {}, "no answer"), ` from ${name}: ${error.message}`);
  }

  show(name, here, there, tries) {
    const found = verdict(here, there);
    attr(this.node, "data-verdict", found);
    if (found === "same") {
      const frontier = here.frontier === there.frontier ? `both at frontier ${short(here.frontier ?? "")}` : "at two frontiers, neither of which matters here";
      return this.say("good", h("b", {}, "identical"), ` – ${name} gave the same ${bytes(here.data.length)} of data, ${frontier}`);
    }
    const all = differences(here.series, there.series);
    const why = found === "behind"
      ? `The two had not applied the same frames (frontiers ${short(here.frontier ?? "")} and ${short(there.frontier ?? "")}), asked ${plural(tries, "time")}.`
      : "Both had applied the same frames: this should not happen.";
    const series = new Set(all.map(({ name }) => name)).size;
    const rows = all.slice(0, LISTED).map(one => h("tr", {}, h("td", {}, stamp(one.at, zone)), h("td", { class: "mono" }, one.name), h("td", { class: "figure" }, one.here ?? "none"), h("td", { class: "figure" }, one.there ?? "none")));
    return this.say(found === "behind" ? "wait" : "bad", h("b", {}, "different"), ` – ${plural(all.length, "sample")} of ${plural(series, "series", "series")}. ${why}`,
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Time", "Series", "Here", name].map((text, at) => h("th", { scope: "col", class: at > 1 ? "figure" : null }, text)))), h("tbody", {}, rows))),
      all.length > LISTED ? h("p", { class: "dim" }, `and ${all.length - LISTED} more`) : null);
  }

  say(kind, ...words) {
    this.node.hidden = false;
    if (kind !== "good" && kind !== "bad") attr(this.node, "data-verdict", kind === "wait" && this.node.dataset.verdict === "behind" ? "behind" : null);
    attr(this.node, "data-kind", kind);
    fill(this.node, h("i", { class: "mark", "aria-hidden": "true" }), h("div", {}, words));
  }
}
