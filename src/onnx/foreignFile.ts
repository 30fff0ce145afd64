type Signature = readonly [name: string, offset: number, bytes: readonly number[] | string];

const signatures: readonly Signature[] = [
  ["a PNG image", 0, "\x89PNG"],
  ["a JPEG image", 0, [0xff, 0xd8, 0xff]],
  ["a GIF image", 0, "GIF8"],
  ["a RIFF file (WebP image or sound)", 0, "RIFF"],
  ["a zip archive (PyTorch's .pt and Keras' .keras are such, npz too)", 0, "PK\x03\x04"],
  ["a gzip file", 0, [0x1f, 0x8b]],
  ["a zstd file", 0, [0x28, 0xb5, 0x2f, 0xfd]],
  ["an HDF5 file (older Keras models are such)", 0, "\x89HDF"],
  ["a NumPy array", 0, "\x93NUMPY"],
  ["a GGUF model", 0, "GGUF"],
  ["a TensorFlow Lite model", 4, "TFL3"],
  ["an ONNX Runtime .ort model", 4, "ORTM"],
  ["a safetensors file", 8, '{"'],
  ["an SQLite database", 0, "SQLite format 3"],
  ["a PDF document", 0, "%PDF"],
  ["a Parquet table", 0, "PAR1"],
  ["an ELF program", 0, "\x7fELF"],
  ["a pickle (older PyTorch and scikit-learn models are such)", 0, [0x80, 0x02]],
  ["a pickle (older PyTorch and scikit-learn models are such)", 0, [0x80, 0x03]],
  ["a pickle (older PyTorch and scikit-learn models are such)", 0, [0x80, 0x04]],
  ["a pickle (older PyTorch and scikit-learn models are such)", 0, [0x80, 0x05]],
];

/** What a file that is no ONNX model looks like, in words; undefined where nothing tells. */
export function foreignFile(bytes: Uint8Array): string | undefined {
  for (const [name, offset, expected] of signatures) {
    const codes = typeof expected === "string" ? [...expected].map((letter) => letter.charCodeAt(0)) : expected;
    if (codes.every((code, index) => bytes[offset + index] === code)) return name;
  }
  const head = bytes.subarray(0, 512);
  if (head.every((byte) => byte === 0)) return "a file of zeros (a broken download or copy)";
  const printable = head.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
  if (!printable) return undefined;
  const text = new TextDecoder().decode(head).trimStart();
  if (text.includes("\ufffd") && head.length < 512) return undefined;
  if (text.startsWith("version https://git-lfs"))
    return "a Git LFS pointer (fetch the model itself with `git lfs pull`)";
  if (/^<(!doctype html|html)/i.test(text)) return "an HTML page (a download that needed a login, perhaps)";
  if (text.startsWith("<")) return "an XML file";
  if (/^[{[]/.test(text)) return "a JSON file";
  return "a text file";
}
