// Asks the reader for a bearer token where the node wants one. It is kept for the tab, and goes to this node only.

import { hasToken, keepToken } from "./api.js";
import { h } from "./dom.js";

let open = null;

/** Opens the dialog, once; `done` runs when a token was given. */
export function askForToken(done) {
  if (open) return;
  const isAgain = hasToken();
  const input = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  open = h("dialog", { class: "token", "aria-labelledby": "token-title" },
    h("h2", { id: "token-title" }, isAgain ? "This node did not take that token" : "This node asks for a token"),
    h("p", {}, "One of the bearer tokens of its ", h("code", {}, "--token-file"), ". It is kept until you close this tab and is sent to this node only."),
    h("form", { method: "dialog" }, h("label", { for: "token" }, "Token"), h("div", { class: "row" }, input, h("button", { class: "primary" }, "Go on"))));
  open.addEventListener("close", () => {
    if (input.value.trim()) keepToken(input.value.trim());
    open.remove();
    open = null;
    done();
  });
  // Without a token nothing can be shown: there is nothing to go back to.
  open.addEventListener("cancel", event => event.preventDefault());
  document.body.append(open);
  open.showModal();
  input.focus();
}
