// Watches the cluster: once a second what this node says, and through it what every other member says of itself.
// A node that does not answer is asked again after longer and longer pauses, and the page says so at once.

import { ask } from "./api.js";
import { Readings } from "./readings.js";

const EVERY_MS = 1000, HIDDEN_MS = 10_000, PAUSE_MAX_MS = 8000, AWAY_EVERY_MS = 3000;
const PATIENCE_MS = 2500, MEMBER_PATIENCE_MS = 3500;
const AT_ONCE = 4;

/** What is known of the cluster; `listen` to be told when that changes. */
export class Watch {
  constructor() {
    /** What this node said last, or `null`. */
    this.own = null;
    /** Of each other member by id: `{state, error, heardAt, askedAt}`. */
    this.views = new Map();
    /** Readings by id. */
    this.readings = new Map();
    /** Why this node does not answer, or `null`; since when; and when it is asked next. */
    this.error = null;
    this.lostAt = null;
    this.nextAt = 0;
    this.failures = 0;
    /** By how many ms this node's clock is ahead of the reader's. */
    this.apart = 0;
    this.listeners = new Set();
    this.waiting = [];
    this.running = 0;
  }

  /** Calls back now if anything is known, and whenever that changes; gives a function that ends it. */
  listen(listener) {
    this.listeners.add(listener);
    if (this.own || this.error) listener();
    return () => this.listeners.delete(listener);
  }

  start() {
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.soon(); });
    this.turn();
  }

  /** Asks at once. */
  soon() {
    if (this.isAsking) return;
    clearTimeout(this.timer);
    this.turn();
  }

  async turn() {
    this.isAsking = true;
    try {
      this.heard(await ask("cluster", { timeout: PATIENCE_MS }));
    } catch (error) {
      this.failed(error);
    }
    this.isAsking = false;
    const pause = this.failures ? Math.min(EVERY_MS * 2 ** (this.failures - 1), PAUSE_MAX_MS) : document.hidden ? HIDDEN_MS : EVERY_MS;
    this.nextAt = performance.now() + pause;
    this.timer = setTimeout(() => this.turn(), pause);
    this.tell();
  }

  /** The time by this node's clock: a reader's clock may be wrong. Small differences are the way of the answer. */
  now() {
    return Date.now() + (Math.abs(this.apart) > 1500 ? this.apart : 0);
  }

  heard(state) {
    this.apart = state.time_ms - Date.now();
    Object.assign(this, { own: state, error: null, lostAt: null, failures: 0 });
    this.read(state.node, state);
    const others = this.joined().filter(member => member.node !== state.node);
    const known = new Set(others.map(member => member.node));
    for (const id of this.views.keys()) if (!known.has(id)) this.views.delete(id);
    others.forEach(member => this.want(member));
  }

  failed(error) {
    this.failures += 1;
    this.lostAt ??= performance.now();
    this.error = error;
  }

  /** Asks a member for its own view, if that is due. */
  want(member) {
    const view = this.views.get(member.node) ?? { state: null, error: null, heardAt: null, askedAt: -Infinity, isAsked: false };
    this.views.set(member.node, view);
    const pause = view.error || !member.reachable ? AWAY_EVERY_MS : 0;
    if (view.isAsked || performance.now() - view.askedAt < pause) return;
    view.isAsked = true;
    this.waiting.push([member.node, view]);
    this.go();
  }

  go() {
    while (this.running < AT_ONCE && this.waiting.length) {
      this.running += 1;
      this.look(...this.waiting.shift());
    }
  }

  async look(id, view) {
    view.askedAt = performance.now();
    try {
      const state = await ask("cluster", { member: id, timeout: MEMBER_PATIENCE_MS });
      // Another node may have taken the address.
      if (state.node !== id) throw new Error("another node answers at its address");
      Object.assign(view, { state, error: null, heardAt: performance.now() });
      this.read(id, state);
    } catch (error) {
      view.error = error;
    }
    view.isAsked = false;
    this.running -= 1;
    this.go();
    this.tell();
  }

  read(id, state) {
    if (!this.readings.has(id)) this.readings.set(id, new Readings());
    this.readings.get(id).add(state);
  }

  tell() {
    if (this.isTelling) return;
    this.isTelling = true;
    // Several answers of one moment are shown in one go.
    setTimeout(() => {
      this.isTelling = false;
      this.listeners.forEach(listener => listener());
    }, 30);
  }

  /** The members that count, in order of name. */
  joined() {
    const members = this.own?.members.filter(member => member.state === "joined") ?? [];
    return members.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.node.localeCompare(b.node));
  }

  /** The nodes that left or were forgotten. */
  gone() {
    return this.own?.members.filter(member => member.state !== "joined") ?? [];
  }

  /** What a member said of itself last, with whether that is of now. */
  viewOf(id) {
    if (id === this.own?.node) return { state: this.own, isFresh: !this.error, error: this.error };
    const view = this.views.get(id);
    return { state: view?.state ?? null, isFresh: Boolean(view?.state && !view.error), error: view?.error ?? null };
  }

  /** How a member stands: `{word, kind, since}`; kind is `good`, `wait` or `bad`. */
  standing(member) {
    const isOwn = member.node === this.own.node;
    if (isOwn && this.error) return { word: "away", kind: "bad" };
    // Others are asked through this node.
    if (this.error) return { word: "not asked", kind: "wait" };
    if (!member.reachable) return { word: "away", kind: "bad", since: member.last_seen_ms ? this.own.time_ms - member.last_seen_ms : null };
    if (!isOwn && this.viewOf(member.node).error) return { word: "silent", kind: "bad" };
    if (member.phase === "ready") return { word: "ready", kind: "good" };
    return { word: member.phase || "unknown", kind: "wait" };
  }

  /** A member's name, or the start of its id. */
  nameOf(id) {
    return this.own?.members.find(member => member.node === id)?.name ?? id.slice(0, 8);
  }
}
