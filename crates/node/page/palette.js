// Colours of series. Eight that people with any kind of colour vision tell apart, then the same dashed: a colour
// never stands alone for a series, the legend and the crosshair name it too.

const LIGHT = ["#0b6fa8", "#cc5500", "#008a63", "#a8478f", "#9a7200", "#3a9bd0", "#6a51b5", "#5d6a72"];
const DARK = ["#56aee6", "#f3905a", "#35c597", "#e59ccb", "#dcb64c", "#a3d8f7", "#b09cf2", "#a9b5bb"];
const DASHES = [[], [6, 3], [2, 3], [9, 3, 2, 3]];

/** How series number `at` is drawn: `{colour, dash}`. */
export function look(at, isDark) {
  const colours = isDark ? DARK : LIGHT;
  return { colour: colours[at % colours.length], dash: DASHES[Math.floor(at / colours.length) % DASHES.length] };
}

/** Whether the page is dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A colour of the style sheet, such as `--ink`. */
export function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
