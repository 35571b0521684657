/** What the runner asks of the supervisor. */
import { getJson, postJson } from './probe.ts';

const graceSeconds = 10;
const answerMsMax = 5_000;

/** False where the supervisor did not confirm it. */
export async function stopApplications(socketPath: string): Promise<boolean> {
  const address = { socketPath, path: '/stop-all' };
  const body = { graceSecondsMax: graceSeconds };
  return await postJson(address, body, (graceSeconds + 5) * 1000);
}

interface InstanceList {
  readonly instances: readonly {
    readonly serviceId: string;
    readonly state: string;
    readonly startedAt: string | null;
  }[];
}

/** How many applications run that somebody else had started before. */
export async function countStartedBefore(
  socketPath: string,
  instant: Temporal.Instant,
): Promise<number> {
  const list = (await getJson({ socketPath, path: '/instances' }, answerMsMax)) as InstanceList;
  const earlier = list.instances.filter(
    ({ state, startedAt }) =>
      state === 'running' &&
      startedAt !== null &&
      Temporal.Instant.compare(Temporal.Instant.from(startedAt), instant) < 0,
  );
  return new Set(earlier.map(({ serviceId }) => serviceId)).size;
}
