import { count, significant } from "../format.js";
import { given, html } from "../html.js";
import type { Section } from "../page.js";
import { table } from "../parts.js";
import type { ReportedWeight } from "../trainingReport.js";

/** Which weights are scale-invariant, why, and what became of their norms. */
export function weightsSection(weights: readonly ReportedWeight[]): Section {
  const invariant = weights.filter(({ scaleInvariant }) => scaleInvariant);
  const drift = Math.max(0, ...invariant.map(({ normBefore, normAfter }) => Math.abs(normAfter / normBefore - 1)));
  return {
    id: "weights",
    title: "Weights",
    lead: html`${count(invariant.length)} of ${count(weights.length)} weights are scale-invariant: only their direction matters, and their norm is held fixed.${
      invariant.length > 0
        ? ` Their norms differ from the start by at most ${significant(drift, 2)} of themselves.`
        : ""
    }`,
    content: html`<div class="card">${table(
      "Weights and their norms",
      [
        { title: "weight", cell: ({ name }) => given(name), heading: true, path: true },
        { title: "shape", cell: ({ shape }) => shape.join(" × ") || "scalar" },
        {
          title: "scale-invariant",
          cell: ({ scaleInvariant }) => (scaleInvariant ? html`<span class="accent">yes</span>` : "no"),
        },
        { title: "reason", cell: ({ reason }) => given(reason), path: true },
        {
          title: "norm before",
          value: ({ normBefore }) => normBefore,
          cell: ({ normBefore }) => significant(normBefore, 5),
        },
        {
          title: "norm after",
          value: ({ normAfter }) => normAfter,
          cell: ({ normAfter }) => significant(normAfter, 5),
        },
      ],
      weights,
      { sortable: true },
    )}</div>`,
  };
}
