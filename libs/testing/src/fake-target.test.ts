import { createFakeTargetHarness } from './fake-target-harness.ts';
import { testTargetContract } from './target-contract.ts';

testTargetContract('fake', async () => createFakeTargetHarness());
