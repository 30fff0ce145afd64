import { type Phase, phases } from "./layers.js";
import type { NodeTime, Profile } from "./profile.js";
import { textTable } from "./textTable.js";

/** Time that nodes of one kind take together. */
export interface Share {
  readonly key: string;
  readonly nodes: number;
  readonly milliseconds: number;
  /** Of the step. */
  readonly share: number;
  /** Milliseconds. */
  readonly byPhase: Readonly<Partial<Record<Phase, number>>>;
  /** GFLOP/s of those nodes that multiply; 0 where none does. */
  readonly gflops: number;
}

/** The profile's nodes gathered by a key, the longest first. */
export function shares(profile: Profile, keyOf: (node: NodeTime) => string): readonly Share[] {
  const gathered = new Map<string, NodeTime[]>();
  for (const node of profile.nodes) {
    const list = gathered.get(keyOf(node));
    if (list) list.push(node);
    else gathered.set(keyOf(node), [node]);
  }
  return [...gathered]
    .map(([key, nodes]): Share => {
      const byPhase: Partial<Record<Phase, number>> = {};
      for (const { phase, milliseconds } of nodes) byPhase[phase] = (byPhase[phase] ?? 0) + milliseconds;
      const milliseconds = total(nodes);
      return {
        key,
        nodes: nodes.length,
        milliseconds,
        share: milliseconds / profile.milliseconds,
        byPhase,
        gflops: gflopsOf(nodes),
      };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

/** What `--json` prints: the shares, and the nodes that take longest. */
export function profileSummary(profile: Profile, top: number) {
  return {
    event: "profile",
    workload: profile.workload,
    milliseconds: profile.milliseconds,
    betweenNodes: profile.betweenNodes,
    phases: shares(profile, (node) => node.phase),
    operators: shares(profile, (node) => node.op),
    layers: shares(profile, (node) => node.layer),
    nodes: longest(profile, top),
  };
}

export function printProfile(profile: Profile, top: number): string {
  const { workload, milliseconds, betweenNodes, nodes } = profile;
  const used = phases.filter((phase) => nodes.some((node) => node.phase === phase));
  const table = (title: string, keyOf: (node: NodeTime) => string): string =>
    textTable(
      [title, "nodes", "ms", "%", ...used, "GFLOP/s"],
      shares(profile, keyOf)
        .filter((one) => one.share >= 0.001)
        .map((one) => [
          one.key || "(none)",
          String(one.nodes),
          fixed(one.milliseconds),
          (100 * one.share).toFixed(1),
          ...used.map((phase) => fixed(one.byPhase[phase] ?? 0)),
          one.gflops === 0 ? "" : String(Math.round(one.gflops)),
        ]),
    );
  const rows = longest(profile, top).map((node) => [
    fixed(node.milliseconds),
    (100 * node.share).toFixed(1),
    node.gflops === 0 ? "" : String(Math.round(node.gflops)),
    node.op,
    `${node.inputs.map(shape).join(" ")} -> ${node.outputs.map(shape).join(" ")}`,
    node.name,
  ]);
  return [
    `${workload}: ${fixed(milliseconds)} ms a step under the profiler, ${nodes.length} nodes; ${fixed(betweenNodes)} ms between them. Milliseconds a step:`,
    table("phase", (node) => node.phase),
    table("operator", (node) => node.op),
    table("layer", (node) => node.layer),
    textTable(["ms", "%", "GFLOP/s", "operator", "shapes", "node"], rows, new Set([3, 4, 5])),
  ].join("\n\n");
}

function longest({ nodes, milliseconds }: Profile, count: number) {
  return nodes
    .toSorted((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, count)
    .map((node) => ({ ...node, share: node.milliseconds / milliseconds, gflops: gflopsOf([node]) }));
}

function gflopsOf(nodes: readonly NodeTime[]): number {
  const multiplying = nodes.filter(({ operations }) => operations > 0);
  const operations = multiplying.reduce((sum, node) => sum + node.operations, 0);
  return operations === 0 ? 0 : operations / 1e6 / Math.max(total(multiplying), 1e-3);
}

const total = (nodes: readonly NodeTime[]): number => nodes.reduce((sum, node) => sum + node.milliseconds, 0);
const fixed = (milliseconds: number): string => milliseconds.toFixed(2);
const shape = (sizes: readonly number[]): string => `[${sizes.join(",")}]`;
