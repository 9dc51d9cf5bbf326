// The class that a photo's own name tells, as ImageNet's files and folders of classes do.

/** What may be the id of a photo's class: its folder's name, or else "n01440764" of n01440764_10026.JPEG. */
export function classInName({ file, folder }) {
  return [folder, file.name.replace(/\.[^.]*$/, "").split("_")[0]].filter(Boolean);
}
