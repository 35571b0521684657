import { testTargetContract } from '@pilotfish/testing/target-contract';
import { createHarness } from './harness.ts';
import { realNeighbours } from './real-neighbours.ts';

testTargetContract('process, beside fakes', () => createHarness());
testTargetContract('process, beside the real supervisor and edge', () =>
  createHarness({}, realNeighbours),
);
