// The view of scraped targets: by job, with how the last scrape went and which node made it.

import { ask } from "./api.js";
import { attr, fill, h, say } from "./dom.js";
import { plural, span, took } from "./format.js";
import { shownName } from "./shell.js";

const EVERY_MS = 5000;
const NEVER = "0001-01-01T00:00:00Z";
const WORDS = { up: ["good", "up"], down: ["bad", "down"], unknown: ["wait", "not scraped yet"] };

export class Targets {
  constructor(watch) {
    this.watch = watch;
    this.title = h("h1", {}, "Targets");
    this.filter = h("input", { type: "search", placeholder: "Find by address or label", "aria-label": "Find by address or label", oninput: () => this.draw(), autocomplete: "off", spellcheck: "false" });
    this.onlyDown = h("button", { "aria-pressed": "false", onclick: () => { attr(this.onlyDown, "aria-pressed", this.onlyDown.getAttribute("aria-pressed") !== "true" ? "true" : "false"); this.draw(); } }, "Only what is not up");
    this.body = h("div", { class: "stack" });
    this.node = h("div", { class: "targets" }, h("div", { class: "lead" }, this.title, this.filter, this.onlyDown), this.body);
  }

  enter() {
    this.isShown = true;
    this.look();
  }

  leave() {
    this.isShown = false;
    clearTimeout(this.timer);
  }

  async look() {
    clearTimeout(this.timer);
    try {
      const { data } = await ask("targets", { timeout: 10_000 });
      this.data = data;
      this.error = null;
      await this.learnErrors();
    } catch (error) {
      this.error = error;
    }
    if (!this.isShown) return;
    this.draw();
    this.timer = setTimeout(() => this.look(), EVERY_MS);
  }

  /** Why a scrape failed is known to the node that made it. */
  async learnErrors() {
    const own = this.watch.own?.node;
    const silent = this.data.activeTargets.filter(target => target.health === "down" && !target.lastError && target.scrapedBy && target.scrapedBy !== own);
    for (const member of new Set(silent.map(target => target.scrapedBy))) {
      const answer = await ask("targets", { member, timeout: 5000 }).catch(() => null);
      const known = new Map((answer?.data.activeTargets ?? []).map(target => [keyOf(target), target.lastError]));
      silent.filter(target => target.scrapedBy === member).forEach(target => { target.lastError = known.get(keyOf(target)) ?? ""; });
    }
  }

  draw() {
    if (!this.data) return fill(this.body, h("div", { class: "sheet" }, h("p", { class: "empty" }, this.error ? "The node does not answer. It is asked again." : "Asking…")));
    const { activeTargets: all, droppedTargetCounts: dropped } = this.data;
    const up = all.filter(target => target.health === "up").length;
    say(this.title, this.error ? "The node does not answer; this is what it said last" : all.length ? `${up} of ${plural(all.length, "target")} up` : "Targets");
    this.filter.hidden = this.onlyDown.hidden = all.length === 0;
    if (!all.length) return fill(this.body, nothing());
    const typed = this.filter.value.trim().toLowerCase();
    const onlyDown = this.onlyDown.getAttribute("aria-pressed") === "true";
    const fits = target => (!onlyDown || target.health !== "up") && (!typed || `${target.scrapeUrl} ${Object.entries(target.labels).flat().join(" ")}`.toLowerCase().includes(typed));
    const pools = Map.groupBy(all, target => target.scrapePool);
    const sections = [...pools].map(([pool, targets]) => [pool, targets, targets.filter(fits)]).filter(([, , shown]) => shown.length);
    return fill(this.body, sections.map(section => this.pool(section, dropped)), sections.length ? null : h("div", { class: "sheet" }, h("p", { class: "empty" }, "No target fits.")));
  }

  pool([pool, targets, shown], dropped) {
    const up = targets.filter(target => target.health === "up").length;
    const note = [`${up} of ${targets.length} up`, dropped[pool] ? `${dropped[pool]} dropped by relabelling` : null].filter(Boolean).join(" · ");
    const head = ["State", "Address", "Labels", "Last scrape", "Took", "Every", "Scraped by"].map(name => h("th", { scope: "col" }, name));
    return h("section", { class: "sheet" }, h("header", {}, h("h2", {}, pool), h("span", { class: "dim" }, note)),
      h("div", { class: "scroll" }, h("table", { class: "cards even" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, shown.map(target => this.row(target))))));
  }

  row(target) {
    const [kind, word] = WORDS[target.health] ?? WORDS.unknown;
    const labels = Object.entries(target.labels).filter(([name]) => name !== "job");
    const scraped = target.lastScrape === NEVER ? null : Date.parse(target.lastScrape);
    const now = this.watch.own?.time_ms ?? Date.now();
    const address = target.scrapeUrl ? h("span", { class: "mono endpoint" }, target.scrapeUrl) : h("span", { class: "mono endpoint" }, target.labels.instance ?? "");
    return h("tr", { "data-target": target.scrapeUrl }, h("td", {}, h("span", { class: "state", "data-kind": kind }, h("i", { class: "mark", "aria-hidden": "true" }), h("span", { class: kind === "good" ? null : kind }, word))),
      h("td", { class: "wide" }, address, target.lastError ? h("span", { class: "error" }, target.lastError) : null),
      h("td", { class: "wide" }, h("div", { class: "labels" }, labels.map(([name, value]) => h("code", {}, `${shownName(name)}="${value}"`)))),
      h("td", { "data-name": "Last scrape" }, scraped ? `${span(Math.max(0, now - scraped))} ago` : "never"), h("td", { "data-name": "Took" }, scraped ? took(target.lastScrapeDuration * 1000) : "–"),
      h("td", { "data-name": "Every" }, target.scrapeInterval || "–"), h("td", { "data-name": "Scraped by" }, target.scrapedBy ? this.watch.nameOf(target.scrapedBy) : "–"));
  }

  redraw() {
    if (this.isShown) this.draw();
  }
}

function keyOf(target) {
  return JSON.stringify([target.scrapePool, target.scrapeUrl, target.labels]);
}

function nothing() {
  return h("div", { class: "sheet" }, h("div", { class: "empty" }, h("p", {}, "No node scrapes anything."),
    h("p", {}, "Start every node with ", h("code", {}, "--scrape prometheus.yml"), ", Prometheus’ own file: the nodes divide its targets among themselves, and take over those of a node that dies.")));
}
