// What stands below an empty query: every metric of the cluster with its meaning, to be found and shown.

import { fill, h } from "./dom.js";
import { count } from "./format.js";
import { meanings, metrics } from "./vocabulary.js";

const SHOWN = 60;

export class Browser {
  /** `take(expression)` is called with an expression that shows the chosen metric. */
  constructor(take) {
    this.take = take;
    this.filter = h("input", { type: "search", placeholder: "Find a metric", "aria-label": "Find a metric", oninput: () => this.draw(), autocomplete: "off", spellcheck: "false" });
    this.list = h("ul", { class: "metrics" });
    this.note = h("span", { class: "dim" });
    this.node = h("section", { class: "sheet browser", hidden: true }, h("header", {}, h("h2", {}, "Metrics"), this.filter, this.note), this.list);
  }

  async show() {
    this.node.hidden = false;
    [this.names, this.about] = await Promise.all([metrics(), meanings()]);
    this.draw();
  }

  /** Asks again while there is no metric to show: the first may come any moment. */
  renew() {
    if (!this.node.hidden && !this.names?.length) this.show();
  }

  hide() {
    this.node.hidden = true;
  }

  draw() {
    const typed = this.filter.value.trim().toLowerCase();
    const found = (this.names ?? []).filter(name => name.toLowerCase().includes(typed));
    this.note.textContent = typed ? `${count(found.length)} of ${count(this.names?.length ?? 0)}` : count(this.names?.length ?? 0);
    if (!this.names) return fill(this.list, h("li", { class: "empty" }, "The node does not answer."));
    if (!this.names.length) {
      return fill(this.list, h("li", { class: "empty" }, h("p", {}, "Nothing has been written yet."),
        h("p", {}, "Send anything to any node, for example ", h("code", {}, "curl --data-binary 'jobs_waiting 12' http://NODE/api/v1/import/prometheus"), ", or start a node with ", h("code", {}, "--self-metrics 15s"), ".")));
    }
    const rows = found.slice(0, SHOWN).map(name => {
      const { type, help } = this.about.get(name) ?? {};
      return h("li", {}, h("button", { onclick: () => this.take(expression(name, type)) }, h("span", { class: "mono" }, name), h("span", { class: "kind" }, type ?? ""), h("span", { class: "about" }, help ?? "")));
    });
    return fill(this.list, rows, found.length > SHOWN ? h("li", { class: "dim more" }, `and ${count(found.length - SHOWN)} more`) : null);
  }
}

/** A counter is shown by its rate. */
function expression(name, type) {
  if (!/^[a-zA-Z_:][\w:]*$/.test(name)) return `{"${name}"}`;
  const isCounter = type === "counter" || (type === undefined && /_(total|count|sum|bucket)$/.test(name));
  return isCounter ? `rate(${name}[1m])` : name;
}
