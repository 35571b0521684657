/**
 * The routes file: read, changed and written by this process alone, as a whole, by an atomic
 * rename. The edge may be away meanwhile; it reads the file when it is back, and says in the file
 * beside it which version it follows.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Route, RoutesApplied, RoutesFile } from '@pilotfish/contracts';
import { type Clock, Fault } from '@pilotfish/kernel';
import { readJsonFile, writeDurably } from '../disk/durable-file.ts';

export interface Routes {
  /** The routes as they are on disk; empty where the file does not exist yet. */
  read(): Promise<readonly Route[]>;
  /** Replaces the routes by what `change` makes of them; returns the version to wait for. */
  change(change: (routes: readonly Route[]) => readonly Route[]): Promise<number>;
  /** True once the edge follows this version or a newer one; false after the time given. */
  awaitApplied(version: number, timeoutMs: number, signal: AbortSignal): Promise<boolean>;
}

interface RoutesDeps {
  readonly routesFile: string;
  readonly clock: Clock;
}

export function createRoutes(deps: RoutesDeps): Routes {
  const appliedFile = `${deps.routesFile}.applied`;
  const readFile = () => readJsonFile(deps.routesFile, RoutesFile);
  const readApplied = () => readJsonFile(appliedFile, RoutesApplied);
  // Changes of services deployed side by side follow each other.
  let last: Promise<unknown> = Promise.resolve();

  const write = async (change: (routes: readonly Route[]) => readonly Route[]) => {
    const found = await readFile();
    const hosts = [...change(found?.hosts ?? [])];
    if (found !== undefined && isDeepStrictEqual(hosts, found.hosts)) return found.version;
    // A lost file starts above what the edge has, which ignores versions that it knows already.
    const known = found?.version ?? (await readApplied().catch(() => undefined))?.version ?? 0;
    const next = { version: known + 1, hosts };
    await writeDurably(deps.routesFile, `${JSON.stringify(next)}\n`);
    return next.version;
  };

  return {
    read: async () => (await readFile())?.hosts ?? [],
    change(change) {
      const written = last.then(() => write(change));
      last = written.catch(() => {});
      return written;
    },
    async awaitApplied(version, timeoutMs, signal) {
      const giveUpMs = deps.clock.monotonicMs() + timeoutMs;
      for (let waitMs = 4; ; waitMs = Math.min(waitMs * 1.5, 50)) {
        const applied = await readApplied();
        if (applied !== undefined && applied.version >= version && applied.refusal === '') {
          return true;
        }
        if (deps.clock.monotonicMs() >= giveUpMs) {
          if (applied === undefined || applied.refusal === '') return false;
          throw new Fault('internal', 'The edge refuses the routes.', {
            internal: applied.refusal,
          });
        }
        await deps.clock.sleep(waitMs, signal);
      }
    },
  };
}
