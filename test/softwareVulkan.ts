import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Linux shows graphics processors: those with a driver of the kernel's, NVIDIA's, and Windows's. Without one, drivers that are installed find nothing that ONNX Runtime takes. */
const graphicsProcessors = ["/dev/dri", "/dev/nvidia0", "/dev/dxg"];
/** Chromium brings a loader and SwiftShader, a Vulkan driver that computes on the processor. */
const chromium = "/usr/lib/chromium";

/**
 * The environment in which a process finds a Vulkan driver: as it is on other systems than Linux, with a graphics processor, or without Chromium; else with Chromium's SwiftShader. A
 * process must have it from its start.
 */
export function softwareVulkan(): Record<string, string> {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, LD_LIBRARY_PATH } = process.env;
  const present = graphicsProcessors.some((device) => existsSync(device));
  const driver = join(chromium, "vk_swiftshader_icd.json");
  if (process.platform !== "linux" || VK_DRIVER_FILES || VK_ICD_FILENAMES || present || !existsSync(driver)) return {};
  return {
    VK_DRIVER_FILES: driver,
    LD_LIBRARY_PATH: LD_LIBRARY_PATH ? `${LD_LIBRARY_PATH}${delimiter}${chromium}` : chromium,
  };
}
