// From values and times to places in a chart, and what of a series is drawn.

import { valueTicks } from "./ticks.js";

/** The least and the greatest finite value of series between two times; `null` if there is none. */
export function extent(list, start, end) {
  let low = Infinity, high = -Infinity;
  for (const { times, values } of list) {
    for (let at = 0; at < times.length; at++) {
      const value = values[at];
      if (times[at] < start || times[at] > end || !Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** The axis of values for an extent. One that is near zero begins there: a small change shall not look like a large one. */
export function axis(bounds, wanted) {
  let [low, high] = bounds ?? [0, 1];
  if (low > 0 && low < (high - low) * 0.6) low = 0;
  if (high < 0 && -high < (high - low) * 0.6) high = 0;
  return valueTicks(low, high, wanted);
}

/**
 * The pieces of a series without gaps, as pairs of indices `[from, to]`, both drawn. A sample that is missing, or that is no
 * finite number, is a gap: what is not known is not drawn.
 */
export function pieces({ times, values }, step) {
  const found = [];
  let from = -1;
  for (let at = 0; at <= times.length; at++) {
    const is = at < times.length && Number.isFinite(values[at]);
    if (from >= 0 && (!is || times[at] - times[at - 1] > step * 1.5)) {
      found.push([from, at - 1]);
      from = -1;
    }
    if (is && from < 0) from = at;
  }
  return found;
}

/** The index of the sample next to a time, within a step; −1 if there is none. */
export function nearest({ times }, at, step) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1; else high = middle;
  }
  const best = [low - 1, low].filter(index => index >= 0 && index < times.length).sort((a, b) => Math.abs(times[a] - at) - Math.abs(times[b] - at))[0];
  return best !== undefined && Math.abs(times[best] - at) <= step * 0.75 ? best : -1;
}
