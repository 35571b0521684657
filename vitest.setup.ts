import { configureGlobal } from 'fast-check';

// Set by vitest.config.ts, which also prints it: a property's counterexample comes back with it.
const seed = Number(process.env.PILOTFISH_SEED);
const scale = process.env.PILOTFISH_TEST_SCALE === 'full' ? 10 : 1;
configureGlobal({ seed, numRuns: 100 * scale });
