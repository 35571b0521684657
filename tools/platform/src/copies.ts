/** Which processes are to run, and what may be in their way. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { endProcess, isInterchangeable, type ServiceProcess } from './launch-service.ts';
import type { PlatformDeps } from './platform-deps.ts';
import { assertPortsFree } from './ports.ts';
import { environmentOf, type ServiceDefinition, servicesFor, type Wiring } from './services.ts';
import { instanceName } from './state.ts';

/** One process that is to run. */
export interface Copy {
  readonly service: ServiceDefinition;
  readonly name: string;
  readonly process: ServiceProcess;
  readonly ports: readonly number[];
}

/** Every copy of every service, in the order of their start. */
export function listCopies(wiring: Wiring, deps: PlatformDeps): readonly Copy[] {
  const { bundles, settings, home, logs, screen } = deps;
  return servicesFor(settings).flatMap((service) => {
    const { name, app } = service;
    logs.follow(name, (line) => screen.showLog(name, line));
    const count = service.isReplicated ? settings.replicas : 1;
    return Array.from({ length: count }, (_, replica) => ({
      service,
      name: instanceName(name, replica),
      process: {
        service: name,
        replica,
        program: join(bundles.folder, app, 'main.mjs'),
        programHash: bundles.manifest.hashes[`${app}/main`] ?? '',
        env: environmentOf(service, service.env(wiring, replica), deps.env),
        probe: service.probe(wiring, replica),
        logs: home.logs,
      },
      ports: service.ports(wiring, replica),
    }));
  });
}

/**
 * Looks before anything is started whether somebody else has one of our ports. What an earlier run
 * left has them rightly: then nothing can be said about the port.
 */
export async function assertNothingInTheWay(
  { env, home, ports, state }: PlatformDeps,
  copies: readonly Copy[],
): Promise<void> {
  const ours = Object.keys(state.survivors).length > 0;
  const wanted = ours
    ? []
    : copies.flatMap(({ name, ports: all }) => all.map((port) => ({ name, port })));
  if (!env.DATABASE_URL && !existsSync(join(home.postgres, 'cluster/postmaster.pid'))) {
    wanted.push({ name: 'postgres', port: ports.of('postgres') });
  }
  if (!env.NATS_URL && !existsSync(join(home.nats, 'server.json'))) {
    wanted.push({ name: 'nats', port: ports.of('nats') });
  }
  await assertPortsFree(wanted);
}

/**
 * Ends what survived an earlier run and has no place in this one: copies that are not wanted any
 * more, and copies under other settings, whose port another copy may be about to take. What serves
 * alone is left until its successor starts.
 */
export async function endReplacedSurvivors(
  { state, screen }: PlatformDeps,
  copies: readonly Copy[],
): Promise<void> {
  const servers = ['postgres', 'nats'];
  const replaced = Object.entries(state.survivors).filter(([name, survivor]) => {
    if (servers.includes(name)) return false;
    const copy = copies.find((one) => one.name === name);
    if (copy === undefined) return true;
    return copy.service.isReplicated && !isInterchangeable(copy.process, survivor);
  });
  if (replaced.length === 0) return;
  screen.say(
    `Ending what runs under other settings: ${replaced.map(([name]) => name).join(', ')}.`,
  );
  await Promise.all(
    replaced.map(async ([name, { identity }]) => {
      await endProcess(identity);
      state.set(name, undefined);
    }),
  );
}
