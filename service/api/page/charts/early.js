// Begins to bring the charts' library in before the rest of the page is there, where a run is asked for.

import { library } from "./library.js";

// What goes wrong is said when there is something to draw.
if (/^#\/runs\/./.test(location.hash)) library().catch(() => {});
