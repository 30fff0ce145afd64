import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { IsonormError } from "../errors.js";
import { type CostTable, costsFor, costTableSchema, type LowerOptions, shippedCosts } from "../lowering/index.js";
import { channelBlockHere } from "./device.js";
import type { Device } from "./deviceName.js";

/** Names a file with this machine's costs, as `npm run tune-lowering` writes it; the shipped ones are left aside then. */
export const costsVariable = "ISONORM_LOWERING_COSTS";

/** How graphs are lowered here. */
export interface LoweringHere extends Pick<LowerOptions, "channelBlock" | "costs"> {
  /** What recipes are chosen by, for people. */
  readonly chosenBy: string;
}

/**
 * What the lowering must know of a device on this machine: channels in a block, and the costs of recipes for so many threads.
 *
 * @throws ISO_ARGUMENT where `ISONORM_LOWERING_COSTS` names no table of this kind of processor
 */
export async function loweringHere(device: Device, threads: number): Promise<LoweringHere> {
  if (device !== "cpu") return { chosenBy: "rules" };
  const channelBlock = await channelBlockHere();
  const path = process.env[costsVariable];
  const table = path ? readTable(path, channelBlock) : shippedCosts(cpus()[0]?.model ?? "", channelBlock);
  if (!table) return { channelBlock, chosenBy: "rules (no costs were measured for this kind of processor)" };
  const lanes = channelBlock === undefined ? "without blocks" : `in blocks of ${channelBlock}`;
  return {
    channelBlock,
    costs: costsFor(table, threads),
    chosenBy: `costs measured on ${table.processor} ${lanes}${path ? `, from ${path}` : ""}`,
  };
}

function readTable(path: string, channelBlock: number | undefined): CostTable {
  const refuse = (why: string, cause?: unknown): IsonormError =>
    new IsonormError(
      "ISO_ARGUMENT",
      `the file ${path}, which ${costsVariable} names, ${why}`,
      "Write it with npm run tune-lowering on this machine, or unset the variable",
      { cause },
    );
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw refuse("cannot be read as JSON", cause);
  }
  const parsed = costTableSchema.safeParse(content);
  if (!parsed.success) throw refuse("is no table of costs", parsed.error);
  if (parsed.data.channelBlock === (channelBlock ?? null)) return parsed.data;
  throw refuse(
    `was measured with ${parsed.data.channelBlock ?? "no"} channels in a block, not ${channelBlock ?? "none"}`,
  );
}
