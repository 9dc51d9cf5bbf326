// The states of runs and preparations that are over.

const TERMINAL = ["succeeded", "stopped", "failed", "interrupted"];

export const isOver = (state) => TERMINAL.includes(state);
export const canGoOn = (state) => isOver(state) && state !== "succeeded";
