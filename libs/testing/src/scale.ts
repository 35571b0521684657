/** `npm test` runs every proof at small scale, `npm run test:full` with the full numbers. */
export function scale(sizes: { small: number; full: number }): number {
  return process.env.PILOTFISH_TEST_SCALE === 'full' ? sizes.full : sizes.small;
}
