// The class that a photo's own name tells, as ImageNet's files and folders of classes do.

/** What may be the id of a photo's class: "n01440764" of n01440764_10026.JPEG, and the folder it was in. */
export function classInName({ name, webkitRelativePath: path }) {
  const stem = name.replace(/\.[^.]*$/, "");
  const folder = path ? path.split("/").at(-2) : null;
  return [stem.split("_")[0], stem.replace(/[_-]?\d+$/, ""), folder].filter(Boolean);
}
