// Files of a chosen or dropped folder, with their paths below it.
export type Found = { path: string; file: File };

/** From `<input webkitdirectory>`, or single files. */
export const chosen = (files: FileList | null): Found[] =>
  [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((kept, failed) => entry.file(kept, failed));

// A directory gives its entries in batches; an empty one is the end.
function batch(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((kept, failed) => reader.readEntries(kept, failed));
}

async function walk(entry: FileSystemEntry, found: Found[]): Promise<void> {
  if (entry.isFile) {
    found.push({ path: entry.fullPath.replace(/^\//, ''), file: await fileOf(entry as FileSystemFileEntry) });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (let entries = await batch(reader); entries.length; entries = await batch(reader))
    for (const each of entries) await walk(each, found);
}

/** Everything below what was dropped. The list is only to be had while the drop is handled, so it is taken at once. */
export async function dropped(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: Found[] = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}
