// The frame around the views: where one may go, how the cluster is in four words, the zone of times, light or dark;
// and what the reader has to know whatever is shown.

import { attr, fill, h, say, s } from "./dom.js";
import { plural, span, zoneName } from "./format.js";
import { VIEWS } from "./route.js";

const NAMES = { cluster: "Cluster", explore: "Explore", targets: "Targets", doors: "Doors" };
const THEMES = ["auto", "light", "dark"];

/** A label's name for people: that of the metric is not told by its underscores. */
export function shownName(name) {
  return name === "__name__" ? "metric" : name;
}

/** The zone that times are shown in, `local` or `utc`. */
export let zone = localStorage.getItem("shoal-zone") ?? "local";

export class Shell {
  constructor(watch) {
    this.watch = watch;
    this.listeners = [];
    this.theme = localStorage.getItem("shoal-theme") ?? "auto";
    this.links = VIEWS.map(view => h("a", { href: `#/${view}`, "data-view": view }, NAMES[view]));
    this.mark_ = h("span", { class: "mark", "aria-hidden": "true" });
    this.words = h("span", { class: "words" });
    this.pulse = h("a", { class: "pulse", href: "#/cluster" }, this.mark_, this.words);
    this.node = h("span", { class: "here" });
    this.zoneButton = h("button", { class: "plain", onclick: () => this.turnZone() });
    this.themeButton = h("button", { class: "plain", onclick: () => this.turnTheme() });
    fill(document.getElementById("top"),
      h("a", { class: "brand", href: "#/cluster", "aria-label": "Shoal" }, fish(), h("span", {}, "shoal")),
      h("nav", { "aria-label": "Views" }, this.links), this.pulse, this.node,
      h("div", { class: "switches" }, this.zoneButton, this.themeButton));
    this.notices = document.getElementById("notices");
    this.applyTheme();
    say(this.zoneButton, zoneName(zone));
    watch.listen(() => this.update());
    setInterval(() => { if (watch.error) this.update(); }, 500);
  }

  /** Calls back when the zone or the theme has changed. */
  onChange(listener) {
    this.listeners.push(listener);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
  }

  /** Marks the view that is shown. */
  mark(view) {
    this.view = view;
    this.entitle();
    this.links.forEach(link => attr(link, "aria-current", link.dataset.view === view ? "page" : null));
  }

  /** A tab in the background shows that something is wrong. */
  entitle() {
    const isBad = this.pulse.dataset.kind === "bad";
    const cluster = this.watch.own ? ` · ${this.watch.own.cluster}` : "";
    const title = `${isBad ? "✕ " : ""}${NAMES[this.view]}${cluster} · Shoal`;
    if (document.title !== title) document.title = title;
  }

  turnZone() {
    zone = zone === "local" ? "utc" : "local";
    localStorage.setItem("shoal-zone", zone);
    say(this.zoneButton, zoneName(zone));
    this.listeners.forEach(listener => listener());
  }

  turnTheme() {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length];
    localStorage.setItem("shoal-theme", this.theme);
    this.applyTheme();
    this.listeners.forEach(listener => listener());
  }

  applyTheme() {
    if (this.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    say(this.themeButton, { auto: "Auto", light: "Light", dark: "Dark" }[this.theme]);
    attr(this.themeButton, "aria-label", `Colours: ${this.theme}`);
    attr(this.zoneButton, "title", "The zone of all times on this page");
    attr(this.themeButton, "title", "Colours: as the system says, light, or dark");
  }

  update() {
    const { watch } = this;
    const [kind, words] = pulse(watch);
    attr(this.pulse, "data-kind", kind);
    say(this.words, words);
    if (watch.own) say(this.node, `${watch.own.cluster} · ${watch.nameOf(watch.own.node)}`);
    this.entitle();
    this.notice();
  }

  /** This node is away: since when, when it is asked again, and who else has this page. */
  notice() {
    const { watch } = this;
    if (!watch.error || watch.error.status === 401) return fill(this.notices);
    const ago = span(performance.now() - watch.lostAt);
    const next = Math.max(0, Math.ceil((watch.nextAt - performance.now()) / 1000));
    const others = watch.joined().filter(member => member.node !== watch.own.node && member.client_address);
    const text = `This node has not answered for ${ago}. Asking again ${next ? `in ${next} s` : "now"}.`;
    if (this.notices.firstChild) return say(this.notices.firstChild.firstChild, text);
    const links = others.map(member => h("a", { href: `${location.protocol}//${member.client_address}/${location.hash}` }, member.name));
    fill(this.notices, h("p", { class: "notice bad" }, h("span", {}, text),
      links.length ? h("span", {}, " Look from ", links.flatMap((link, at) => at ? [" or ", link] : [link]), ".") : null));
  }
}

/** The cluster in a few words, and whether that is good. */
function pulse(watch) {
  if (watch.error) return ["bad", watch.error.status === 401 ? "no token" : "node away"];
  if (!watch.own) return ["wait", "…"];
  const joined = watch.joined();
  const kinds = joined.map(member => watch.standing(member).kind);
  const bad = kinds.filter(kind => kind === "bad").length;
  const until = watch.own.complete_until;
  const complete = until ? `complete up to ${span(Math.max(0, watch.own.time_ms - until))} ago` : "complete up to an unknown time";
  const kind = bad ? "bad" : kinds.includes("wait") ? "wait" : "good";
  return [kind, `${joined.length - bad} of ${plural(joined.length, "member")} · ${complete}`];
}

function fish() {
  const path = "M5 9.5q4-3.400 8.200 0l2.300-1.900v3.800l-2.300-1.900q-4.200 3.400-8.200 0z";
  return s("svg", { viewBox: "3 5 24 22", width: "26", height: "24", "aria-hidden": "true" },
    s("path", { d: path }), s("path", { d: path, transform: "translate(10 6.500)" }), s("path", { d: path, transform: "translate(2 13)" }));
}
