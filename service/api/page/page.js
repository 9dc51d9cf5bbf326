// Keeps the page true: asks again every two seconds, and says so when nobody answers.

import { Classify } from "./classify.js";
import { Datasets } from "./datasets.js";
import { Models } from "./models.js";
import { Runs } from "./runs.js";

const PAUSE_MILLISECONDS = 2000;
const TICKS_BETWEEN_CATALOGUES = 5;

const message = document.getElementById("message");
const say = (text) => {
  if (message.textContent !== text) message.textContent = text;
};

const [runs, datasets, models] = [new Runs(), new Datasets(), new Models()];
new Classify();

let preparing = false;
for (let tick = 0; ; tick++) {
  if (!document.hidden) {
    try {
      await runs.refresh();
      if (preparing || tick % TICKS_BETWEEN_CATALOGUES === 0) {
        [preparing] = await Promise.all([datasets.refresh(), models.refresh()]);
      }
      say("");
    } catch (error) {
      say(`${error.message}. Trying again …`);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
}
