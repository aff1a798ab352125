// What a set of series has in common is said once; what tells them apart names each.

import { nameOf } from "./answer.js";

/** The labels that all series have with one value. */
export function common(list) {
  const [first, ...rest] = list;
  if (!first) return {};
  const pairs = Object.entries(first.metric).filter(([name, value]) => rest.every(({ metric }) => metric[name] === value));
  return Object.fromEntries(pairs);
}

/** Gives each series the `label` by which it differs from the others; a series alone keeps its whole name. */
export function label(list) {
  const shared = common(list);
  return list.map(series => {
    const own = Object.fromEntries(Object.entries(series.metric).filter(([name]) => !(name in shared)));
    return { ...series, label: list.length > 1 && Object.keys(own).length ? nameOf(own) : series.name };
  });
}
