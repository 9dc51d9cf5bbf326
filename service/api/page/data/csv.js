// Tables for other programs to read.

/** Columns of numbers and moments, {heading: values}, as RFC 4180 has them; an unknown one is empty. */
export function csv(columns) {
  const values = Object.values(columns);
  const rows = values[0].map((_, place) => values.map((column) => column[place] ?? ""));
  return [Object.keys(columns), ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}
