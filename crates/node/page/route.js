// What the page shows, as the part of its address behind `#`: `#/explore?q=up&range=1h`. Everything that a reader
// would want to share stands there, and the browser's way back leads through it.

import { millis, promql } from "./format.js";

export const VIEWS = ["cluster", "explore", "targets", "doors"];
const HOUR = 3_600_000;

/** The view and its parameters, from an address. */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const params = new URLSearchParams(query);
  return { view: VIEWS.includes(path) ? path : VIEWS[0], params };
}

/** The address of a view. */
export function address(view, params) {
  const query = params?.toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

/** What the explorer asks, from its parameters. */
export function readQuestion(params) {
  const [from, to] = [Number(params.get("from")), Number(params.get("to"))];
  const isFixed = from > 0 && to > from;
  return {
    queries: params.getAll("q").length ? params.getAll("q") : [""],
    range: isFixed ? { from, to } : { last: millis(params.get("range") ?? "") ?? HOUR },
    step: millis(params.get("step") ?? ""),
    shows: params.get("as") === "table" ? "table" : "graph",
    at: Number(params.get("at")) || null,
    other: params.get("with") || null,
    live: params.get("live") !== "off",
  };
}

/** The parameters of what the explorer asks; what is as usual is left out. */
export function writeQuestion({ queries, range, step, shows, at, other, live }) {
  const params = new URLSearchParams();
  for (const query of queries) if (query.trim() || queries.length > 1) params.append("q", query);
  if (range.last) { if (range.last !== HOUR) params.set("range", promql(range.last)); }
  else { params.set("from", range.from); params.set("to", range.to); }
  if (step) params.set("step", promql(step));
  if (shows === "table") params.set("as", "table");
  if (at && shows === "table") params.set("at", at);
  if (other) params.set("with", other);
  if (!live) params.set("live", "off");
  return params;
}
