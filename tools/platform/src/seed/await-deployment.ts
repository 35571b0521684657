import type { Clock } from '@pilotfish/kernel';
import type { ApiClient } from './api-client.ts';

/** A first deployment on a machine without any cache: npm has to fetch the sample's dependency. */
const deployMsMax = 300_000;

interface AwaitDeps {
  readonly api: Pick<ApiClient, 'get'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly warn: (sentence: string) => void;
}

/** States from which nothing moves by itself; what serves then is shown as it is. */
const settled = /^(DEPLOYED|RESTARTED|STOPPED|CANCELED|.*_ERROR)$/;

interface Status {
  readonly state: string;
  readonly service_deployment_status?: string;
  readonly failure?: { readonly summary: string } | null;
}

/** Waits for a deployment to end, well or not, and warns in one sentence where it did not end well. */
export async function awaitDeployment(
  applicationId: string,
  { api, clock, signal, warn }: AwaitDeps,
): Promise<void> {
  const end = clock.monotonicMs() + deployMsMax;
  for (;;) {
    const status = await api.get<Status>(`/application/${applicationId}/status`);
    if (settled.test(status.state)) {
      if (status.state !== 'DEPLOYED') warn(describeState(status));
      return;
    }
    if (clock.monotonicMs() > end) {
      warn(`The sample is still ${status.state} after ${deployMsMax / 1000} s.`);
      return;
    }
    await clock.sleep(100, signal);
  }
}

function describeState({ state, failure, service_deployment_status }: Status): string {
  if (!failure) return `The sample's state is ${state}.`;
  if (service_deployment_status !== 'NEVER_DEPLOYED') {
    return `The sample's last deployment failed (${failure.summary}); the version before it serves.`;
  }
  return `The API runs; the sample could not be deployed: ${failure.summary}`;
}
