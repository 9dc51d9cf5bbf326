// What people call a run.

/** Its name, or the beginning of its id. */
export const nameOf = ({ id, name }) => name ?? id.slice(0, 8);
