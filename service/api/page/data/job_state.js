// What the states of runs and preparations mean.

const TERMINAL = ["succeeded", "stopped", "failed", "interrupted"];

export const isOver = (state) => TERMINAL.includes(state);
/** Whether what was last told of its pace holds. */
export const isTraining = (state) => ["running", "stopping"].includes(state);
export const canGoOn = (state) => isOver(state) && state !== "succeeded";
