// PromQL as the editor sees it: its words with what they do, and a text in tokens. The node alone judges an
// expression; this colours it and knows what may stand where.

export const AGGREGATIONS = {
  sum: "the sum", avg: "the mean", min: "the least value", max: "the greatest value", count: "how many series", stddev: "the standard deviation",
  stdvar: "the variance", group: "1 for each group", topk: "the k greatest series", bottomk: "the k least series", quantile: "the φ-quantile over series",
  count_values: "how many series have each value",
};

export const FUNCTIONS = {
  abs: "the absolute value", absent: "1 where there is no series", absent_over_time: "1 where the range has no sample", acos: "arc cosine", acosh: "area hyperbolic cosine",
  asin: "arc sine", asinh: "area hyperbolic sine", atan: "arc tangent", atanh: "area hyperbolic tangent", avg_over_time: "the mean of a range", ceil: "rounded up",
  changes: "how often the value changed", clamp: "held between two bounds", clamp_max: "held below a bound", clamp_min: "held above a bound", cos: "cosine", cosh: "hyperbolic cosine",
  count_over_time: "how many samples a range has", day_of_month: "1 to 31, in UTC", day_of_week: "0 (Sunday) to 6, in UTC", day_of_year: "1 to 366, in UTC", days_in_month: "28 to 31",
  deg: "radians as degrees", delta: "last minus first, of a gauge", deriv: "the slope in a second, of a gauge", exp: "e to the power", floor: "rounded down",
  histogram_quantile: "the φ-quantile of buckets", holt_winters: "smoothed", hour: "0 to 23, in UTC", idelta: "the last two samples' difference", increase: "what a counter grew by",
  irate: "a counter's growth in a second, by its last two samples", label_join: "a label made of others", label_replace: "a label by a regular expression",
  last_over_time: "the newest sample of a range", ln: "the natural logarithm", log10: "the decimal logarithm", log2: "the binary logarithm", max_over_time: "the greatest of a range",
  min_over_time: "the least of a range", minute: "0 to 59, in UTC", month: "1 to 12, in UTC", pi: "π", predict_linear: "the value in so many seconds, by the slope", present_over_time: "1 where the range has samples",
  quantile_over_time: "the φ-quantile of a range", rad: "degrees as radians", rate: "a counter's growth in a second", resets: "how often a counter fell", round: "rounded",
  scalar: "the one series as a number", sgn: "−1, 0 or 1", sin: "sine", sinh: "hyperbolic sine", sort: "from the least value on", sort_desc: "from the greatest value on",
  sqrt: "the square root", stddev_over_time: "the standard deviation of a range", stdvar_over_time: "the variance of a range", sum_over_time: "the sum of a range", tan: "tangent",
  tanh: "hyperbolic tangent", time: "seconds since 1970 at each step", timestamp: "when the sample was taken", vector: "a number as a series", year: "in UTC",
};

export const KEYWORDS = {
  by: "keep these labels", without: "drop these labels", on: "match by these labels", ignoring: "match by all other labels", group_left: "many on the left to one",
  group_right: "one to many on the right", and: "where both have a series", or: "either side", unless: "where the right has none", bool: "compare to 0 or 1", offset: "further back", atan2: "arc tangent of two",
  inf: "infinity", nan: "no number",
};
/** Keywords that a list of label names follows. */
const LISTS = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);

const TOKENS = [
  ["space", /\s+/y], ["comment", /#[^\n]*/y],
  ["string", /"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`[^`]*`?/y],
  ["duration", /(?:\d+(?:ms|[smhdwy]))+(?![\w.])/y],
  ["number", /0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ["word", /[a-zA-Z_:][\w:]*/y],
  ["operator", /=~|!~|!=|==|<=|>=|[-+*\/%^=<>@]/y],
  ["open", /[({\[]/y], ["close", /[)}\]]/y], ["comma", /,/y], ["other", /[^]/y],
];

/** The tokens of a text, all of it: `{kind, text, from, to}`; words by what they are at their place. */
export function tokens(text) {
  const found = [];
  for (let at = 0; at < text.length;) {
    for (const [kind, form] of TOKENS) {
      form.lastIndex = at;
      const match = form.exec(text);
      if (!match) continue;
      found.push({ kind, text: match[0], from: at, to: at + match[0].length });
      at += match[0].length;
      break;
    }
  }
  return named(found);
}

/** Tells words apart: keywords, aggregations, functions, label names and metrics. */
function named(found) {
  const inside = [];
  let list = false;
  found.forEach((token, at) => {
    const next = found.slice(at + 1).find(({ kind }) => kind !== "space" && kind !== "comment");
    if (token.kind === "open") inside.push(token.text === "{" || (token.text === "(" && list) ? "labels" : token.text);
    if (token.kind === "close") inside.pop();
    if (token.kind === "word") token.kind = wordKind(token.text, inside.at(-1), next?.text);
    if (token.kind !== "space" && token.kind !== "comment") list = token.kind === "keyword" && LISTS.has(token.text.toLowerCase());
  });
  return found;
}

function wordKind(word, inside, next) {
  if (inside === "labels") return "label";
  const lower = word.toLowerCase();
  if (lower in AGGREGATIONS && (next === "(" || next === "by" || next === "without")) return "function";
  if (word in FUNCTIONS && next === "(") return "function";
  if (lower in KEYWORDS && next !== "{") return "keyword";
  return "metric";
}

/**
 * What may stand at a place of a text: `{kind, from, to, prefix, metric, label}`. Kind is `expression`, `label` (a name),
 * `value` (of `label`), `duration`, or `none`. From and to are what a completion replaces.
 */
export function place(text, caret) {
  const before = tokens(text.slice(0, caret));
  const last = before.at(-1);
  const opened = openedBy(before);
  if (last?.kind === "comment" && !last.text.endsWith("\n")) return { kind: "none" };
  if (last?.kind === "string" && !isClosed(last.text)) {
    const label = opened?.text === "{" ? labelBefore(before) : null;
    if (!label) return { kind: "none" };
    return { kind: "value", label, metric: opened.metric, from: last.from + 1, to: caret, prefix: last.text.slice(1) };
  }
  const isWord = last && ["metric", "function", "keyword", "label"].includes(last.kind);
  const prefix = isWord ? last.text : "";
  const from = caret - prefix.length;
  const to = from + (text.slice(from).match(/^[\w:]*/)?.[0].length ?? 0);
  if (opened?.text === "[") return { kind: "duration", from: opened.to, to: caret, prefix: text.slice(opened.to, caret) };
  if (opened?.text === "{") {
    const lead = before.filter(token => token.kind !== "space" && token !== (isWord ? last : null)).at(-1);
    return lead && (lead.kind === "comma" || lead === opened.token) ? { kind: "label", metric: opened.metric, from, to, prefix } : { kind: "none" };
  }
  if (opened?.isList) return { kind: "label", metric: metricOf(text), from, to, prefix };
  if (!isWord && last && (last.kind === "number" || last.kind === "duration" || last.kind === "string")) return { kind: "none" };
  return { kind: "expression", from, to, prefix };
}

/** The innermost bracket that is open at the end, with the metric or the keyword before it. */
function openedBy(found) {
  const stack = [];
  found.forEach((token, at) => {
    if (token.kind === "close") stack.pop();
    if (token.kind !== "open") return;
    const lead = found.slice(0, at).filter(({ kind }) => kind !== "space").at(-1);
    const isList = token.text === "(" && lead?.kind === "keyword" && LISTS.has(lead.text.toLowerCase());
    stack.push({ text: token.text, to: token.to, token, metric: lead?.kind === "metric" ? lead.text : null, isList });
  });
  return stack.at(-1) ?? null;
}

function labelBefore(found) {
  const lead = found.filter(({ kind }) => kind !== "space").slice(-3);
  return lead.length === 3 && lead[1].kind === "operator" && lead[0].kind === "label" ? lead[0].text : null;
}

function isClosed(text) {
  if (text.length < 2 || text.at(-1) !== text[0]) return false;
  return text[0] === "`" || !/(?:^|[^\\])(?:\\\\)*\\$/.test(text.slice(1, -1));
}

/** The only metric that a text names. */
function metricOf(text) {
  const metrics = new Set(tokens(text).filter(({ kind }) => kind === "metric").map(token => token.text));
  return metrics.size === 1 ? [...metrics][0] : null;
}
