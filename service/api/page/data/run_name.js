// What people call a run.

/** Its name, or the beginning of its id. */
export const nameOf = ({ id, name }) => name ?? beginning(id);

/** The names of several runs, each told apart by its id where others have the same one. */
export function distinctNames(runs) {
  const names = runs.map(nameOf);
  const isShared = (name) => names.indexOf(name) !== names.lastIndexOf(name);
  return runs.map(({ id }, place) =>
    isShared(names[place]) ? `${names[place]} (${beginning(id)})` : names[place],
  );
}

const beginning = (id) => id.slice(0, 8);
