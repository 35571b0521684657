import { testTargetContract } from '@pilotfish/testing/target-contract';
import { createHarness } from './harness.ts';

testTargetContract('process, beside fakes', () => createHarness());
