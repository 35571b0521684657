/**
 * All instances of this supervisor. Its life: `resume` once, finding again what a former
 * supervisor started; then requests; `close` leaves every application running.
 */
import { isDeepStrictEqual } from 'node:util';
import type { InstanceSpec, InstanceStatus, StopAll } from '@pilotfish/contracts';
import { Fault, type ServiceId } from '@pilotfish/kernel';
import type { EventHub } from './event-hub.ts';
import { Instance, type InstanceDeps } from './instance.ts';
import type { InstanceRecord } from './record-store.ts';

export interface InstancesDeps extends Omit<InstanceDeps, 'onChange' | 'logger'> {
  readonly logger: InstanceDeps['logger'] & { error(fields: object, sentence: string): void };
  readonly events: EventHub;
  readonly instancesMax: number;
}

/** After the start of a supervisor: until then a process that its predecessor began has its mark. */
const secondSweepMs = 3000;

export class Instances {
  readonly #deps: InstancesDeps;
  readonly #instances = new Map<string, Instance>();
  /** Requests for one instance wait for each other. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #closing = new AbortController();
  /** Instances whose record cannot be read: neither started nor killed, until somebody looks. */
  #unreadable: readonly string[] = [];
  #stoppingAll = false;

  constructor(deps: InstancesDeps) {
    this.#deps = deps;
  }

  /** Adopts what runs, starts what should, ends what nobody knows; resolves when all were tried. */
  async resume(): Promise<void> {
    const { store, ports, collector, logger, clock } = this.#deps;
    const { records, unreadable } = store.load();
    this.#unreadable = unreadable;
    for (const instanceId of unreadable) {
      logger.error({ instanceId }, 'the record of an instance cannot be read: it is left alone');
    }
    collector.removeUnknown(
      new Set(records.flatMap(({ run }) => (run === null ? [] : [run.runId]))),
    );
    for (const record of records) {
      ports.restore(record.instanceId, record.port);
      const desired = record.desired === 'suspended' ? 'running' : record.desired;
      this.#add({ ...record, desired });
    }
    this.#sweep();
    const all = [...this.#instances.values()];
    await Promise.all(all.map((instance) => instance.begin()));
    for (const { record } of all) {
      if (record.desired !== 'removed') continue;
      const { instanceId } = record;
      this.remove(instanceId).catch((error) =>
        logger.error({ instanceId, err: error }, 'removing an instance failed'),
      );
    }
    clock.sleep(secondSweepMs, this.#closing.signal).then(
      () => this.#sweep(),
      () => {},
    );
  }

  list(): InstanceStatus[] {
    return [...this.#instances.values()].map(({ status }) => status);
  }

  /** @throws Fault `not_found` */
  get(instanceId: string): InstanceStatus {
    return this.#known(instanceId).status;
  }

  /**
   * Starts an instance unless it is there already; resolves after the first try.
   *
   * @throws Fault `conflict` when it lives with another specification, `quota_exceeded`, or
   *   `unavailable` when nothing can be recorded or no port is free
   */
  put(instanceId: string, spec: InstanceSpec): Promise<InstanceStatus> {
    return this.#inTurn(instanceId, async () => {
      if (this.#stoppingAll) throw new Fault('unavailable', 'Everything is being stopped.');
      const known = this.#instances.get(instanceId);
      const same = known !== undefined && isDeepStrictEqual(known.record.spec, spec);
      if (known !== undefined && !known.atRest) {
        if (same) return known.status;
        throw new Fault('conflict', `${instanceId} runs with another specification.`);
      }
      // Done is done: an engine that repeats its request after a crash must not run it twice.
      if (known?.status.state === 'exited' && same) return known.status;
      const record = await this.#newRecord(instanceId, spec);
      const instance = this.#add(record);
      await instance.begin();
      return instance.status;
    });
  }

  /** Stops an instance for good and forgets it. @throws Fault `not_found`, `unavailable` */
  async remove(instanceId: string): Promise<InstanceStatus> {
    const { store, ports, collector, events } = this.#deps;
    return this.#inTurn(instanceId, async () => {
      const instance = this.#known(instanceId);
      await instance.stop('removed', instance.record.spec.stopGraceSeconds);
      const { status } = instance;
      await store.remove(instanceId);
      this.#instances.delete(instanceId);
      ports.release(instanceId);
      collector.forgetInstance(instanceId);
      events.publish({ kind: 'instance_removed', instanceId });
      return status;
    });
  }

  /** Stops everything side by side; the next supervisor starts it again. @throws Fault `unavailable` */
  async stopAll({ graceSecondsMax }: StopAll): Promise<InstanceStatus[]> {
    this.#stoppingAll = true;
    try {
      const results = await Promise.allSettled(
        [...this.#instances.values()]
          .filter((instance) => !instance.atRest)
          .map((instance) => {
            const { stopGraceSeconds } = instance.record.spec;
            return instance.stop('suspended', Math.min(stopGraceSeconds, graceSecondsMax));
          }),
      );
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      return this.list();
    } finally {
      this.#stoppingAll = false;
    }
  }

  /** @throws Fault `conflict` while the service has an instance */
  removeLogs(serviceId: ServiceId): void {
    const user = this.list().find((status) => status.serviceId === serviceId);
    if (user !== undefined) {
      throw new Fault('conflict', `The service still has the instance ${user.instanceId}.`);
    }
    this.#deps.collector.removeService(serviceId);
  }

  close(): void {
    this.#closing.abort();
  }

  async #newRecord(instanceId: string, spec: InstanceSpec): Promise<InstanceRecord> {
    const { store, ports, instancesMax } = this.#deps;
    const known = this.#instances.get(instanceId);
    if (known === undefined && this.#instances.size >= instancesMax) {
      throw new Fault('quota_exceeded', `This machine runs ${instancesMax} instances already.`);
    }
    const record: InstanceRecord = {
      v: 1,
      instanceId,
      spec,
      port: await ports.reserve(instanceId),
      desired: 'running',
      run: null,
      restartCount: 0,
      failures: 0,
      exit: known?.record.exit ?? null,
    };
    try {
      await store.save(record);
    } catch (error) {
      if (known === undefined) ports.release(instanceId);
      throw error;
    }
    return record;
  }

  #add(record: InstanceRecord): Instance {
    const { events } = this.#deps;
    const instance = new Instance(
      {
        ...this.#deps,
        onChange: ({ status }) => events.publish({ kind: 'instance_changed', instance: status }),
      },
      record,
    );
    this.#instances.set(record.instanceId, instance);
    return instance;
  }

  #known(instanceId: string): Instance {
    const instance = this.#instances.get(instanceId);
    if (instance === undefined) throw new Fault('not_found', `There is no instance ${instanceId}.`);
    return instance;
  }

  /** Kills what carries our mark but belongs to no present run: a start that was never recorded. */
  #sweep(): void {
    const { host, logger } = this.#deps;
    for (const { entry, instanceId, runId } of host.marked()) {
      if (this.#unreadable.includes(instanceId)) continue;
      const run = this.#instances.get(instanceId)?.record.run;
      if (run?.runId === runId) continue;
      logger.warn({ instanceId, pid: entry.pid }, 'ended a process that belongs to no instance');
      host.kill(entry);
    }
  }

  async #inTurn<T>(instanceId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(instanceId) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#queues.set(instanceId, turn);
    try {
      return await turn;
    } finally {
      if (this.#queues.get(instanceId) === turn) this.#queues.delete(instanceId);
    }
  }
}
