/** A load in a thread of its own, so that it does not slow down whoever measures beside it. */
import { parentPort, workerData } from 'node:worker_threads';
import { type OpenLoad, sendLoad } from './open-load.ts';

const answers = await sendLoad(workerData as OpenLoad);
parentPort?.postMessage(answers.map(({ status }) => status));
