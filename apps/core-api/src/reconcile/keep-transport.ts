import type { StreamState } from '@pilotfish/bus';
import { Fault, toFault } from '@pilotfish/kernel';
import { listClusterIds, listRevokedEngines } from '@pilotfish/store';
import type { ReconcileDeps } from './deps.ts';

/** Notices by their age that streams are others than before. */
export interface TransportKeeper {
  /** After a connect: whatever was told to the server before may be forgotten. */
  forget(): void;
  /**
   * Makes streams and consumers that are missing and tells NATS who is revoked. Idempotent.
   *
   * @returns the streams that were lost since the last call, whoever made the new ones
   */
  keep(): Promise<readonly StreamState[]>;
  /** For readiness. @throws Fault with what NATS said, until the latest `keep` has succeeded */
  check(): void;
}

type KeepDeps = Pick<ReconcileDeps, 'store' | 'bus' | 'authority' | 'natsUrl'>;

/** NATS remembers nothing that matters: everything it needs is made again from Postgres. */
export function createTransportKeeper({
  store,
  bus,
  authority,
  natsUrl,
}: KeepDeps): TransportKeeper {
  const ages = new Map<string, string>();
  const consumers = new Set<string>();
  let pushed: string | null = null;
  let trouble: Fault | null = new Fault('unavailable', 'its streams are not made yet');

  /** First of all who may not connect: the account's JWT may have gone with the resolver's folder. */
  async function pushRevocations(): Promise<void> {
    const revoked = await store.system('authenticator', listRevokedEngines);
    const list = JSON.stringify(revoked.map(({ publicKey, at }) => [publicKey, at.toString()]));
    if (list === pushed) return;
    await authority.pushRevocations(natsUrl, revoked);
    pushed = list;
  }

  return {
    forget() {
      pushed = null;
      consumers.clear();
    },
    check() {
      if (trouble !== null) throw trouble;
    },
    async keep() {
      try {
        const lost = await look();
        trouble = null;
        return lost;
      } catch (thrown) {
        const { detail, internal } = toFault(thrown);
        // Of what nobody has named it is not known that it lasts.
        const code = thrown instanceof Fault ? thrown.code : 'unavailable';
        trouble = new Fault(code, internal === undefined ? detail : `${detail}: ${internal}`);
        throw thrown;
      }
    },
  };

  async function look(): Promise<readonly StreamState[]> {
    await pushRevocations();
    const states = await bus.ensureStreams();
    const lost = states.filter(({ name, createdAt }) => {
      const before = ages.get(name);
      return before !== undefined && before !== createdAt.toString();
    });
    if (lost.length > 0 || states.some(({ isNew }) => isNew)) consumers.clear();
    for (const { name, createdAt } of states) ages.set(name, createdAt.toString());
    for (const clusterId of await store.system('worker', listClusterIds)) {
      if (consumers.has(clusterId)) continue;
      await bus.ensureTaskConsumer(clusterId);
      consumers.add(clusterId);
    }
    return lost;
  }
}
