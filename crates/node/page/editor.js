// The field for an expression: coloured as one types, completed by the cluster's own words, with the place of an
// error underlined. The text lies in a textarea; its colours lie in a copy below it.

import { attr, fill, h, say } from "./dom.js";
import { place, tokens } from "./promql.js";
import { suggestions } from "./vocabulary.js";

const PAIRS = { "(": ")", "{": "}", "[": "]", "\"": "\"" };
let made = 0;

export class Editor {
  /** `run` is called on Enter, `change` whenever the text changes. */
  constructor({ run, change }) {
    this.run = run;
    this.change = change;
    const id = `editor-${made += 1}`;
    this.list = h("ul", { class: "options", role: "listbox", id: `${id}-list`, "aria-label": "Completions", hidden: true });
    this.colours = h("pre", { "aria-hidden": "true" });
    this.input = h("textarea", {
      rows: 1, spellcheck: "false", autocapitalize: "off", autocomplete: "off", autocorrect: "off", wrap: "soft", placeholder: "An expression in PromQL", "aria-label": "Expression",
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-haspopup": "listbox",
      oninput: () => this.typed(), onkeydown: event => this.key(event), onblur: () => this.close(), onclick: () => this.close(), onscroll: () => { this.colours.scrollTop = this.input.scrollTop; },
    });
    this.error = h("p", { class: "problem", role: "alert", hidden: true });
    this.field = h("div", { class: "field" }, this.colours, this.input, this.list);
    this.node = h("div", { class: "editor" }, this.field, this.error);
    this.options = [];
    this.paint();
  }

  get text() {
    return this.input.value;
  }

  set text(text) {
    if (this.input.value === text) return;
    this.input.value = text;
    this.close();
    this.mark(null);
  }

  focus() {
    this.input.focus();
    this.input.setSelectionRange(this.text.length, this.text.length);
  }

  /** Shows an error and, where it is known, its place as `[from, to]`; `null` for none. */
  mark(message, at = null) {
    this.wrong = at;
    say(this.error, message ?? "");
    this.error.hidden = !message;
    attr(this.input, "aria-invalid", message ? "true" : null);
    this.paint();
  }

  paint() {
    const spans = tokens(this.text).map(({ kind, text, from, to }) => {
      const isWrong = this.wrong && from < this.wrong[1] && to > this.wrong[0];
      return h("span", { class: isWrong ? `t-${kind} wrong` : `t-${kind}` }, text);
    });
    const isEnd = this.wrong && this.wrong[0] >= this.text.length;
    fill(this.colours, spans, isEnd ? h("span", { class: "wrong" }, " ") : null, "\n");
  }

  typed() {
    this.mark(null);
    this.change();
    this.complete();
  }

  key(event) {
    const isOpen = !this.list.hidden;
    if (isOpen && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.choose((this.chosen + (event.key === "ArrowDown" ? 1 : -1) + this.options.length) % this.options.length);
    } else if (isOpen && (event.key === "Tab" || (event.key === "Enter" && this.isChosen))) {
      event.preventDefault();
      this.take(this.options[this.chosen]);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.close();
      this.run();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      this.complete();
    } else this.pair(event);
  }

  /** An opening bracket brings its closing one, which is then typed over. */
  pair(event) {
    const { selectionStart: from, selectionEnd: to } = this.input;
    const next = this.text[to] ?? "";
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (from === to && next === event.key && [")", "}", "]", "\""].includes(event.key)) {
      event.preventDefault();
      this.input.setSelectionRange(to + 1, to + 1);
      this.close();
    } else if (event.key in PAIRS && (next === "" || /[\s)}\],]/.test(next))) {
      if (event.key === "\"" && (this.text.slice(0, from).match(/"/g)?.length ?? 0) % 2) return;
      event.preventDefault();
      this.replace(from, to, event.key + this.text.slice(from, to) + PAIRS[event.key], from === to ? from + 1 : to + 2);
    } else if (event.key === "Backspace" && from === to && from > 0 && PAIRS[this.text[from - 1]] === next && next) {
      event.preventDefault();
      this.replace(from - 1, to + 1, "", from - 1);
    }
  }

  replace(from, to, text, caret) {
    this.input.setRangeText(text, from, to, "end");
    this.input.setSelectionRange(caret, caret);
    this.typed();
  }

  async complete() {
    const caret = this.input.selectionStart;
    const here = place(this.text, caret);
    const turn = this.turn = (this.turn ?? 0) + 1;
    const found = here.kind === "none" ? [] : await suggestions(here);
    // What was typed meanwhile has its own turn.
    if (turn !== this.turn || document.activeElement !== this.input) return;
    this.options = found;
    if (!found.length) return this.close();
    const mark = text => {
      const at = here.prefix ? text.toLowerCase().indexOf(here.prefix.toLowerCase()) : -1;
      return at < 0 ? text : [text.slice(0, at), h("b", {}, text.slice(at, at + here.prefix.length)), text.slice(at + here.prefix.length)];
    };
    fill(this.list, found.map((option, at) => h("li", { role: "option", id: `${this.list.id}-${at}`, onmousedown: event => { event.preventDefault(); this.take(option); } },
      h("span", { class: "text" }, mark(option.text)), h("span", { class: "kind" }, option.kind), h("span", { class: "about" }, option.about ?? ""))));
    this.list.hidden = false;
    attr(this.input, "aria-expanded", "true");
    this.choose(0);
    // The first is only proposed: Enter runs what is typed until an arrow key was pressed.
    this.isChosen = false;
  }

  choose(at) {
    [this.chosen, this.isChosen] = [at, true];
    [...this.list.children].forEach((node, index) => attr(node, "aria-selected", index === at ? "true" : null));
    attr(this.input, "aria-activedescendant", `${this.list.id}-${at}`);
    this.list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  /** Puts an option in place of the word at the caret: more of it may be typed by now than the option was found for. */
  take(option) {
    const { kind, from, to } = place(this.text, this.input.selectionStart);
    const rest = this.text.slice(to);
    const call = option.put.endsWith("(");
    const text = kind === "value" && !rest.startsWith("\"") ? `${option.put}"` : call && rest.startsWith("(") ? option.put.slice(0, -1) : call && (rest === "" || /^[\s)]/.test(rest)) ? `${option.put})` : option.put;
    this.input.setRangeText(text, from, to, "end");
    // Behind a value its quote is done with.
    const closed = kind === "value" && rest.startsWith("\"") ? 1 : 0;
    const caret = from + (call ? option.put.length : text.length + closed);
    this.input.setSelectionRange(caret, caret);
    this.mark(null);
    this.change();
    this.close();
  }

  close() {
    this.turn = (this.turn ?? 0) + 1;
    this.list.hidden = true;
    this.isChosen = false;
    attr(this.input, "aria-expanded", "false");
    attr(this.input, "aria-activedescendant", null);
  }
}
