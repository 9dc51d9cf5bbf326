// Figures as people read them. What is not known yet is a dash.

const UNKNOWN = "–";
const known = (form) => (value) => (Number.isFinite(value) ? form(value) : UNKNOWN);

export const count = known((value) => value.toLocaleString("en", { maximumFractionDigits: 0 }));
export const percent = known((fraction) => `${(100 * fraction).toFixed(1)} %`);
export const decimal = known((value) => value.toFixed(3));
export const duration = known((seconds) => {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.ceil(seconds)} s`;
});

const TERMINAL = ["succeeded", "stopped", "failed", "interrupted"];
export const isOver = (state) => TERMINAL.includes(state);
