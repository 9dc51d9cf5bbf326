// A run's loss, drawn as one line.

import { count, decimal } from "./figures.js";
import { write } from "./rows.js";

const [WIDTH, HEIGHT, MAX_POINTS] = [600, 150, 300];

/** Draws [step, loss] points, in order of step, into the figure of a run's row. */
export function drawLoss(row, points) {
  if (points.length < 2) return write(row, { caption: "The loss will be drawn here.", first: "", last: "" });
  const means = thin(points);
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const losses = means.map(([, loss]) => loss);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const x = (step) => ((step - first) / (last - first || 1)) * WIDTH;
  const y = (loss) => HEIGHT - 2 - ((loss - low) / (high - low || 1)) * (HEIGHT - 4);
  const line = means.map(([step, loss]) => `${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("L");
  row.querySelector(".curve").setAttribute("d", `M${line}`);
  row.querySelector(".under").setAttribute("d", `M${x(means[0][0])} ${HEIGHT}L${line}V${HEIGHT}Z`);
  const caption = `Loss, from ${decimal(high)} at its highest to ${decimal(low)} at its lowest`;
  write(row, { caption, first: `step ${count(first)}`, last: `step ${count(last)}` });
}

/** At most MAX_POINTS points: the means of equally many neighbours each. */
function thin(points) {
  const size = Math.ceil(points.length / MAX_POINTS);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, place) => {
    const group = points.slice(place * size, (place + 1) * size);
    return [0, 1].map((axis) => group.reduce((sum, point) => sum + point[axis], 0) / group.length);
  });
}
