// Where axes have their marks: round values, and round times of the reader's zone.

import { fromParts, parts } from "./format.js";

const SECOND = 1000, MINUTE = 60_000, HOUR = 3_600_000, DAY = 86_400_000;
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE,
  5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY,
];

/** Round values over a range, about `wanted` of them, and the range widened to whole steps. */
export function valueTicks(low, high, wanted) {
  if (!(high > low)) {
    const margin = Math.abs(low) * 0.1 || 1;
    [low, high] = [low - margin, low + margin];
  }
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  // By whole numbers of steps, so that no tick is 0.30000000000000004.
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let at = first; at <= last; at++) ticks.push(digits > 15 ? at * step : Number((at * step).toFixed(Math.min(digits, 20))));
  return { ticks, step, low: first * step, high: last * step };
}

/** Round times over a range, at most `most` of them; each with its label and whether a day begins there. */
export function timeTicks(start, end, most, zone) {
  const step = STEPS.find(step => (end - start) / step <= most) ?? Math.ceil((end - start) / most / DAY) * DAY;
  const ticks = [];
  for (let at = firstTick(start, step, zone); at <= end; at = nextTick(at, step, zone)) {
    if (at >= start) ticks.push({ at, ...timeLabel(at, step, zone) });
  }
  return ticks;
}

/** Steps of less than a day count from midnight of the zone, longer ones from the first of the year. */
function firstTick(start, step, zone) {
  const { year, month, day } = parts(start, zone);
  if (step > DAY) return fromParts({ year }, zone);
  const midnight = fromParts({ year, month, day }, zone);
  return step === DAY ? midnight : midnight + Math.floor((start - midnight) / step) * step;
}

/** Whole days are counted by the calendar: some have 23 hours. */
function nextTick(at, step, zone) {
  if (step < DAY) return at + step;
  const { year, month, day } = parts(at, zone);
  return fromParts({ year, month, day: day + step / DAY }, zone);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function timeLabel(ms, step, zone) {
  const at = parts(ms, zone);
  const two = number => String(number).padStart(2, "0");
  const isDay = at.hour === 0 && at.minute === 0 && at.second === 0 && at.ms === 0;
  if (isDay) return { label: `${MONTHS[at.month]} ${at.day}`, isDay };
  const minutes = `${two(at.hour)}:${two(at.minute)}`;
  if (step >= MINUTE) return { label: minutes, isDay };
  const seconds = `${minutes}:${two(at.second)}`;
  return { label: step >= SECOND ? seconds : `${seconds}.${String(at.ms).padStart(3, "0")}`, isDay };
}

/** A round step for a range that is drawn on `pixels`: a value every third pixel or fewer. */
export function autoStep(ms, pixels) {
  const rough = ms / Math.max(50, pixels / 3);
  return STEPS.find(step => step >= SECOND && step >= rough) ?? Math.ceil(rough / DAY) * DAY;
}
