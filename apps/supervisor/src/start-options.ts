import type { OutputCollector } from './logs/output-collector.ts';
import { markNames, type StartOptions } from './process/process-host.ts';
import type { InstanceRecord, RecordStore, RunRecord } from './record-store.ts';

export interface StartOptionsDeps {
  readonly store: Pick<RecordStore, 'makePlace'>;
  readonly collector: Pick<OutputCollector, 'paths'>;
  /** The PATH of applications whose specification does not name one. */
  readonly applicationPath: string;
}

/** How one run of an instance is started: its command with the port, and all of its environment. */
export function startOptions(
  { store, collector, applicationPath }: StartOptionsDeps,
  { instanceId, port, spec }: InstanceRecord,
  { runId }: Pick<RunRecord, 'runId'>,
): StartOptions {
  const place = store.makePlace(instanceId);
  return {
    argv: spec.argv.map((argument) => withPort(argument, port)),
    cwd: spec.cwd,
    env: {
      PATH: applicationPath,
      HOME: place.home,
      TMPDIR: place.tmp,
      ...spec.env,
      PORT: String(port),
      [markNames.instance]: instanceId,
      [markNames.run]: runId,
    },
    ...collector.paths(runId),
  };
}

function withPort(argument: string, port: number): string {
  return argument.replace(/\$\{PORT\}|\$PORT(?!\w)/g, String(port));
}
