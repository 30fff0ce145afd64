/**
 * Distribution function of the standard normal, through the complementary error function: erfc(x) = t exp(-x^2 + P(t)), t = 1 / (1 + x/2), x >= 0, with the
 * polynomial P of Press et al., "Numerical Recipes in C" (1992), section 6.2. Relative error of the tails below 1.2e-7.
 */
export function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  let p = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) p = p * t + coefficients[i]!;
  const tail = 0.5 * t * Math.exp(p - x * x);
  return z < 0 ? tail : 1 - tail;
}

const coefficients = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
  0.17087277,
];
