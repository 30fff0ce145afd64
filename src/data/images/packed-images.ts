import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { IsonormError } from "../../errors.js";
import { mapConcurrently } from "../concurrent.js";
import type { ImageDescription } from "../dataset.js";
import { type DataOptions, defaultMemoryLimit } from "../options.js";
import { openCache, writeWhole } from "../pack/cache.js";
import { sha256 } from "../pack/digest.js";
import { openPack, type Pack } from "../pack/pack.js";
import type { Part } from "../part.js";
import { sortClassNames } from "../splits.js";
import { unreadableImage } from "./decode.js";
import { describeImages } from "./describe.js";
import type { ImageListing } from "./listing.js";
import { greyPack, imageWork } from "./work.js";

/** Raised whenever decoding or the pack's meta data changes, so that older packs are not taken for ours. */
const version = 1;

/** A file that was skipped, and why. */
export interface UnreadableImage {
  readonly file: string;
  readonly reason: string;
}

/** A part made of images. */
export interface ImagePart extends Part {
  readonly input: ImageDescription;
  readonly unreadable: readonly UnreadableImage[];
  /** How many images have each "WIDTHxHEIGHT" and each mode, before scaling. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly modes: Readonly<Record<string, number>>;
}

const countsSchema = z.record(z.string(), z.number());
/** A pack of images holds, as label of each record, the index of its file in the listing. */
const metaSchema = z.object({
  input: z.object({
    kind: z.literal("image"),
    height: z.int(),
    width: z.int(),
    channels: z.union([z.literal(1), z.literal(3)]),
  }),
  unreadable: z.array(z.object({ file: z.string(), reason: z.string() })),
  sizes: countsSchema,
  modes: countsSchema,
  warnings: z.array(z.string()),
});
type Meta = z.infer<typeof metaSchema>;

/**
 * Decodes the images of a listing into a pack in the cache, or finds them there. A pack is named by the SHA-256 of what went into it: names and contents
 * of the files and what was asked for. So that the contents need not be read again on every start, a small file named by the files' paths, sizes and times (of
 * modification and of change, which a copy cannot keep) says which pack they led to.
 *
 * @param fixed - the record that training settled on; decided from these images where undefined
 * @throws ISO_DATA_IMAGE_UNREADABLE with `strict`, naming the first unreadable file
 */
export async function packImages(
  listing: ImageListing,
  fixed: ImageDescription | undefined,
  options: DataOptions,
): Promise<ImagePart> {
  const { memoryLimit = defaultMemoryLimit, strict = false } = options;
  const cache = openCache(options.cacheDir);
  const wanted = fixed ?? { imageSize: options.imageSize, channels: options.channels };
  const pointer = join(cache.folder, `${await fingerprint(listing, wanted)}.images`);
  const pack =
    openRemembered(pointer, cache.folder, memoryLimit) ??
    (await makePack(listing, fixed, options, cache.folder, pointer));
  const [unreadable] = pack.meta.unreadable;
  if (strict && unreadable) {
    pack.store.close();
    throw unreadableImage(join(listing.root, unreadable.file), unreadable.reason);
  }
  if (pack.store.size === 0) {
    pack.store.close();
    throw new IsonormError(
      "ISO_DATA_EMPTY",
      `None of the ${listing.files.length} images in ${listing.root} can be read; the first, ${unreadable?.file}: ${unreadable?.reason}`,
      "Give images in JPEG, PNG, WebP, GIF, TIFF or AVIF",
    );
  }
  return asPart(listing, pack, cache.warning);
}

async function makePack(
  listing: ImageListing,
  fixed: ImageDescription | undefined,
  options: DataOptions,
  folder: string,
  pointer: string,
): Promise<ImagePack> {
  const { memoryLimit = defaultMemoryLimit } = options;
  const work = imageWork(listing, options);
  const inspected = await work.inspect();
  const readable = inspected.flatMap(({ header }) => (header ? [header] : []));
  const described = describeImages(readable, fixed ? { imageSize: fixed, channels: fixed.channels } : options);
  const { input } = described;
  const settled = fixed !== undefined || options.channels !== undefined || input.channels === 1;
  const contents = inspected.map(({ content }) => content);
  const name = `${sha256(JSON.stringify([version, input, settled, listing.files, contents]))}.pack`;
  const path = join(folder, name);
  let pack = openImagePack(path, memoryLimit);
  if (!pack) {
    const facts = {
      sizes: count(readable.map(({ width, height }) => `${width}x${height}`)),
      modes: count(readable.map(({ mode }) => mode)),
      warnings: described.warning === undefined ? [] : [described.warning],
    };
    const coloured = await work.decode(path, inspected, input, facts);
    if (!settled && !coloured) greyPack(path, memoryLimit);
    pack = openImagePack(path, memoryLimit);
  }
  if (!pack) {
    throw new IsonormError(
      "ISO_OUT_NOT_WRITABLE",
      `The cache file ${path} cannot be read back`,
      "Name another cache folder",
    );
  }
  writeWhole(pointer, name);
  return pack;
}

interface ImagePack extends Pack {
  readonly meta: Meta;
}

function openImagePack(path: string, memoryLimit: number): ImagePack | undefined {
  const pack = openPack(path, memoryLimit);
  if (!pack) return undefined;
  const meta = metaSchema.safeParse(pack.meta);
  if (meta.success) return { ...pack, meta: meta.data };
  pack.store.close();
  return undefined;
}

function openRemembered(pointer: string, folder: string, memoryLimit: number): ImagePack | undefined {
  let name: string;
  try {
    name = readFileSync(pointer, "utf8");
  } catch {
    return undefined;
  }
  return /^[0-9a-f]{64}\.pack$/.test(name) ? openImagePack(join(folder, name), memoryLimit) : undefined;
}

async function fingerprint({ root, files }: ImageListing, wanted: unknown): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([version, await realpath(root), wanted]));
  const stats = await mapConcurrently(files, 16, async (file) => {
    const found = await stat(join(root, file), { bigint: true }).catch(() => undefined);
    return found ? [file, `${found.size}`, `${found.mtimeNs}`, `${found.ctimeNs}`] : [file];
  });
  for (const entry of stats) hash.update(JSON.stringify(entry));
  return hash.digest("hex");
}

function asPart(listing: ImageListing, pack: ImagePack, cacheWarning: string | undefined): ImagePart {
  const { store, labels: files, meta, digest } = pack;
  const { input, sizes, modes } = meta;
  const unreadable = meta.unreadable.map(({ file, reason }) => ({ file: join(listing.root, file), reason }));
  const classes = sortClassNames(Array.from(files, (file) => listing.labels[file]!));
  const index = new Map(classes.map((name, i) => [name, i]));
  const labels = files.map((file) => index.get(listing.labels[file]!)!);
  const warnings = [...meta.warnings];
  if (cacheWarning !== undefined) warnings.push(cacheWarning);
  if (unreadable.length > 0) {
    const examples = unreadable.slice(0, 3).map(({ file, reason }) => `${file} (${reason})`);
    warnings.push(
      `${unreadable.length === 1 ? "One unreadable image was" : `${unreadable.length} unreadable images were`} skipped: ${examples.join(", ")}${unreadable.length > 3 ? ", ..." : ""}.`,
    );
  }
  if (listing.empty.length > 0) {
    warnings.push(
      `Without any image, and so without a class: ${listing.empty.slice(0, 10).join(", ")} in ${listing.root}.`,
    );
  }
  return {
    store,
    classes,
    labels,
    digest,
    warnings,
    input,
    unreadable,
    sizes,
    modes,
    source: (record) => join(listing.root, listing.files[files[record]!]!),
  };
}

function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
