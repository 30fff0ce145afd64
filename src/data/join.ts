import type { Dataset } from "./dataset.js";

/**
 * The examples of several datasets of the same input and classes, one dataset after the other. Closing it closes them.
 *
 * @param datasets - at least one
 */
export function joinDatasets(datasets: readonly Dataset[]): Dataset {
  const [first] = datasets;
  if (!first) throw new RangeError("there are no datasets to join");
  if (datasets.length === 1) return first;
  const size = datasets.reduce((sum, dataset) => sum + dataset.size, 0);
  const labels = new Int32Array(size);
  const starts: number[] = [];
  let start = 0;
  for (const dataset of datasets) {
    starts.push(start);
    labels.set(dataset.labels, start);
    start += dataset.size;
  }
  const home = (example: number): number => {
    let part = datasets.length - 1;
    while (part > 0 && example < starts[part]!) part--;
    return part;
  };
  return {
    ...first,
    size,
    labels,
    content: undefined,
    read(examples, into, offset = 0) {
      let at = 0;
      while (at < examples.length) {
        const part = home(examples[at]!);
        let end = at + 1;
        while (end < examples.length && home(examples[end]!) === part) end++;
        const own = Uint32Array.from({ length: end - at }, (_, i) => examples[at + i]! - starts[part]!);
        datasets[part]!.read(own, into, offset + at * first.recordLength);
        at = end;
      }
    },
    source(example) {
      const part = home(example);
      return datasets[part]!.source(example - starts[part]!);
    },
    close() {
      for (const dataset of datasets) dataset.close();
    },
  };
}
