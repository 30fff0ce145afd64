import { IsonormError } from "../errors.js";

export const devices = ["cpu", "webgpu"] as const;

/** What a training runs on: the processor, or through WebGPU (Vulkan, Metal or Direct3D 12) a graphics processor. */
export type Device = (typeof devices)[number];

/** Throws ISO_DEVICE_UNAVAILABLE for a name that is none. */
export function deviceNamed(name: unknown): Device {
  const device = devices.find((known) => known === name);
  if (device) return device;
  throw new IsonormError(
    "ISO_DEVICE_UNAVAILABLE",
    `device ${String(name)} is not available`,
    `Use --device ${devices.join(" or --device ")}`,
  );
}
