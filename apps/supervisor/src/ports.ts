import { createServer } from 'node:net';
import { Fault } from '@pilotfish/kernel';
import { errnoOf, isExhaustion, systemFault } from './system-fault.ts';

/** Ports that instances listen on, each given to one instance at a time. */
export interface Ports {
  /** The port of an instance for as long as it exists. @throws Fault `unavailable` when none is free. */
  reserve(instanceId: string): Promise<number>;
  /** Takes a recorded port back into the books after a restart of the supervisor. */
  restore(instanceId: string, port: number): void;
  release(instanceId: string): void;
  /** True when nothing on this machine listens on the port. @throws Fault `unavailable` (no more files) */
  isFree(port: number): Promise<boolean>;
}

export interface PortsDeps {
  /** Both ends belong to the range. Keep it below the ephemeral ports (32768 on Linux). */
  readonly first: number;
  readonly last: number;
  /** A number in [0, 1): where to begin, so that two supervisors on one machine seldom meet. */
  random(): number;
}

export function createPorts({ first, last, random }: PortsDeps): Ports {
  const owners = new Map<number, string>();
  const count = last - first + 1;
  let next = Math.floor(random() * count);
  const portOf = (instanceId: string) => {
    for (const [port, owner] of owners) if (owner === instanceId) return port;
    return undefined;
  };
  return {
    isFree,
    async reserve(instanceId) {
      const own = portOf(instanceId);
      if (own !== undefined) return own;
      for (let tried = 0; tried < count; tried += 1) {
        // Always onwards: a port that was just given back may still be in somebody's routes.
        const port = first + (next % count);
        next += 1;
        if (owners.has(port)) continue;
        owners.set(port, instanceId);
        const giveBack = (error: unknown) => {
          owners.delete(port);
          throw error;
        };
        if (await isFree(port).catch(giveBack)) return port;
        owners.delete(port);
      }
      throw new Fault('unavailable', `No port between ${first} and ${last} is free.`);
    },
    restore(instanceId, port) {
      owners.set(port, instanceId);
    },
    release(instanceId) {
      const port = portOf(instanceId);
      if (port !== undefined) owners.delete(port);
    },
  };
}

/** All addresses at once: a listener on any of them makes the kernel refuse this one. */
async function isFree(port: number): Promise<boolean> {
  const dualStack = await tryListen(port, '::');
  return dualStack === 'no_such_address'
    ? (await tryListen(port, '0.0.0.0')) === 'free'
    : dualStack === 'free';
}

function tryListen(port: number, host: string): Promise<'free' | 'taken' | 'no_such_address'> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      // Nothing was learnt about the port: the next one would fail alike.
      if (isExhaustion(error)) {
        reject(systemFault(error, 'looking for a free port'));
        return;
      }
      const code = errnoOf(error);
      const noAddress = code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL';
      resolve(noAddress ? 'no_such_address' : 'taken');
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve('free')));
  });
}
