// Calls of the node that served the page, and through it of other members. Nobody else is ever asked.

const KEY = "shoal-token";
const BASE = new URL(".", document.baseURI);
let wanted = null;

/** A call without a good answer: `kind` is Prometheus' error type, `away` where nobody answered. */
export class CallError extends Error {
  constructor(kind, message, status = 0) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

/** Tells who is to be asked for a token when a node wants one. */
export function onTokenWanted(ask) {
  wanted = ask;
}

/** Whether a token was given. */
export function hasToken() {
  return sessionStorage.getItem(KEY) !== null;
}

/** Keeps a token for as long as the tab lives. */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

/**
 * Asks `api/v1/CALL`, of another member where `member` is its id. Parameters are `[name, value]` pairs; `post` sends
 * them as a form. The answer: `{text, headers, took}`.
 */
export async function call(name, { params = [], member = null, post = false, timeout = 125_000, signal = null } = {}) {
  const path = member ? `api/v1/members/${member}/${name}` : `api/v1/${name}`;
  const form = new URLSearchParams(params);
  const url = new URL(post || !params.length ? path : `${path}?${form}`, BASE);
  const headers = { accept: "application/json" };
  const token = sessionStorage.getItem(KEY);
  if (token) headers.authorization = `Bearer ${token}`;
  const signals = [AbortSignal.timeout(timeout), ...(signal ? [signal] : [])];
  const began = performance.now();
  let reply, text;
  try {
    reply = await fetch(url, { method: post ? "POST" : "GET", body: post ? form : undefined, headers, signal: AbortSignal.any(signals), cache: "no-store" });
    text = await reply.text();
  } catch (error) {
    if (signal?.aborted) throw new CallError("canceled", "given up");
    throw new CallError("away", error.name === "TimeoutError" ? `no answer within ${timeout / 1000} s` : "no answer");
  }
  if (reply.status === 401) wanted?.();
  if (!reply.ok) throw refused(reply.status, text);
  return { text, headers: reply.headers, took: performance.now() - began };
}

/** The same, and what its JSON says. */
export async function ask(name, options) {
  return parsed((await call(name, options)).text);
}

/** What a text in JSON says. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new CallError("away", "the answer is no JSON");
  }
}

function refused(status, text) {
  try {
    const { errorType, error } = JSON.parse(text);
    return new CallError(errorType, error, status);
  } catch {
    return new CallError("away", `HTTP status ${status}`, status);
  }
}
