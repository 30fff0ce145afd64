import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/**
 * Physical cores that this process may use: what a training's threads are by default. Two hardware threads of a core share its multipliers, so a second one adds nothing to matrix products. Where
 * the system does not tell, all processors that the process may use count as cores.
 */
export function physicalCores(): number {
  const processors = availableParallelism();
  return Math.max(1, Math.min(processors, coresOf(process.platform) ?? processors, quotaHere() ?? processors));
}

function coresOf(platform: NodeJS.Platform): number | undefined {
  switch (platform) {
    case "linux":
      return linuxCores(readOrUndefined);
    case "darwin":
      return positive(output("/usr/sbin/sysctl", ["-n", "hw.physicalcpu"]));
    case "win32":
      return positive(
        output("powershell.exe", [
          "-NoProfile",
          "-NonInteractive",
          "-Command",
          "(Get-CimInstance Win32_Processor | Measure-Object -Property NumberOfCores -Sum).Sum",
        ]),
      );
    default:
      return undefined;
  }
}

/**
 * Cores among the processors that the process's affinity allows, by the kernel's topology; undefined where it does not tell.
 *
 * @param read - content of a file, or undefined where there is none
 */
export function linuxCores(read: (path: string) => string | undefined): number | undefined {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(read("/proc/self/status") ?? "")?.[1];
  if (allowed === undefined) return undefined;
  const cores = new Set<string>();
  for (const processor of numbersOf(allowed)) {
    const siblings = read(`/sys/devices/system/cpu/cpu${processor}/topology/thread_siblings_list`);
    // Every processor of a core names the same ones.
    if (siblings !== undefined) cores.add(siblings.trim());
  }
  return cores.size > 0 ? cores.size : undefined;
}

/** Whole processors that the control group's quota allows, at least 1; undefined where there is none. A container sees its own group at the root. */
export function quota(read: (path: string) => string | undefined): number | undefined {
  const group = /^0::(\/\S+)/m.exec(read("/proc/self/cgroup") ?? "")?.[1] ?? "";
  const version2 = read(`/sys/fs/cgroup${group}/cpu.max`) ?? read("/sys/fs/cgroup/cpu.max") ?? "";
  const [limit, period] = version2.trim().split(/\s+/);
  const version1 = (name: string): string | undefined => read(`/sys/fs/cgroup/cpu/cpu.cfs_${name}_us`);
  const share = Number(limit || version1("quota")) / Number(period || version1("period"));
  return share > 0 && Number.isFinite(share) ? Math.max(1, Math.floor(share)) : undefined;
}

const quotaHere = (): number | undefined => (process.platform === "linux" ? quota(readOrUndefined) : undefined);

/** "0-2,5" gives 0, 1, 2, 5. */
function numbersOf(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function output(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 5000 });
  } catch {
    return undefined;
  }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}
