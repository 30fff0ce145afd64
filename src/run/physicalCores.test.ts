import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { linuxCores, physicalCores, quota } from "./physicalCores.js";

const filesOf = (files: Record<string, string>) => (path: string) => files[path];
const topology = (processor: number) => `/sys/devices/system/cpu/cpu${processor}/topology/thread_siblings_list`;
/** Four cores of two hardware threads each, numbered as most PCs do: 0 and 4 are one core. */
const siblings = Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((i) => [topology(i), `${i % 4},${(i % 4) + 4}\n`]));
const allowing = (list: string) =>
  filesOf({ ...siblings, "/proc/self/status": `Name:\tnode\nCpus_allowed_list:\t${list}\n` });

it("counts a core once, however many of its hardware threads may be used", () => {
  expect(linuxCores(allowing("0-7"))).toBe(4);
  expect(linuxCores(allowing("0,4"))).toBe(1);
  expect(linuxCores(allowing("1-2,5-7"))).toBe(3);
});

it("does not guess where the kernel does not tell", () => {
  expect(linuxCores(filesOf({}))).toBeUndefined();
  expect(linuxCores(filesOf({ "/proc/self/status": "Cpus_allowed_list:\t0-3\n" }))).toBeUndefined();
});

it("reads the quota of both versions of control groups", () => {
  const first = (value: string) =>
    filesOf({ "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": value, "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n" });
  expect(quota(filesOf({ "/sys/fs/cgroup/cpu.max": "250000 100000\n" }))).toBe(2);
  expect(quota(filesOf({ "/sys/fs/cgroup/cpu.max": "50000 100000\n" }))).toBe(1);
  expect(quota(filesOf({ "/sys/fs/cgroup/cpu.max": "max 100000\n" }))).toBeUndefined();
  expect(quota(first("300000\n"))).toBe(3);
  expect(quota(first("-1\n"))).toBeUndefined();
  const ownGroup = {
    "/proc/self/cgroup": "0::/user.slice/job\n",
    "/sys/fs/cgroup/user.slice/job/cpu.max": "400000 100000\n",
  };
  expect(quota(filesOf(ownGroup))).toBe(4);
  expect(quota(filesOf({}))).toBeUndefined();
});

it("gives at least one and at most as many as there are processors", () => {
  expect(physicalCores()).toBeGreaterThanOrEqual(1);
  expect(physicalCores()).toBeLessThanOrEqual(availableParallelism());
});
