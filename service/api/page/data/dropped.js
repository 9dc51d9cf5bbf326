// Photos that were dropped, folders among them: {file, folder}, where the folder's name may tell the class.

const PHOTO = /\.(jpe?g|png|gif|bmp|webp|tiff?)$/i;

/**
 * To be called while the drop is handled: what was dropped is out of reach afterwards. Gives photos as they
 * are asked for, so that no more of a folder is read than is wanted; {unread: name} is one that cannot be.
 */
export function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...files].map((file) => ({ file }));
  return photosOf(entries);
}

async function* photosOf(entries, folder) {
  for (const entry of entries) {
    try {
      if (entry.isDirectory) yield* photosIn(entry);
      else if (folder === undefined || PHOTO.test(entry.name)) yield { file: await fileOf(entry), folder };
    } catch {
      yield { unread: entry.name };
    }
  }
}

async function* photosIn(directory) {
  const reader = directory.createReader();
  // A browser tells of a hundred at a time.
  for (let some; (some = await new Promise((...done) => reader.readEntries(...done))).length;)
    yield* photosOf(some, directory.name);
}

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
