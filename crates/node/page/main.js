// Starts the page: what is watched, the frame around the views, and the view that the address names.

import { onTokenWanted } from "./api.js";
import { Cluster } from "./cluster.js";
import { Doors } from "./doors.js";
import { Explore } from "./explore.js";
import { fill } from "./dom.js";
import { read } from "./route.js";
import { Shell } from "./shell.js";
import { Targets } from "./targets.js";
import { askForToken } from "./token.js";
import { Watch } from "./watch.js";

const watch = new Watch();
const shell = new Shell(watch);
const views = { cluster: new Cluster(watch), explore: new Explore(watch), targets: new Targets(watch), doors: new Doors(watch) };
let shown = null;

/** Shows what the address says. A view keeps what it holds while another is shown. */
function show() {
  const { view, params } = read(location.hash);
  if (shown !== view) {
    views[shown]?.leave();
    fill(document.getElementById("main"), views[view].node);
    shown = view;
    shell.mark(view);
  }
  views[view].enter(params);
}

/** `/` leads to the query from everywhere, at once: the next key may wait already, and must find the field. */
function key(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  if (shown !== "explore") {
    history.pushState(null, "", views.explore.address());
    show();
  }
  views.explore.focus();
}

/** The way past the header leaves the address alone: that names the view. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

onTokenWanted(() => askForToken(() => { watch.soon(); views[shown].enter(read(location.hash).params); }));
addEventListener("hashchange", show);
document.addEventListener("keydown", key);
document.querySelector(".skip").addEventListener("click", skip);
shell.onChange(() => Object.values(views).forEach(view => view.redraw?.()));
show();
watch.start();
