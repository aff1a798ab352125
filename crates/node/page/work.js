// What is being made good, and what cannot be: repairs with their progress, holes and damage, what members refused of
// one another. Of the members that can be asked.

import { fill, h, keyed, say, attr } from "./dom.js";
import { count, plural, short, span, stamp } from "./format.js";
import { zone } from "./shell.js";
import { Meter } from "./spark.js";

export class Work {
  constructor(watch) {
    this.watch = watch;
    this.repairs = h("ul", { class: "repairs" });
    this.faults = h("ul", { class: "faults" });
    this.calm = h("p", { class: "empty" });
    this.node = h("section", { class: "sheet" }, h("header", {}, h("h2", {}, "Being made good")), this.repairs, this.faults, this.calm);
  }

  update() {
    const views = this.watch.joined().map(member => [member, this.watch.viewOf(member.node).state]).filter(([, state]) => state);
    const repairs = views.filter(([, state]) => state.repair);
    const faults = views.flatMap(([member, state]) => faultsOf(member, state, this.watch));
    keyed(this.repairs, repairs, ([member]) => member.node, () => new RepairRow(this.watch));
    keyed(this.faults, faults, fault => fault.id, fault => new FaultRow(fault));
    const unasked = this.watch.joined().length - views.length;
    const rest = unasked ? ` ${plural(unasked, "member has", "members have")} not been heard.` : "";
    say(this.calm, `Nothing is missing: no repair is under way, and no member has a hole or damage on its disk.${rest}`);
    attr(this.calm, "hidden", repairs.length + faults.length > 0);
  }
}

class RepairRow {
  constructor(watch) {
    this.watch = watch;
    this.meter = new Meter("Progress of the repair");
    this.node = h("li", {}, this.text = h("span"), this.meter.node, this.rest = h("span", { class: "dim" }));
  }

  update([member, { repair }]) {
    const done = repair.windows - repair.windows_left;
    say(this.text, `${member.name} fetches from ${this.watch.nameOf(repair.lender)} what it missed`);
    this.meter.draw(repair.windows ? done / repair.windows : 0, "wait");
    const left = repair.left_ms ? `, about ${span(repair.left_ms)} left` : "";
    say(this.rest, `${done} of ${repair.windows || "?"} windows compared, ${plural(repair.points, "point")} fetched in ${span(repair.running_ms)}${left}`);
  }
}

class FaultRow {
  constructor(fault) {
    this.node = h("li", { "data-kind": fault.kind }, h("i", { class: "mark", "aria-hidden": "true" }), this.text = h("span"));
  }

  update(fault) {
    say(this.text, fault.text);
  }
}

/** Holes, damage and refusals of one member. Gaps come with every reordering and are nobody's fault. */
function faultsOf(member, state, watch) {
  const holes = state.holes.map(hole => ({ id: `${member.node}h${hole.origin}${hole.seq}`, kind: "bad", text: `${member.name} lacks frame ${hole.seq} of ${short(hole.origin)}: ${hole.reason}` }));
  const damage = state.damage.map((part, at) => ({ id: `${member.node}d${at}`, kind: "bad", text: `${member.name} cannot read points from ${stamp(part.from_ms, zone)} to ${stamp(part.to_ms, zone)}: the ${part.part} of a block` }));
  const refused = state.members.flatMap(other => Object.entries(other.faults).filter(([reason]) => reason !== "gap").map(([reason, times]) => (
    { id: `${member.node}f${other.node}${reason}`, kind: "wait", text: `${member.name} refused ${plural(times, "message")} of ${watch.nameOf(other.node)}: ${reason}` })));
  const requests = state.usage?.requests_refused ? [{ id: `${member.node}r`, kind: "wait", text: `${member.name} turned ${count(state.usage.requests_refused)} requests away since it started: too many were in work` }] : [];
  return [...holes, ...damage, ...refused, ...requests];
}
