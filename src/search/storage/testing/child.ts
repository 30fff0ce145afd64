/** The second process of `file.test.ts`: child.ts PATH own|transaction|write. It says "ready" once it holds what it is to hold, and ends when it is killed. */
import Database from "libsql";
import { sampleEnding } from "../conformance.js";
import { openStudyFile } from "../file.js";

const [path, what] = process.argv.slice(2) as [string, string];

if (what === "transaction") {
  const database = new Database(path);
  database.exec("BEGIN IMMEDIATE");
  process.stdout.write("ready\n");
  // The timer also keeps the database from being collected, which would end the transaction.
  setInterval(() => database.inTransaction, 1000);
} else {
  const storage = openStudyFile(path, { own: true });
  process.stdout.write("ready\n");
  if (what === "own") setInterval(() => storage, 1000);
  for (let now = 1; what === "write"; now++) {
    const trial = await storage.claimTrial("flowers", `process ${process.pid}`, now);
    if (!trial) break;
    const validation = { loss: 1, accuracy: 0.5, macroF1: 0.5 };
    await storage.recordEpoch(trial, { epoch: 1, steps: 100, trainLoss: 1, trainAccuracy: 0.5, validation });
    await storage.endTrial(trial, sampleEnding, now);
  }
}
