// Elements without templates and without markup in strings: nothing that a label says can become part of the page.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("td", {class: "figure", onclick: go}, "text", child)`. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same of SVG. */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (name === "value" || name === "checked" || name === "disabled") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/** Replaces what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a text only where it has changed, so that a selection stays. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
  return node;
}

/** Sets or removes an attribute only where it has changed. */
export function attr(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  return node;
}

/**
 * Keeps one child of `parent` for each item, in order, and updates those that stay: live tables keep their focus
 * and selection. `make(item)` gives `{node, update(item)}`.
 */
export function keyed(parent, items, key, make) {
  const old = parent.kept ?? new Map();
  const kept = new Map();
  let at = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    const row = old.get(id) ?? make(item);
    row.update(item);
    kept.set(id, row);
    if (row.node === at) at = at.nextSibling;
    else parent.insertBefore(row.node, at);
  }
  for (const [id, row] of old) if (!kept.has(id)) row.node.remove();
  parent.kept = kept;
}
