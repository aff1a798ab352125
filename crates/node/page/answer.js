// An answer of the node, as series that can be drawn and compared.

import { parsed } from "./api.js";

/** Reads a reply to `query` or `query_range`. */
export function read({ text, headers, took }) {
  const { data, warnings = [], infos = [] } = parsed(text);
  return {
    kind: data.resultType, series: seriesOf(data), warnings, infos, took, data: dataText(text),
    frontier: headers.get("shoal-frontier"), completeUntil: Number(headers.get("shoal-complete-until")) || null,
  };
}

function seriesOf({ resultType, result }) {
  if (resultType === "scalar" || resultType === "string") return [one({}, [result])];
  return result.map(({ metric, values, value }) => one(metric, values ?? [value]));
}

function one(metric, pairs) {
  const times = Float64Array.from(pairs, ([at]) => Math.round(at * 1000));
  return { metric, name: nameOf(metric), times, values: Float64Array.from(pairs, ([, text]) => number(text)), texts: pairs.map(([, text]) => text) };
}

/** A value as Prometheus writes it. */
export function number(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** A series as it is written in PromQL. */
export function nameOf(metric) {
  const { __name__: name = "", ...labels } = metric;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value.replace(/[\\"]/g, "\\$&")}"`);
  return pairs.length ? `${name}{${pairs.join(", ")}}` : name || "{}";
}

/**
 * The bytes of `data` in a reply, as they came. Equal nodes give equal bytes, so these are compared and not what
 * they mean.
 */
export function dataText(text) {
  const key = "\"data\":";
  const begin = text.indexOf(key);
  if (begin < 0) return null;
  const start = begin + key.length;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const c = text[at];
    if (c === "\"") {
      at = text.indexOf("\"", at + 1);
      // A quote behind an odd number of backslashes does not end the text.
      while (at > 0 && /(?:^|[^\\])(?:\\\\)*\\$/.test(text.slice(Math.max(start, at - 64), at))) at = text.indexOf("\"", at + 1);
      if (at < 0) return null;
    } else if (c === "{" || c === "[") depth += 1;
    else if ((c === "}" || c === "]") && (depth -= 1) === 0) return text.slice(start, at + 1);
  }
  return null;
}

