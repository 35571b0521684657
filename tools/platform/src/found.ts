/** What was there when the platform came up again, in one line. */
import type { ApiClient } from './seed/api-client.ts';

export interface FoundApplication {
  readonly state: string;
  /** Number of the release that serves; undefined where none does. */
  readonly release: number | undefined;
}

/** Counts what the public API shows to the first administrator. */
export interface Found {
  readonly environments: number;
  readonly applications: readonly FoundApplication[];
  readonly repositories: number;
}

interface List<T> {
  readonly results: readonly T[];
}
interface Identified {
  readonly id: string;
}

/** @throws Error with the API's own sentence */
export async function lookAround(api: ApiClient): Promise<Found> {
  const all = async <T>(parents: readonly Identified[], path: (id: string) => string) => {
    const lists = await Promise.all(parents.map(({ id }) => api.get<List<T>>(path(id))));
    return lists.flatMap(({ results }) => results);
  };
  const { results: organizations } = await api.get<List<Identified>>('/organization');
  const projects = await all<Identified>(organizations, (id) => `/organization/${id}/project`);
  const environments = await all<Identified>(projects, (id) => `/project/${id}/environment`);
  const statuses = await Promise.all(
    environments.map(({ id }) =>
      api.get<{ applications?: { id: string; state: string }[] }>(`/environment/${id}/statuses`),
    ),
  );
  const applications = statuses.flatMap((status) => status.applications ?? []);
  const repositories = await all(organizations, (id) => `/organization/${id}/gitRepository`);
  return {
    environments: environments.length,
    applications: await Promise.all(applications.map((one) => readApplication(api, one))),
    repositories: repositories.length,
  };
}

async function readApplication(
  api: ApiClient,
  { id, state }: { readonly id: string; readonly state: string },
): Promise<FoundApplication> {
  const path = `/application/${id}/release`;
  const { results } = await api.get<List<{ number: number; status: string }>>(path);
  return { state, release: results.find(({ status }) => status === 'ACTIVE')?.number };
}

/** One sentence; undefined for a platform in which there is nothing yet. */
export function describeFound(found: Found): string | undefined {
  const { applications, environments, repositories } = found;
  if (environments === 0) return undefined;
  const parts = [
    countOf(environments, 'environment'),
    `${countOf(applications.length, 'application')}${describeRunning(applications)}`,
    countOf(repositories, 'repository', 'repositories'),
  ];
  return `Found: ${parts.join(', ')}.`;
}

/** One sentence about what a run that was cut short left running, and this one goes on with. */
export function describeAdopted(processes: readonly string[], applications: number): string {
  const counted = countOf(applications, 'application');
  if (processes.length > 0)
    return `Went on with what still ran: ${processes.join(', ')}; ${counted}.`;
  const those = applications === 1 ? 'still ran and was adopted' : 'still ran and were adopted';
  return `The last run was cut short; ${counted} ${those}.`;
}

function describeRunning(applications: readonly FoundApplication[]): string {
  const [only] = applications;
  if (only === undefined) return '';
  const running = applications.filter(wasRunning).length;
  if (applications.length > 1) return ` (${running} were running)`;
  if (running === 0) return ` (${only.state.toLowerCase().replaceAll('_', ' ')})`;
  return ` (was running at release ${only.release})`;
}

/** A failed deployment leaves the release before it serving. */
function wasRunning({ state, release }: FoundApplication): boolean {
  return release !== undefined && !/^(STOPPED|STOPPING|DELET)/.test(state);
}

function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
