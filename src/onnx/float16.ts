/**
 * Half precision (IEEE 754 binary16) and bfloat16, whose tensors are held as bits.
 *
 * Both are a sign, an exponent and a fraction; the value is (1 + fraction / 2^F) 2^(e - bias), or fraction / 2^F 2^(1 - bias) for
 * e = 0 (subnormal); the highest exponent means infinity (fraction 0) or not-a-number.
 */
interface Format {
  /** F */
  readonly fractionBits: number;
  readonly bias: number;
  readonly highestExponent: number;
}

const half: Format = { fractionBits: 10, bias: 15, highestExponent: 31 };
const brain: Format = { fractionBits: 7, bias: 127, highestExponent: 255 };

const scratch = new DataView(new ArrayBuffer(8));

/**
 * The nearest number's bits, ties to the even fraction.
 *
 * The spacing of representable numbers around x is q = 2^(e - F), with e the exponent of x but at least 1 - bias. A double keeps 52 bits
 * of fraction, so adding and subtracting 1.5 * 2^52 * q rounds x to a multiple of q, ties to even, in one rounding: q lies far inside
 * the range of doubles. x / q is then a whole number that carries by itself into the next exponent, infinity included.
 */
function bitsOf(x: number, { fractionBits, bias, highestExponent }: Format): number {
  const sign = (x < 0 || Object.is(x, -0) ? 1 : 0) << 15;
  const infinity = highestExponent << fractionBits;
  if (Number.isNaN(x)) return infinity | (1 << (fractionBits - 1));
  const magnitude = Math.abs(x);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | infinity;
  scratch.setFloat64(0, magnitude);
  const exponent = Math.max((scratch.getUint16(0) >> 4) - 1023, 1 - bias);
  if (exponent > bias) return sign | infinity;
  const spacing = 2 ** (exponent - fractionBits);
  const rounder = 1.5 * 2 ** 52 * spacing;
  const steps = (magnitude + rounder - rounder) / spacing;
  // In steps, a normal number starts at 2^F: that is the hidden 1, which the exponent field's own +1 stands for.
  return sign | (((exponent + bias - 1) << fractionBits) + steps);
}

function numberOf(bits: number, { fractionBits, bias, highestExponent }: Format): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = bits & ((1 << fractionBits) - 1);
  if (exponent === highestExponent) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const hidden = exponent === 0 ? 0 : 1 << fractionBits;
  return sign * (hidden + fraction) * 2 ** (Math.max(exponent, 1) - bias - fractionBits);
}

/** The number nearest to x in half precision, as its 16 bits; ties to even, infinity above 65519.99. */
export function float16Bits(x: number): number {
  return bitsOf(x, half);
}

/** The number that 16 bits of half precision stand for. */
export function float16Number(bits: number): number {
  return numberOf(bits, half);
}

/** The number nearest to x in bfloat16, as its 16 bits; ties to even. */
export function bfloat16Bits(x: number): number {
  return bitsOf(x, brain);
}

/** The number that 16 bits of bfloat16 stand for. */
export function bfloat16Number(bits: number): number {
  return numberOf(bits, brain);
}

/** Half precision from numbers. [n] to [n] */
export function toFloat16(numbers: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(numbers, float16Bits);
}

/** Numbers from half precision; exact. [n] to [n] */
export function fromFloat16(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, float16Number);
}

/** bfloat16 from numbers. [n] to [n] */
export function toBfloat16(numbers: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(numbers, bfloat16Bits);
}

/** Numbers from bfloat16; exact. [n] to [n] */
export function fromBfloat16(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, bfloat16Number);
}
