/**
 * The response curve: how much the logarithm of the validation loss rises as log2 ELR moves away from its optimum.
 *
 *     g(u) = h q(u),   q(u) = 2 c^2 (sqrt(1 + (u/c)^2) - 1),   c = 2 octaves
 *
 * with h = below for u < 0 and h = above for u >= 0. q is Charbonnier's (pseudo-Huber) function: u^2 near 0, 2c|u| far away. Measured curves look like
 * that on both sides (digits, MLP, 90 and 720 steps, 2^-15 to 2; Fashion-MNIST, 6 convolutions, 70 to 1,700 steps, 2^-13 to 2^-3): quadratic for about two
 * octaves, then straight, and steeper on one side than on the other. The logarithm makes a rise relative, so that one prior serves a loss of 2 and a loss of 0.02.
 */

/** Octaves after which the curve's rise turns from quadratic to linear. */
const bend = 2;

/**
 * @param octaves - log2 ELR less log2 of the optimal ELR
 * @returns q: close to octaves^2 near 0
 */
export function rise(octaves: number): number {
  const ratio = octaves / bend;
  return 2 * bend * bend * (Math.sqrt(1 + ratio * ratio) - 1);
}
