import { avx2 } from "./avx2.js";
import { avx512 } from "./avx512.js";
import type { CostTable } from "./table.js";

export { type Costs, costsFor } from "./estimate.js";
export { type CostTable, costTableSchema, layoutOperators, type MeasuredShape } from "./table.js";

/** Tables that come with isonorm. On processors without blocks no table was measured; rules decide there. */
export const shipped: readonly CostTable[] = [avx2, avx512];

/** The shipped table for a processor: its own, else one of a machine with as many channels in a block; undefined where there is none. */
export function shippedCosts(processor: string, channelBlock: number | undefined): CostTable | undefined {
  const alike = shipped.filter((table) => table.channelBlock === (channelBlock ?? null));
  return alike.find((table) => table.processor === processor) ?? alike[0];
}
