// Photos that were dropped, folders among them: {file, folder}, where the folder's name may tell the class.

const PHOTO = /\.(jpe?g|png|gif|bmp|webp|tiff?)$/i;

/** To be called while the drop is handled: what was dropped is out of reach afterwards. */
export function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory))
    return Promise.resolve([...files].map((file) => ({ file })));
  return Promise.all(entries.map((entry) => photosIn(entry))).then((found) => found.flat());
}

async function photosIn(entry, folder) {
  if (entry.isFile) {
    if (folder !== undefined && !PHOTO.test(entry.name)) return [];
    return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), folder }];
  }
  const reader = entry.createReader();
  const found = [];
  // A browser tells of a hundred at a time.
  for (let some; (some = await new Promise((...done) => reader.readEntries(...done))).length;)
    found.push(...some);
  return (await Promise.all(found.map((inside) => photosIn(inside, entry.name)))).flat();
}
