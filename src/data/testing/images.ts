import sharp, { type Sharp } from "sharp";

export interface Colour {
  readonly r: number;
  readonly g: number;
  readonly b: number;
  readonly alpha?: number;
}

/** An image of one colour. */
export function plain(width: number, height: number, background: Colour): Sharp {
  return sharp({ create: { width, height, channels: background.alpha === undefined ? 3 : 4, background } });
}

export const orange: Colour = { r: 200, g: 100, b: 50 };
