import { describe, it } from "vitest";
import { storageConformance } from "./conformance.js";
import { MemoryStorage } from "./memory.js";

storageConformance(
  "memory",
  async () => {
    const storage = new MemoryStorage();
    return { connect: async () => storage, dispose: async () => {} };
  },
  { describe, it },
);
