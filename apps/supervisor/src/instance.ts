/**
 * The life of one instance: start → running → (ended → back-off → start …) → stopped or exited.
 *
 * What is about to happen is recorded before it happens, so a supervisor that dies at any point
 * leaves a record from which the next one goes on: a run without a process in its record may have
 * been started (it is then found by its mark), a run with a process is adopted or known to be gone.
 */
import { randomBytes } from 'node:crypto';
import type { InstanceState, InstanceStatus } from '@pilotfish/contracts';
import { backoffDelayMs, type Clock, Fault } from '@pilotfish/kernel';
import { untilNotAlive } from './liveness.ts';
import type { OutputCollector } from './logs/output-collector.ts';
import type { Ports } from './ports.ts';
import { endMembers } from './process/end-members.ts';
import type { ProcessHost, RunEnd, RunningProcess } from './process/process-host.ts';
import type { InstanceRecord, RecordStore, RunRecord } from './record-store.ts';
import { describeEnd, endOf, mayStartAgain } from './run-end.ts';
import { startOptions } from './start-options.ts';
import { systemFault } from './system-fault.ts';

export interface InstanceDeps {
  readonly clock: Clock;
  readonly logger: {
    info(fields: object, sentence: string): void;
    warn(fields: object, sentence: string): void;
  };
  readonly host: ProcessHost;
  readonly store: RecordStore;
  readonly ports: Ports;
  readonly collector: OutputCollector;
  /** The PATH of applications whose specification does not name one. */
  readonly applicationPath: string;
  /** A number in [0, 1). */
  random(): number;
  onChange(instance: Instance): void;
}

interface Stop {
  readonly desired: 'suspended' | 'removed';
  /** On the monotonic clock: from then on SIGKILL. */
  killAtMs: number;
}

export class Instance {
  readonly #deps: InstanceDeps;
  #record: InstanceRecord;
  #state: InstanceState = 'starting';
  #message = '';
  #nextStartAt: string | null = null;
  #stop: Stop | null = null;
  /** Why not everything could be ended. */
  #leftOver: Fault | null = null;
  readonly #stopAsked = Promise.withResolvers<'stop'>();
  readonly #firstTry = Promise.withResolvers<void>();
  #life: Promise<void> = Promise.resolve();

  constructor(deps: InstanceDeps, record: InstanceRecord) {
    this.#deps = deps;
    this.#record = record;
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  /** Nothing of it runs, and nothing will by itself. */
  get atRest(): boolean {
    return this.#state === 'exited' || this.#state === 'stopped';
  }

  get status(): InstanceStatus {
    const { instanceId, spec, port, run, restartCount, exit } = this.#record;
    const { serviceId, environmentId, releaseId, version } = spec;
    return {
      ...{ instanceId, serviceId, environmentId, releaseId, version, port, restartCount, exit },
      state: this.#state,
      stopping: this.#stop !== null && this.#state !== 'stopped',
      pid: run?.process?.pid ?? null,
      startedAt: run?.process === undefined || run.process === null ? null : run.startedAt,
      nextStartAt: this.#nextStartAt,
      message: this.#message,
      lastLines: [...this.#deps.collector.lastLines({ serviceId, instanceId })],
    };
  }

  /** Begins or resumes; resolves when the first try to start is over, whatever came of it. */
  begin(): Promise<void> {
    if (this.#record.desired === 'ended') {
      this.#state = 'exited';
      return Promise.resolve();
    }
    if (this.#record.desired === 'removed') this.#stopBy('removed', 0);
    this.#life = this.#live().catch((error) => {
      // Not foreseen: whatever runs of it is ended by a DELETE.
      const { instanceId } = this.#record;
      this.#deps.logger.warn({ instanceId, err: error }, 'the life of an instance broke off');
      this.#become('exited', systemFault(error, 'looking after it').detail);
    });
    return Promise.race([this.#firstTry.promise, this.#life]);
  }

  /**
   * Ends it: SIGTERM to everything that belongs to it, SIGKILL to what is left after the grace. A
   * second call may only shorten the grace.
   *
   * @throws Fault `unavailable` while some process cannot be ended; ask again then
   */
  async stop(desired: Stop['desired'], graceSeconds: number): Promise<void> {
    if (this.atRest) {
      await endMembers(this.#deps, this.#membership, () => 0);
      this.#leftOver = null;
      this.#become('stopped', '');
      return;
    }
    const killAtMs = this.#deps.clock.monotonicMs() + graceSeconds * 1000;
    if (this.#stop !== null) this.#stop.killAtMs = Math.min(this.#stop.killAtMs, killAtMs);
    else {
      this.#stopBy(desired, killAtMs);
      await this.#saveOrWarn({ desired });
      this.#deps.onChange(this);
    }
    await this.#life;
    if (this.#leftOver !== null) throw this.#leftOver;
  }

  #stopBy(desired: Stop['desired'], killAtMs: number): void {
    this.#stop = { desired, killAtMs };
    this.#stopAsked.resolve('stop');
  }

  async #live(): Promise<void> {
    let process = await this.#resume();
    while (this.#stop === null) {
      process ??= await this.#start();
      this.#firstTry.resolve();
      if (process !== null) {
        const end = await this.#untilEnd(process);
        if (end === 'stop') break;
        await this.#afterEnd(end);
        process = null;
        if (!mayStartAgain(this.#record.spec.restart, end)) {
          await this.#saveOrWarn({ desired: 'ended' });
          this.#become('exited', this.#message);
          return;
        }
      } else if (this.#record.spec.restart.when === 'never') {
        await this.#saveOrWarn({ desired: 'ended' });
        this.#become('exited', this.#message);
        return;
      }
      await this.#backOff();
    }
    await this.#shutDown(process);
  }

  /** Finds the process that a former supervisor started; null where there is none any more. */
  async #resume(): Promise<RunningProcess | null> {
    const { host, collector, logger } = this.#deps;
    const { run, instanceId } = this.#record;
    if (run === null) return null;
    const identity = run.process ?? host.findRun(run.runId);
    const process = identity === null ? null : host.adopt(identity);
    if (process !== null) {
      await this.#saveOrWarn({ run: { ...run, process: process.identity } });
      collector.attach(this.#outputOf(run));
      this.#become('running', '');
      logger.info({ instanceId, pid: process.identity.pid }, 'adopted a running instance');
      return process;
    }
    await this.#endAll(() => 0);
    await this.#finishOutput(run, 'Ended while the supervisor was away.');
    const at = this.#now();
    await this.#saveOrWarn({ run: null, exit: { code: null, signal: null, at } });
    return null;
  }

  /** Null when it could not be started; the message says why. */
  async #start(): Promise<RunningProcess | null> {
    const { host, collector, ports } = this.#deps;
    const { port, spec } = this.#record;
    const run: RunRecord = {
      runId: `${host.supervisorId}.${randomBytes(8).toString('hex')}`,
      process: null,
      startedAt: this.#now(),
    };
    this.#become('starting', '');
    try {
      if (!(await ports.isFree(port))) {
        throw new Fault('unavailable', `Port ${port} is in use by another program.`);
      }
      await this.#save({ run });
      collector.attach(this.#outputOf(run));
      const process = await host.start(startOptions(this.#deps, this.#record, run));
      if ('reason' in process) {
        const { exitCode: code, reason } = process;
        await this.#startFailed(run, reason, { code, signal: null, reason, at: this.#now() });
        return null;
      }
      // Not durable is no harm: the process is found again by its mark.
      await this.#saveOrWarn({ run: { ...run, process: process.identity } });
      this.#become('running', '');
      return process;
    } catch (error) {
      const { detail } = systemFault(error, `starting ${spec.argv[0]}`);
      await this.#startFailed(run, detail, this.#record.exit);
      return null;
    }
  }

  async #startFailed(run: RunRecord, sentence: string, exit: InstanceRecord['exit']) {
    await this.#finishOutput(run, sentence);
    await this.#saveOrWarn({ run: null, exit, failures: this.#record.failures + 1 });
    this.#message = sentence;
  }

  /** Waits for the end of a process, and brings it about where it is alive no more by its probe. */
  async #untilEnd(process: RunningProcess): Promise<RunEnd | 'stop'> {
    const { run, spec, port } = this.#record;
    const { liveness } = spec;
    const end = Promise.race([process.ended, this.#stopAsked.promise]);
    if (liveness === null || run === null) return await end;
    const options = startOptions(this.#deps, this.#record, run);
    const question = { liveness, port, options, startedAt: run.startedAt };
    const over = new AbortController();
    const first = await Promise.race([end, untilNotAlive(this.#deps, question, over.signal)]);
    over.abort();
    return typeof first !== 'string' && 'notAlive' in first
      ? await this.#endSick(process, run, first.notAlive)
      : first;
  }

  /** With its usual grace, which a stop that is asked for meanwhile may shorten. */
  async #endSick(process: RunningProcess, run: RunRecord, reason: string): Promise<RunEnd> {
    const { clock, collector, logger } = this.#deps;
    const { instanceId, spec } = this.#record;
    logger.warn({ instanceId }, reason);
    collector.note(this.#outputOf(run), reason);
    this.#become('running', reason);
    const killAtMs = clock.monotonicMs() + spec.stopGraceSeconds * 1000;
    await this.#endAll(() => Math.min(killAtMs, this.#stop?.killAtMs ?? killAtMs));
    return { ...(await endOf(process, clock)), reason };
  }

  async #afterEnd(end: RunEnd): Promise<void> {
    const { clock } = this.#deps;
    const { run, spec, failures } = this.#record;
    if (run === null) return;
    // Workers of an ended process would hold the port, and nobody would ever end them.
    await this.#endAll(() => 0);
    await this.#finishOutput(run, describeEnd(end));
    const ran = clock.now().since(Temporal.Instant.from(run.startedAt)).total('seconds');
    const stable = ran >= spec.restart.stableSeconds;
    const exit = { ...end, at: this.#now() };
    await this.#saveOrWarn({ run: null, exit, failures: stable ? 1 : failures + 1 });
    this.#message = end.reason ?? describeEnd(end);
  }

  async #backOff(): Promise<void> {
    const { clock, random } = this.#deps;
    const { spec, failures, restartCount } = this.#record;
    // Half of the wait is random: instances that fell together do not rise together.
    const delayMs = backoffDelayMs(spec.restart, Math.max(0, failures - 1), 0.5 + random() / 2);
    this.#nextStartAt = this.#now(delayMs);
    const seconds = (delayMs / 1000).toFixed(delayMs < 10_000 ? 1 : 0);
    this.#become('backing_off', `${this.#message} Starts again in ${seconds} s.`);
    const woken = new AbortController();
    const waited = clock.sleep(delayMs, woken.signal).catch(() => {});
    await Promise.race([waited, this.#stopAsked.promise]);
    woken.abort();
    this.#nextStartAt = null;
    if (this.#stop === null) await this.#saveOrWarn({ restartCount: restartCount + 1 });
  }

  async #shutDown(process: RunningProcess | null): Promise<void> {
    const { clock } = this.#deps;
    const stop = this.#stop;
    if (stop === null) return;
    const { run } = this.#record;
    this.#leftOver = await this.#endAll(() => stop.killAtMs);
    if (process !== null && run !== null) {
      const end = await endOf(process, clock);
      await this.#finishOutput(run, 'Stopped.');
      await this.#saveOrWarn({ run: null, exit: { ...end, at: this.#now() }, failures: 0 });
    }
    this.#become('stopped', this.#leftOver?.detail ?? '');
  }

  /** What cannot be ended is reported, and held against a stop, but does not end this life. */
  async #endAll(killAtMs: () => number): Promise<Fault | null> {
    try {
      await endMembers(this.#deps, this.#membership, killAtMs);
      return null;
    } catch (error) {
      const fault = systemFault(error, 'ending processes');
      this.#deps.logger.warn({ instanceId: this.#record.instanceId }, fault.detail);
      return fault;
    }
  }

  /** Takes the last lines of a run and says how it ended; a failure costs lines, nothing else. */
  async #finishOutput(run: RunRecord, lastSentence: string): Promise<void> {
    const { collector, logger } = this.#deps;
    try {
      await collector.finish(this.#outputOf(run));
      collector.note(this.#outputOf(run), lastSentence);
    } catch (error) {
      const { instanceId } = this.#record;
      logger.warn({ instanceId }, systemFault(error, 'keeping its last lines').detail);
    }
  }

  get #membership() {
    const { instanceId, run } = this.#record;
    return { instanceId, leader: run?.process ?? null };
  }

  #outputOf(run: RunRecord) {
    const { instanceId, spec } = this.#record;
    const { serviceId, version } = spec;
    return { serviceId, instanceId, version, runId: run.runId };
  }

  #become(state: InstanceState, message: string): void {
    this.#state = state;
    this.#message = message;
    this.#deps.onChange(this);
  }

  async #save(change: Partial<InstanceRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    await this.#deps.store.save(this.#record);
  }

  /** For changes that the next supervisor could find out by itself. */
  async #saveOrWarn(change: Partial<InstanceRecord>): Promise<void> {
    try {
      await this.#save(change);
    } catch (error) {
      const { instanceId } = this.#record;
      this.#deps.logger.warn({ instanceId }, systemFault(error, 'writing a record').detail);
    }
  }

  #now(plusMs = 0): string {
    const at = this.#deps.clock.now().add({ milliseconds: plusMs });
    return at.toString({ smallestUnit: 'millisecond' });
  }
}
