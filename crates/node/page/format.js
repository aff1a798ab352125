// Numbers, spans and times as people read them.

const SI = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000], ["ms", 1]];

/** Three digits and an SI prefix: 1234 is `1.23k`. Thousandths are told without: 0.0123, not 12.3m. */
export function si(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "−Inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 0.001 && size < 0.9995) return (value < 0 ? "−" : "") + Number(size.toPrecision(3));
  // What rounds up to the next prefix takes it: 999.9 is `1k`.
  const [unit, prefix] = SI.find(([unit]) => size >= unit * 0.9995) ?? SI.at(-1);
  const scaled = size / unit;
  const digits = scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return (value < 0 ? "−" : "") + trimmed(scaled.toFixed(digits)) + prefix;
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A tick of an axis: one prefix for all of its ticks, and as many digits as tell them apart. */
export function tick(value, { step, low, high }) {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const [unit, prefix] = size >= 0.01 && size < 1000 ? [1, ""] : SI.find(([unit]) => size >= unit) ?? SI.at(-1);
  const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  return value === 0 ? "0" : `${trimmed((value / unit).toFixed(Math.min(digits, 12))).replace("-", "−")}${prefix}`;
}

/** So many in a second; thousandths of a point are nothing to read. */
export function rate(value) {
  return `${value !== 0 && value < 1 ? value.toFixed(2) : si(value)}/s`;
}

/** A value in full, as the node wrote it, with a true minus sign. */
export function exact(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "−Inf";
  return String(value).replace("-", "−");
}

/** Six digits of a value, as many as anybody reads off a graph. */
export function figure(value) {
  return Number.isFinite(value) ? exact(Number(value.toPrecision(6))) : exact(value);
}

/** A number of things: 12345 is `12,345`. */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** `1 point`, `2 points`. */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** `1.5 MiB`. */
export function bytes(value) {
  let at = 0;
  while (value >= 1023.5 && at < IEC.length - 1) [value, at] = [value / 1024, at + 1];
  const digits = at === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${trimmed(value.toFixed(digits))} ${IEC[at]}`;
}

/** How long something has taken, in at most two units: `0.4 s`, `2 h 5 min`. */
export function span(ms) {
  if (ms < 0) return `−${span(-ms)}`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** How long a short thing took: `850 µs`, `4.2 ms`, `1.3 s`. */
export function took(ms) {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 9.95 ? trimmed(ms.toFixed(1)) : Math.round(ms)} ms`;
  return span(ms);
}

/** A length of time as PromQL writes it: 90000 is `1m30s`. */
export function promql(ms) {
  let rest = Math.round(ms);
  const parts = UNITS.map(([unit, size]) => {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    return whole ? `${whole}${unit}` : "";
  });
  return parts.join("") || "0s";
}

/** The ms of a length of time as PromQL writes it; `null` for anything else. */
export function millis(text) {
  const sizes = { ...Object.fromEntries(UNITS), w: 604_800_000, y: 31_536_000_000 };
  const clean = text.trim();
  if (!/^(\d+(?:ms|[smhdwy]))+$/.test(clean)) return null;
  let sum = 0;
  for (const [, number, unit] of clean.matchAll(/(\d+)(ms|[smhdwy])/g)) sum += Number(number) * sizes[unit];
  return sum > 0 ? sum : null;
}

/** The parts of a time in a zone, `local` or `utc`. */
export function parts(ms, zone) {
  const date = new Date(ms);
  return zone === "utc"
    ? { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate(), hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(), ms: date.getUTCMilliseconds() }
    : { year: date.getFullYear(), month: date.getMonth(), day: date.getDate(), hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds(), ms: date.getMilliseconds() };
}

/** The time of parts in a zone. */
export function fromParts({ year, month = 0, day = 1, hour = 0, minute = 0, second = 0, ms = 0 }, zone) {
  return zone === "utc" ? Date.UTC(year, month, day, hour, minute, second, ms) : new Date(year, month, day, hour, minute, second, ms).getTime();
}

const two = number => String(number).padStart(2, "0");

/** `2026-11-28`. */
export function day(ms, zone) {
  const at = parts(ms, zone);
  return `${at.year}-${two(at.month + 1)}-${two(at.day)}`;
}

/** `12:04:31`, with milliseconds where there are some. */
export function clock(ms, zone) {
  const at = parts(ms, zone);
  const fraction = at.ms ? `.${String(at.ms).padStart(3, "0")}` : "";
  return `${two(at.hour)}:${two(at.minute)}:${two(at.second)}${fraction}`;
}

/** Day and clock. */
export function stamp(ms, zone) {
  return `${day(ms, zone)} ${clock(ms, zone)}`;
}

/** The ms of a text such as `2026-11-28 12:04` in a zone, or of seconds since 1970; `null` for anything else. */
export function moment(text, zone) {
  const clean = text.trim();
  if (/^\d{9,11}(\.\d+)?$/.test(clean)) return Math.round(Number(clean) * 1000);
  const found = clean.match(/^(\d{4})-(\d\d?)-(\d\d?)(?:[ T](\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?)?$/);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(part => Number(part ?? 0));
  const ms = Number((found[7] ?? "0").padEnd(3, "0"));
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return null;
  return fromParts({ year, month: month - 1, day, hour, minute, second, ms }, zone);
}

/** What a zone is called: `UTC`, or the local zone with its distance. */
export function zoneName(zone, ms = Date.now()) {
  if (zone === "utc") return "UTC";
  const minutes = -new Date(ms).getTimezoneOffset();
  const distance = `${minutes < 0 ? "−" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `UTC${minutes === 0 ? "" : distance} (local)`;
}

/** A text of the node, its ids cut to their first digits. */
export function readable(text) {
  return text.replace(/\b[0-9a-f]{32}\b/g, short);
}

/** The first digits of an id. */
export function short(id) {
  return id.slice(0, 8);
}
