import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Linux keeps the drivers of graphics processors that a Vulkan loader finds by itself. */
const driverFolders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
/** Chromium brings a loader and SwiftShader, a Vulkan driver that computes on the processor. */
const chromium = "/usr/lib/chromium";

/**
 * The environment in which a process finds a Vulkan driver: as it is on other systems than Linux, with a driver installed, or without Chromium; else with Chromium's SwiftShader. A
 * process must have it from its start.
 */
export function softwareVulkan(): Record<string, string> {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, LD_LIBRARY_PATH } = process.env;
  const installed = driverFolders.some((folder) => existsSync(folder) && readdirSync(folder).length > 0);
  const driver = join(chromium, "vk_swiftshader_icd.json");
  if (process.platform !== "linux" || VK_DRIVER_FILES || VK_ICD_FILENAMES || installed || !existsSync(driver))
    return {};
  return {
    VK_DRIVER_FILES: driver,
    LD_LIBRARY_PATH: LD_LIBRARY_PATH ? `${LD_LIBRARY_PATH}${delimiter}${chromium}` : chromium,
  };
}
