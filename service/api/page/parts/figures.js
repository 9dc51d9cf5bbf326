// Figures as people read them. What is not known yet is a dash.

const UNKNOWN = "–";
const known = (form) => (value) => (Number.isFinite(value) ? form(value) : UNKNOWN);

export const count = known((value) => value.toLocaleString("en", { maximumFractionDigits: 0 }));
export const percent = known((fraction) => `${(100 * fraction).toFixed(1)} %`);
export const decimal = known((value) => value.toFixed(3));
export const rate = known((value) => (value === 0 ? "0" : value.toPrecision(3)));
export const bytes = known((value) => {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(1, value)) / 10));
  return `${(value / 1024 ** power).toFixed(power ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
});
export const milliseconds = known((seconds) => `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`);
export const duration = known((seconds) => {
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.ceil(seconds)} s`;
});
/** A moment told in ISO 8601, in the reader's own time zone. */
export const moment = (told) => (told ? new Date(told).toLocaleString() : UNKNOWN);
