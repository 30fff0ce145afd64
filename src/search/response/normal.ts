/**
 * Distribution function of the standard normal, through the complementary error function: erfc(x) = t exp(-x^2 + P(t)), t = 1 / (1 + x/2), x >= 0, with the
 * polynomial P of Press et al., "Numerical Recipes in C" (1992), section 6.2. Relative error of the tails below 1.2e-7.
 */
export function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const p =
    -1.26551223 +
    t *
      (1.00002368 +
        t *
          (0.37409196 +
            t *
              (0.09678418 +
                t *
                  (-0.18628806 +
                    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  const tail = 0.5 * t * Math.exp(p - x * x);
  return z < 0 ? tail : 1 - tail;
}
