import type { Connection } from '@pilotfish/system';

/** Seconds per leg of one push, in order. */
export type Legs = Record<string, number>;

interface Execution {
  stages: { services: { auditing_data: { created_at: string } }[] }[];
  auditing_data: { created_at: string; updated_at: string };
}

/** Splits the time of a push by what the platform itself wrote down about it. */
export async function legsOf(
  connection: Connection,
  begin: Temporal.Instant,
  live: Temporal.Instant,
): Promise<Legs> {
  const headers = { authorization: `Token ${connection.token}` };
  const get = async (path: string) =>
    (await (await fetch(`${connection.apiUrl}${path}`, { headers })).json()) as {
      results: unknown[];
    };
  const history = await get(
    `/environment/${connection.environmentId}/deploymentHistoryV2?pageSize=1`,
  );
  const execution = history.results[0] as Execution;
  const queued = Temporal.Instant.from(execution.auditing_data.created_at);
  const seconds = (from: Temporal.Instant, to: Temporal.Instant) => to.since(from).total('seconds');
  return {
    git_push_to_request: seconds(begin, queued),
    request_to_live: seconds(queued, live),
  };
}
