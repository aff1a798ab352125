// What a cluster has words for: metrics with their meaning, label names and their values. Asked when it is needed,
// and again after a while.

import { ask } from "./api.js";
import { AGGREGATIONS, FUNCTIONS, KEYWORDS } from "./promql.js";

const FRESH_MS = 30_000;
const WORDS_MAX = 20_000;
const SHOWN_MAX = 60;
const DURATIONS = ["1m", "5m", "15m", "30m", "1h", "6h", "1d"];

const kept = new Map();

/** Asks once in a while; a failure is an empty answer. An empty list is not kept: the first word may come any moment. */
function once(key, load) {
  const known = kept.get(key);
  if (known && performance.now() - known.at < FRESH_MS) return known.value;
  const value = load().catch(() => null).then(answer => {
    if (!answer || answer.data.length === 0) kept.delete(key);
    return answer;
  });
  kept.set(key, { at: performance.now(), value });
  return value;
}

async function list(name, metric) {
  const params = [["limit", WORDS_MAX], ...(metric ? [["match[]", metric]] : [])];
  const answer = await once(`${name}?${metric ?? ""}`, () => ask(name, { params, timeout: 10_000 }));
  return answer?.data ?? [];
}

/** The names of all metrics; `null` where the node does not answer. */
export async function metrics() {
  const answer = await once("metrics", () => ask("label/__name__/values", { params: [["limit", WORDS_MAX]], timeout: 10_000 }));
  return answer?.data ?? null;
}

/** What metrics mean: a map of name to `{type, help}`. */
export async function meanings() {
  const answer = await once("metadata", () => ask("metadata", { timeout: 10_000 }));
  return new Map(Object.entries(answer?.data ?? {}).map(([name, [one]]) => [name, one]));
}

/** What fits a place: `[{text, kind, about, put}]`, the likeliest first. `put` is what is written. */
export async function suggestions(place) {
  if (place.kind === "label") {
    const names = await list("labels", place.metric);
    return ranked(names.filter(name => name !== "__name__").map(text => ({ text, kind: "label", put: text })), place.prefix);
  }
  if (place.kind === "value") {
    const values = await list(`label/${encodeURIComponent(place.label)}/values`, place.metric);
    return ranked(values.map(text => ({ text, kind: "value", put: text.replace(/[\\"]/g, "\\$&") })), place.prefix);
  }
  if (place.kind === "duration") return ranked(DURATIONS.map(text => ({ text, kind: "duration", put: text })), place.prefix);
  if (place.kind !== "expression" || !place.prefix) return [];
  const [names, about] = await Promise.all([metrics(), meanings()]);
  const words = [
    ...(names ?? []).map(text => ({ text, kind: about.get(text)?.type ?? "metric", about: about.get(text)?.help ?? "", put: plain(text) })),
    ...Object.entries(FUNCTIONS).map(([text, about]) => ({ text, kind: "function", about, put: `${text}(` })),
    ...Object.entries(AGGREGATIONS).map(([text, about]) => ({ text, kind: "aggregation", about, put: text })),
    ...Object.entries(KEYWORDS).map(([text, about]) => ({ text, kind: "keyword", about, put: text })),
  ];
  return ranked(words, place.prefix);
}

/** A name that is no identifier goes in quotes. */
function plain(name) {
  return /^[a-zA-Z_:][\w:]*$/.test(name) ? name : `{"${name.replace(/[\\"]/g, "\\$&")}"}`;
}

/** Those that fit what was typed: first what begins with it, then where a part does, then where it stands anywhere. */
export function ranked(words, typed) {
  const prefix = typed.toLowerCase();
  const rank = ({ text }) => {
    const lower = text.toLowerCase();
    if (lower.startsWith(prefix)) return 0;
    if (lower.includes(`_${prefix}`) || lower.includes(`:${prefix}`)) return 1;
    return lower.includes(prefix) ? 2 : 3;
  };
  const fitting = words.map(word => ({ word, rank: rank(word) })).filter(({ rank }) => rank < 3);
  fitting.sort((a, b) => a.rank - b.rank || a.word.text.length - b.word.text.length || (a.word.text < b.word.text ? -1 : 1));
  const found = fitting.slice(0, SHOWN_MAX).map(({ word }) => word);
  // What is typed in full needs no completing.
  return found.length === 1 && found[0].text === typed ? [] : found;
}
