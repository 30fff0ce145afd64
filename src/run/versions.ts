import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const readVersion = (path: string): string => (require(path) as { version: string }).version;

/** Version of isonorm. */
export const packageVersion: string = readVersion(locatePackage());

/** Versions that a result depends on. */
export function versions(): Record<string, string> {
  return {
    isonorm: packageVersion,
    node: process.versions.node,
    "onnxruntime-node": readVersion("onnxruntime-node/package.json"),
    platform: `${process.platform}-${process.arch}`,
  };
}

/** package.json lies one folder above the build's files and two above the sources'. */
function locatePackage(): string {
  for (const path of ["../package.json", "../../package.json"])
    try {
      if ((require(path) as { name: string }).name === "isonorm") return path;
    } catch {
      // not there: the other place
    }
  throw new Error("package.json of isonorm is missing beside its files");
}
