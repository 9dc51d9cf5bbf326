// Good news, said above whatever view is shown, until another one is.

import { element } from "./element.js";

export const notice = element("p", { class: "notice", role: "status" });

/** Says it in texts and nodes; nothing of them says nothing more. */
export const tell = (...children) => notice.replaceChildren(...children);
