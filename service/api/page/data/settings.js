// What a run was made with, to be laid beside that of others.

/** The settings of a run made complete, {dotted path: value}; a list is a value. */
export function flatSettings({ spec, ...resolved }) {
  // What was asked for is told by what became of it; and each run has a name and a folder of its own.
  const { run_id: _, storage: __, name: ___, ...settings } = { ...spec, ...resolved };
  return Object.fromEntries(flat("", settings));
}

function flat(path, value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[path, value]];
  const below = (name) => (path ? `${path}.${name}` : name);
  return Object.entries(value).flatMap(([name, part]) => flat(below(name), part));
}

/** The paths at which not all have the same, in the order in which they are met. */
export function differing(several) {
  const paths = new Set(several.flatMap(Object.keys));
  const told = (path) => new Set(several.map((settings) => JSON.stringify(settings[path] ?? null)));
  return [...paths].filter((path) => told(path).size > 1);
}
