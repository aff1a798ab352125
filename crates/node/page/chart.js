// A graph on a canvas: thousands of lines cost no more than the pixels that they cover. Drag to zoom; the crosshair
// names the values at its time, the nearest line first; arrow keys move it.

import { attr, fill, h, s } from "./dom.js";
import { clock, day, figure, si, stamp, tick as tickText } from "./format.js";
import { ink, isDark, look } from "./palette.js";
import { axis, extent, nearest, pieces } from "./scale.js";
import { zone } from "./shell.js";
import { timeTicks } from "./ticks.js";

const LEFT_LEAST = 56, RIGHT = 10, TOP = 10, BOTTOM = 24;
const NAMED_MAX = 12;
const CROWD = 100;

export class Chart {
  /** `zoomed(from, to)` is called when a range was dragged. */
  constructor({ zoomed, height = 320 }) {
    Object.assign(this, { zoomed, height, twins: [], series: [], hidden: new Set(), left: LEFT_LEAST, at: null, start: 0, end: 1, step: 1000 });
    this.base = h("canvas");
    this.over = h("canvas", {
      class: "over", tabindex: 0, role: "img", "aria-label": "Graph", onpointermove: event => this.move(event), onpointerleave: () => this.leave(),
      onpointerdown: event => this.press(event), onpointerup: event => this.release(event), onpointercancel: () => this.leave(), onkeydown: event => this.key(event), onblur: () => this.leave(),
    });
    this.tip = h("div", { class: "tip", hidden: true });
    this.node = h("div", { class: "chart" }, this.base, this.over, this.tip);
    this.node.style.height = `${height}px`;
    new ResizeObserver(() => this.redraw()).observe(this.node);
  }

  /** Shows series over a range. `until` is the time up to which the answer is complete. */
  show({ series, start, end, step, until = null }) {
    Object.assign(this, { series, start, end, step, until });
    this.redraw();
  }

  /** The width that is drawn on, in pixels. */
  get plotWidth() {
    return Math.max(50, (this.width || this.node.clientWidth) - this.left - RIGHT);
  }

  visible() {
    return this.series.filter(series => !this.hidden.has(series.name));
  }

  redraw() {
    const width = this.node.clientWidth;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    for (const canvas of [this.base, this.over]) {
      // Setting the size clears, and is done only where it has changed.
      if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
      if (canvas.height !== Math.round(this.height * ratio)) canvas.height = Math.round(this.height * ratio);
    }
    this.width = width;
    const visible = this.visible();
    this.axis = axis(extent(visible, this.start, this.end), this.height / 48);
    const pen = this.pen(this.base, ratio);
    const widest = Math.max(...this.axis.ticks.map(tick => pen.measureText(tickText(tick, this.axis)).width));
    this.left = Math.max(LEFT_LEAST, Math.ceil(widest) + 16);
    this.drawAxes(pen, width);
    this.drawLines(pen, visible);
    this.drawUntil(pen);
    this.base.dataset.lines = visible.length;
    this.base.dataset.newest = Math.max(0, ...visible.map(({ times }) => times.at(-1) ?? 0));
    attr(this.over, "aria-label", `Graph of ${visible.length} series from ${stamp(this.start, zone)} to ${stamp(this.end, zone)}, values from ${si(this.axis.low)} to ${si(this.axis.high)}`);
    if (this.at !== null) this.point(this.at, this.y);
  }

  pen(canvas, ratio = devicePixelRatio || 1) {
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.font = "11px system-ui, sans-serif";
    return pen;
  }

  x(at) {
    return this.left + (at - this.start) / (this.end - this.start || 1) * this.plotWidth;
  }

  y_(value) {
    return TOP + (this.axis.high - value) / (this.axis.high - this.axis.low) * (this.height - TOP - BOTTOM);
  }

  timeAt(x) {
    return this.start + Math.min(1, Math.max(0, (x - this.left) / this.plotWidth)) * (this.end - this.start);
  }

  drawAxes(pen, width) {
    const [line, words] = [ink("--line"), ink("--ink-3")];
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const tick of this.axis.ticks) {
      const y = Math.round(this.y_(tick)) + 0.5;
      pen.strokeStyle = tick === 0 ? ink("--line-2") : line;
      stroke(pen, [[this.left, y], [width - RIGHT, y]]);
      pen.fillStyle = words;
      pen.fillText(tickText(tick, this.axis), this.left - 8, y);
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    for (const { at, label, isDay } of timeTicks(this.start, this.end, Math.max(2, Math.floor(this.plotWidth / 84)), zone)) {
      const x = Math.round(this.x(at)) + 0.5;
      pen.strokeStyle = isDay ? ink("--line-2") : line;
      stroke(pen, [[x, TOP], [x, this.height - BOTTOM + 4]]);
      pen.fillStyle = words;
      const half = pen.measureText(label).width / 2;
      pen.fillText(label, Math.min(width - half - 1, Math.max(half, x)), this.height - BOTTOM + 8);
    }
  }

  drawLines(pen, visible) {
    const dark = isDark();
    pen.save();
    pen.beginPath();
    pen.rect(this.left - 2, TOP - 3, this.plotWidth + 4, this.height - TOP - BOTTOM + 6);
    pen.clip();
    pen.lineJoin = "round";
    pen.globalAlpha = visible.length > 200 ? 0.55 : visible.length > 40 ? 0.8 : 1;
    // Of a hundred lines nobody tells one by its dashes, and they cost most of the time.
    const isCrowd = visible.length > CROWD;
    for (const series of visible) this.drawLine(pen, series, dark, { width: visible.length > 40 ? 1 : 1.5, isPlain: isCrowd });
    pen.restore();
  }

  drawLine(pen, series, dark, { width, isPlain = false }) {
    const { colour, dash } = look(series.at, dark);
    [pen.strokeStyle, pen.fillStyle, pen.lineWidth] = [colour, colour, width];
    pen.setLineDash(isPlain ? [] : dash);
    const { times, values } = series;
    // Plain arithmetic: there may be a million of these.
    const perMs = this.plotWidth / (this.end - this.start || 1), left = this.left - this.start * perMs;
    const perUnit = (this.height - TOP - BOTTOM) / (this.axis.high - this.axis.low), top = TOP + this.axis.high * perUnit;
    pen.beginPath();
    for (const [from, to] of pieces(series, this.step)) {
      if (from === to) {
        pen.fillRect(left + times[from] * perMs - 1.5, top - values[from] * perUnit - 1.5, 3, 3);
        continue;
      }
      pen.moveTo(left + times[from] * perMs, top - values[from] * perUnit);
      for (let at = from + 1; at <= to; at++) pen.lineTo(left + times[at] * perMs, top - values[at] * perUnit);
    }
    pen.stroke();
  }

  /** Behind this time a late point may still come. */
  drawUntil(pen) {
    if (!this.until || this.until <= this.start || this.until >= this.end) return;
    const x = Math.round(this.x(this.until)) + 0.5;
    pen.fillStyle = ink("--wait-water");
    pen.globalAlpha = 0.6;
    pen.globalCompositeOperation = "destination-over";
    pen.fillRect(x, TOP, this.left + this.plotWidth - x, this.height - TOP - BOTTOM);
    pen.globalAlpha = 1;
    pen.globalCompositeOperation = "source-over";
    pen.strokeStyle = ink("--wait");
    pen.setLineDash([2, 3]);
    stroke(pen, [[x, TOP], [x, this.height - BOTTOM]]);
    pen.setLineDash([]);
  }

  move(event) {
    const { left, top } = this.over.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    if (this.from !== undefined) return this.drag(x);
    this.point(this.timeAt(x), y);
  }

  /** Lets the crosshair of another chart of the same range follow this one's. */
  lead(twin) {
    this.twins.push(twin);
  }

  moved(at, y) {
    for (const twin of this.twins) {
      if (twin.at === at || !twin.node.clientWidth || !twin.axis) continue;
      if (at === null) twin.leave(); else twin.point(at, y);
    }
  }

  /** The crosshair at a time; `y` chooses the nearest line, without it the greatest value is first. */
  point(at, y) {
    const step = this.step;
    const snapped = this.start + Math.round((at - this.start) / step) * step;
    Object.assign(this, { at: snapped, y });
    const found = this.visible().flatMap(series => {
      const index = nearest(series, snapped, step);
      return index < 0 || Number.isNaN(series.values[index]) ? [] : [{ series, index, value: series.values[index] }];
    });
    const target = y ?? null;
    found.sort((a, b) => target === null ? b.value - a.value : Math.abs(this.y_(a.value) - target) - Math.abs(this.y_(b.value) - target));
    const pen = this.pen(this.over);
    const x = Math.round(this.x(snapped)) + 0.5;
    pen.strokeStyle = ink("--ink-3");
    pen.lineWidth = 1;
    stroke(pen, [[x, TOP], [x, this.height - BOTTOM]]);
    this.emphasise(pen, found);
    this.tell(found, x, target);
    this.moved(snapped, y);
  }

  emphasise(pen, found) {
    if (!found.length) return;
    const dark = isDark();
    if (found.length > 1 && this.series.length > 1) this.drawLine(pen, found[0].series, dark, { width: 2.5 });
    pen.setLineDash([]);
    // In a crowd their dots would hide one another.
    for (const { series, index, value } of found.slice(0, found.length > CROWD ? 1 : NAMED_MAX)) {
      if (!Number.isFinite(value)) continue;
      pen.beginPath();
      pen.arc(this.x(series.times[index]), this.y_(value), 3, 0, 7);
      pen.fillStyle = look(series.at, dark).colour;
      pen.fill();
      pen.strokeStyle = ink("--sheet");
      pen.stroke();
    }
  }

  tell(found, x, target) {
    const shown = found.slice(0, NAMED_MAX);
    const first = shown[0];
    // In order of value they are read as they lie above one another.
    const rows = [...shown].sort((a, b) => b.value - a.value);
    fill(this.tip, h("p", { class: "when" }, `${day(this.at, zone)} `, h("b", {}, clock(this.at, zone))),
      rows.map(row => h("p", { class: row === first && target !== null && found.length > 1 ? "row first" : "row" }, swatch(row.series.at), h("b", {}, figure(row.value)), h("span", {}, row.series.label ?? row.series.name))),
      found.length > shown.length ? h("p", { class: "dim" }, `and ${found.length - shown.length} more`) : null, found.length ? null : h("p", { class: "dim" }, "no sample"));
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    const left = x + 14 + width > this.node.clientWidth ? Math.max(4, x - 14 - width) : x + 14;
    this.tip.style.left = `${left}px`;
  }

  leave() {
    if (this.at === null && this.from === undefined) return;
    [this.at, this.from] = [null, undefined];
    this.pen(this.over);
    this.tip.hidden = true;
    this.moved(null);
  }

  press(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    this.over.setPointerCapture(event.pointerId);
    this.from = event.clientX - this.over.getBoundingClientRect().left;
  }

  drag(x) {
    const pen = this.pen(this.over);
    const [low, high] = [Math.min(this.from, x), Math.max(this.from, x)].map(each => Math.min(this.left + this.plotWidth, Math.max(this.left, each)));
    pen.fillStyle = ink("--sea");
    pen.globalAlpha = 0.15;
    pen.fillRect(low, TOP, high - low, this.height - TOP - BOTTOM);
    this.tip.hidden = high - low < 4;
    fill(this.tip, h("p", { class: "when" }, `${clock(this.timeAt(low), zone)} – ${clock(this.timeAt(high), zone)}`));
  }

  release(event) {
    if (this.from === undefined) return;
    const x = event.clientX - this.over.getBoundingClientRect().left;
    const [low, high] = [Math.min(this.from, x), Math.max(this.from, x)];
    this.leave();
    if (high - low > 4) this.zoomed(this.timeAt(low), this.timeAt(high));
  }

  key(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way) this.point((this.at ?? (this.start + this.end) / 2) + way * this.step * (event.shiftKey ? 10 : 1), null);
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }
}

/** A stroke in the colour and the dashes of a series. */
export function swatch(at) {
  const { colour, dash } = look(at, isDark());
  return s("svg", { class: "swatch", viewBox: "0 0 18 4", width: 18, height: 4, "aria-hidden": "true" },
    s("path", { d: "M0 2H18", stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash.join(" ") || null }));
}

function stroke(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], at) => at ? pen.lineTo(x, y) : pen.moveTo(x, y));
  pen.stroke();
}
