// Where a complaint of the node points to in an expression. The parser names no places, only what it stumbled over.

import { tokens } from "./promql.js";

/** The part of an expression that an error is about, as `[from, to]`; `null` if it cannot be told. */
export function placeOf(message, expression) {
  const all = tokens(expression).filter(({ kind }) => kind !== "space" && kind !== "comment");
  const of = token => token ? [token.from, token.to] : null;
  if (/unterminated|unclosed .*(quote|string)/.test(message)) return of(all.findLast(({ kind }) => kind === "string"));
  if (/unclosed/.test(message)) return of(unclosed(all));
  if (/unexpected end|unexpected eof|no expression/i.test(message)) return [expression.length, expression.length];
  const named = [...message.matchAll(/'([^']+)'|"([^"]+)"|`([^`]+)`|<([^>]+)>/g)].flatMap(found => found.slice(1).filter(Boolean));
  for (const name of named) {
    const token = all.find(({ text }) => text === name || text.toLowerCase() === name.toLowerCase());
    if (token) return of(token);
    const at = expression.indexOf(name);
    if (at >= 0) return [at, at + name.length];
  }
  return of(doubled(all));
}

function unclosed(all) {
  const stack = [];
  for (const token of all) {
    if (token.kind === "open") stack.push(token);
    if (token.kind === "close") stack.pop();
  }
  return stack.at(-1);
}

/** The second of two things that need an operator between them. */
function doubled(all) {
  const isThing = token => token && ["metric", "number", "duration", "string"].includes(token.kind);
  return all.find((token, at) => isThing(token) && isThing(all[at - 1]));
}
