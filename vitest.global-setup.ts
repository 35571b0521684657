/** Prints the seed once per run; `PILOTFISH_SEED=… npm test` repeats order and properties. */
export function setup(): void {
  process.stdout.write(`PILOTFISH_SEED=${process.env.PILOTFISH_SEED}\n`);
}
