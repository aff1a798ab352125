// Readings of a node's counters, kept for some minutes, and the rates between them. A node that restarted counts
// from nothing: what was read of its life before says nothing of this one.

const KEPT_MS = 180_000;
const OVER_MS = 10_500;

/** The readings of one node. */
export class Readings {
  constructor() {
    this.list = [];
    this.life = null;
  }

  /** Takes what `/api/v1/cluster` of the node said. */
  add(state) {
    const { usage, doors, time_ms: at, points } = state;
    if (!usage) return;
    if (this.life !== usage.started_ms) this.list = [];
    this.life = usage.started_ms;
    if (this.list.length && this.list.at(-1).at >= at) return;
    this.list.push({ at, points, written: written(doors), doors, turnedAway: usage.requests_refused, cpu: usage.cpu_seconds, in: usage.peer_bytes_in, out: usage.peer_bytes_out });
    while (at - this.list[0].at > KEPT_MS) this.list.shift();
  }

  /** What a figure of the newest reading grows by in a second, over the last seconds; `null` while that is not known. */
  rate(pick) {
    const last = this.list.at(-1);
    const first = this.list.find(reading => last.at - reading.at <= OVER_MS);
    if (!last || !first || first === last) return null;
    return Math.max(0, (pick(last) - pick(first)) / ((last.at - first.at) / 1000));
  }

  /** The same at each reading, as `[at, rate]`: what comes in bursts is told over as long a time. */
  rates(pick) {
    const found = [];
    let first = 0;
    this.list.forEach((reading, at) => {
      while (reading.at - this.list[first].at > OVER_MS) first += 1;
      const before = this.list[Math.min(first, at - 1)];
      if (before) found.push([reading.at, Math.max(0, (pick(reading) - pick(before)) / ((reading.at - before.at) / 1000))]);
    });
    return found;
  }
}

/** Points that were written at a node. What StatsD's lines come to is counted apart from the lines. */
export function written(doors) {
  return Object.entries(doors).reduce((sum, [door, { accepted }]) => sum + (door === "statsd" ? 0 : accepted), 0);
}
