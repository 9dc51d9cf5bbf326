// The page's own colours, for a library that does not read style sheets.

const dark = matchMedia("(prefers-color-scheme: dark)");

/** A colour of the style sheet by its name: colour("ink"). */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Calls `changed` whenever the reader's system turns dark or light, until `signal` says to end. */
export const onThemeChange = (changed, signal) => dark.addEventListener("change", changed, { signal });
