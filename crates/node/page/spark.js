// Small pictures in a table's cell: the last minutes of a rate, and how much of something is used.

import { attr, h, s } from "./dom.js";

const WIDTH = 84, HEIGHT = 18, OVER_MS = 120_000;

/** A line of `[at, value]` over the last two minutes; a gap stays a gap. */
export class Spark {
  constructor(label) {
    this.area = s("path", { class: "area" });
    this.line = s("path", { class: "line" });
    this.node = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": label }, this.area, this.line);
  }

  draw(points) {
    const end = points.at(-1)?.[0] ?? 0;
    const high = Math.max(...points.map(([, value]) => value), 1e-9);
    const x = at => (WIDTH - 1 - ((end - at) / OVER_MS) * (WIDTH - 2)).toFixed(1);
    const y = value => (HEIGHT - 1.5 - (value / high) * (HEIGHT - 3)).toFixed(1);
    let line = "", before = null;
    const recent = points.filter(([at]) => end - at <= OVER_MS);
    for (const [at, value] of recent) {
      line += `${before === null || at - before > 8000 ? "M" : "L"}${x(at)} ${y(value)}`;
      before = at;
    }
    attr(this.line, "d", recent.length > 1 ? line : null);
    const isWhole = recent.length > 1 && line.lastIndexOf("M") === 0;
    attr(this.area, "d", isWhole ? `${line}V${HEIGHT}H${x(recent[0][0])}Z` : null);
  }
}

/** A bar that is filled to a part of its width. */
export class Meter {
  constructor(label) {
    this.bar = h("i");
    this.node = h("span", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, this.bar);
  }

  draw(part, kind = null) {
    const percent = Math.round(Math.min(1, Math.max(0, part)) * 100);
    attr(this.node, "aria-valuenow", percent);
    attr(this.node, "data-kind", kind);
    this.bar.style.width = `${percent}%`;
  }
}
