import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { isImageName } from "./decode.js";

/** The image files of a folder with a subfolder for each class, in an order that depends on names alone. */
export interface ImageListing {
  readonly root: string;
  /** Relative to the root, with forward slashes. */
  readonly files: readonly string[];
  /** The class name of each file: its subfolder's name, in Unicode's composed form (macOS hands out the decomposed one). */
  readonly labels: readonly string[];
  /** Subfolders without any image. */
  readonly empty: readonly string[];
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export async function listImages(root: string): Promise<ImageListing> {
  const files: string[] = [];
  const labels: string[] = [];
  const empty: string[] = [];
  for (const folder of await listFolders(root)) {
    const found = await imagesBelow(root, folder, new Set());
    if (found.length === 0) empty.push(folder);
    for (const file of found.sort(byCodeUnit)) {
      files.push(file);
      labels.push(folder.normalize("NFC"));
    }
  }
  return { root, files, labels, empty };
}

/** Names of the subfolders, sorted; hidden ones and the remains of macOS archives left out. */
export async function listFolders(path: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!isHidden(entry.name) && (await isFolder(join(path, entry.name), entry))) names.push(entry.name);
  }
  return names.sort(byCodeUnit);
}

export function isHidden(name: string): boolean {
  return name.startsWith(".") || name === "__MACOSX";
}

/** All images in the folder and below. `seen` holds the real paths of folders reached through links, so that a link to a folder above ends. */
async function imagesBelow(root: string, folder: string, seen: Set<string>): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    if (isHidden(entry.name)) continue;
    const relative = `${folder}/${entry.name}`;
    if (await isFolder(join(root, relative), entry)) {
      if (entry.isSymbolicLink()) {
        const real = await realpath(join(root, relative));
        if (seen.has(real)) continue;
        seen.add(real);
      }
      files.push(...(await imagesBelow(root, relative, seen)));
    } else if (isImageName(entry.name)) files.push(relative);
  }
  return files;
}

async function isFolder(path: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
