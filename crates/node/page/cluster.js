// The view of the cluster: a verdict in words, the members, who reaches whom, and what is being made good.

import { attr, fill, h, keyed, say } from "./dom.js";
import { bytes, count, plural, rate, readable, short, si, span } from "./format.js";
import { Matrix } from "./matrix.js";
import { Members } from "./members.js";
import { Work } from "./work.js";

export class Cluster {
  constructor(watch) {
    this.watch = watch;
    this.verdict = h("h1");
    this.after = h("p", { class: "after" });
    this.facts = h("dl", { class: "facts" });
    this.warnings = h("ul", { class: "warnings" });
    this.gone = h("details", { class: "sheet gone", hidden: true });
    [this.members, this.matrix, this.work] = [new Members(watch), new Matrix(watch), new Work(watch)];
    this.parts = h("div", { class: "parts", hidden: true }, this.members.node, h("div", { class: "pair" }, this.matrix.node, this.work.node), this.gone);
    this.head = h("section", { class: "verdict" }, h("i", { class: "mark", "aria-hidden": "true" }), h("div", {}, this.verdict, this.after, this.warnings), this.facts);
    this.node = h("div", { class: "cluster" }, this.head, this.parts);
    this.judge();
  }

  enter() {
    this.end ??= this.watch.listen(() => this.redraw());
  }

  leave() {
    this.end?.();
    this.end = null;
  }

  redraw() {
    this.judge();
    if (!this.watch.own) return;
    this.parts.hidden = false;
    this.tellFacts();
    [this.members, this.matrix, this.work].forEach(part => part.update());
    this.listGone();
  }

  judge() {
    const [kind, verdict, after] = judged(this.watch);
    attr(this.head, "data-kind", kind);
    say(this.verdict, verdict);
    say(this.after, after);
    // A member that is away stands in the verdict already.
    const said = (this.watch.own?.warnings ?? []).map(text => ({ text }));
    keyed(this.warnings, said, ({ text }) => text, ({ text }) => ({ node: h("li", { title: text }, readable(text)), update() {} }));
  }

  tellFacts() {
    const { own, readings } = this.watch;
    const sum = pick => [...readings.values()].map(each => each.rate(pick)).reduce((a, b) => (b === null ? a : (a ?? 0) + b), null);
    const written = sum(reading => reading.written), moved = sum(reading => reading.out);
    const facts = [
      ["written", written === null ? "–" : rate(written)], ["between nodes", moved === null ? "–" : `${bytes(moved)}/s`],
      ["points", si(own.points)], ["series", count(own.series)], ["kept for", span(own.usage?.retention_ms ?? 0)], ["frontier", short(own.frontier)],
    ];
    keyed(this.facts, facts, ([name]) => name, ([name]) => {
      const value = h("dd");
      return { node: h("div", {}, h("dt", {}, name), value), update: ([, text]) => say(value, text) };
    });
  }

  listGone() {
    const gone = this.watch.gone();
    const key = gone.map(member => member.node + member.state).join();
    if (key === this.goneKey) return;
    this.goneKey = key;
    this.gone.hidden = gone.length === 0;
    fill(this.gone, h("summary", {}, `${plural(gone.length, "node")} that left or ${gone.length === 1 ? "was" : "were"} forgotten`),
      h("ul", {}, gone.map(member => h("li", {}, h("b", {}, member.name), ` ${member.state} · ${short(member.node)}${member.zone ? ` · ${member.zone}` : ""}`))));
  }
}

/** How the cluster is: kind, a sentence, and what follows from it. */
function judged(watch) {
  if (!watch.own) {
    if (watch.error?.status === 401) return ["wait", "This node asks for a token.", ""];
    return watch.error ? ["bad", "This node does not answer.", "It is asked again until it does."] : ["wait", "Asking this node…", ""];
  }
  const joined = watch.joined();
  const until = watch.own.complete_until;
  const age = until ? span(Math.max(0, watch.own.time_ms - until)) : null;
  const complete = age ? `Answers are complete up to ${age} ago.` : "It is not known yet up to when answers are complete.";
  if (watch.error) return ["bad", "This node does not answer.", "What follows is what it said last."];
  const away = joined.filter(member => watch.standing(member).kind === "bad");
  const waiting = joined.filter(member => watch.standing(member).kind === "wait");
  if (away.length) {
    const names = listed(away.map(member => member.name));
    const still = age ? `Answers are complete up to ${age} ago, and name what may be missing since.` : "Answers say that they may lack something.";
    return ["bad", `${names} ${away.length === 1 ? "does" : "do"} not answer; ${joined.length - away.length} of ${plural(joined.length, "member")} ${joined.length - away.length === 1 ? "does" : "do"}.`, still];
  }
  if (waiting.length) return ["wait", `${listed(waiting.map(member => member.name))} ${waiting.length === 1 ? "is" : "are"} ${watch.standing(waiting[0]).word}.`, complete];
  if (joined.length === 1) return ["good", "This node answers, and is the only member.", "What it acknowledges lives on one disk. A second node joins with --join."];
  return ["good", `All ${joined.length} members answer.`, complete];
}

function listed(names) {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
