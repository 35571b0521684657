/**
 * A target without processes: what it would have started is a list of effects. It keeps the rules
 * of the port (idempotent steps, abort, sweep), so that an engine can be killed beside it at any
 * instruction and the list tells afterwards what really happened, and how often.
 *
 * How a step goes is steered by plain variables of the release, because those reach the target
 * through a real journal and over a restart: `FAKE_<STEP>` = `fail` (permanent), `unavailable:N`
 * (retryable, N times), `break` (an error nobody foresaw), `hang` (until aborted),
 * `leak` (reports the release's secrets).
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import {
  failedStep,
  type ObservedService,
  type Step,
  type StepContext,
  type StepName,
  type StepOutcome,
  type Target,
} from '@pilotfish/domain-deploy';
import {
  assert,
  type EnvironmentId,
  type ExecutionId,
  Fault,
  type ReleaseId,
  type ServiceId,
  unreachable,
} from '@pilotfish/kernel';

/** One thing that happened at the target, or the begin of a step that may have led to one. */
export interface FakeEffect {
  readonly effect:
    | 'began'
    | 'built'
    | 'started'
    | 'switched'
    | 'retired'
    | 'stopped'
    | 'deleted'
    | 'abandoned'
    | 'swept';
  readonly step: StepName | 'sweep';
  readonly executionId: ExecutionId | null;
  readonly environmentId: EnvironmentId;
  readonly serviceId: ServiceId;
  readonly releaseId: ReleaseId | null;
}

/** Where effects are written down. */
export interface FakeLedger {
  append(effect: FakeEffect): void;
  read(): readonly FakeEffect[];
}

export function memoryLedger(): FakeLedger {
  const effects: FakeEffect[] = [];
  return { append: (effect) => effects.push(effect), read: () => effects };
}

/** Survives the `kill -9` of whoever writes: the kernel has a line once `write` returned. */
export function fileLedger(file: string): FakeLedger {
  return {
    append: (effect) => appendFileSync(file, `${JSON.stringify(effect)}\n`),
    read() {
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line) as FakeEffect);
    },
  };
}

export interface FakeTargetOptions {
  readonly ledger?: FakeLedger;
  /** Called on the way into a step and out of it: where a test pulls the plug. */
  readonly onStep?: (when: 'before' | 'after', step: Step, context: StepContext) => Promise<void>;
  /** How a step goes, if not well: null lets it have its effect. Default: as its variables say. */
  readonly behave?: (step: Step, context: StepContext) => Promise<StepOutcome | null>;
}

export interface FakeTarget extends Target {
  effects(): readonly FakeEffect[];
}

export function createFakeTarget(options: FakeTargetOptions = {}): FakeTarget {
  const ledger = options.ledger ?? memoryLedger();
  const tries = new Map<string, number>();
  const behave = options.behave ?? ((step, context) => misbehave(step, context, tries));

  async function run(step: Step, context: StepContext): Promise<StepOutcome> {
    await options.onStep?.('before', step, context);
    context.signal.throwIfAborted();
    const record = (effect: FakeEffect['effect'], releaseId: ReleaseId | null) =>
      ledger.append({
        effect,
        step: step.name,
        executionId: context.executionId,
        environmentId: context.environmentId,
        serviceId: step.service.serviceId,
        releaseId,
      });
    const ownReleaseId = step.service.release?.releaseId ?? null;
    record('began', ownReleaseId);
    const failure = await behave(step, context);
    if (failure !== null) return failure;
    carryOut(step, foldService(ledger.read(), step.service.serviceId), record);
    await options.onStep?.('after', step, context);
    return { ok: true };
  }

  return {
    kind: 'process',
    isolation: 'T0',
    run,
    effects: () => ledger.read(),
    async observe(environmentId, signal) {
      signal.throwIfAborted();
      return observe(ledger.read(), environmentId);
    },
    async sweep(openExecutions, signal) {
      signal.throwIfAborted();
      for (const state of foldAll(ledger.read()).values()) {
        for (const [releaseId, executionId] of state.running) {
          if (releaseId === state.serving || openExecutions.has(executionId)) continue;
          const { environmentId, serviceId } = state;
          const effect = { effect: 'swept', step: 'sweep', environmentId, serviceId } as const;
          ledger.append({ ...effect, executionId, releaseId });
        }
      }
    },
  };
}

type RecordEffect = (effect: FakeEffect['effect'], releaseId: ReleaseId | null) => void;

/** Every step looks first whether its effect is there already. */
function carryOut({ name, service }: Step, state: ServiceState, record: RecordEffect): void {
  const releaseId = service.release?.releaseId ?? null;
  switch (name) {
    case 'build':
      if (releaseId !== null && !state.artefacts.has(releaseId)) record('built', releaseId);
      return;
    case 'start':
      assert(releaseId !== null && state.artefacts.has(releaseId), 'built before it is started');
      if (!state.running.has(releaseId)) record('started', releaseId);
      return;
    case 'await_healthy':
      assert(releaseId !== null && state.running.has(releaseId), 'started before it is healthy');
      return;
    case 'switch':
      assert(releaseId !== null && state.running.has(releaseId), 'started before it serves');
      if (state.serving !== releaseId) record('switched', releaseId);
      return;
    case 'retire':
      assert(state.serving === releaseId, 'it serves before others are retired');
      for (const other of state.running.keys()) if (other !== releaseId) record('retired', other);
      return;
    case 'stop':
      if (state.serving !== null || state.running.size > 0) record('stopped', null);
      return;
    case 'delete':
      if (state.known) record('deleted', null);
      return;
    case 'abandon':
      if (releaseId !== null && state.running.has(releaseId) && state.serving !== releaseId) {
        record('abandoned', releaseId);
      }
      return;
    default:
      unreachable(name);
  }
}

async function misbehave(
  { name, service }: Step,
  context: StepContext,
  tries: Map<string, number>,
): Promise<StepOutcome | null> {
  const wish = service.release?.variables[`FAKE_${name.toUpperCase()}`];
  const [what = '', count = '1'] = (wish ?? '').split(':');
  switch (what) {
    case 'fail':
      return failedStep('BUILD_FAILED', `The ${name} failed`, 'Mend it', ['the line that matters']);
    case 'break':
      throw new TypeError(`nobody foresaw this in ${name}`);
    case 'unavailable': {
      const key = `${context.executionId}/${service.serviceId}/${name}`;
      const tried = tries.get(key) ?? 0;
      tries.set(key, tried + 1);
      if (tried < Number(count)) throw new Fault('unavailable', 'The Git host does not answer.');
      return null;
    }
    case 'leak':
      for (const secret of Object.values(context.secrets)) {
        context.report({ step: 'BUILD', severity: 'INFO', text: `using ${secret}!` });
      }
      return null;
    case 'hang':
      return await untilAborted(context.signal);
    default:
      return null;
  }
}

/** As a step that never comes to an end. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

interface ServiceState {
  readonly serviceId: ServiceId;
  readonly environmentId: EnvironmentId;
  known: boolean;
  artefacts: Set<ReleaseId>;
  /** Running releases and the execution that started each. */
  running: Map<ReleaseId, ExecutionId>;
  serving: ReleaseId | null;
}

function foldAll(effects: readonly FakeEffect[]): Map<ServiceId, ServiceState> {
  const states = new Map<ServiceId, ServiceState>();
  for (const effect of effects) {
    const state = states.get(effect.serviceId) ?? emptyState(effect);
    states.set(effect.serviceId, state);
    applyEffect(state, effect);
  }
  return states;
}

function foldService(effects: readonly FakeEffect[], serviceId: ServiceId): ServiceState {
  const state = foldAll(effects).get(serviceId);
  assert(state !== undefined, 'every step begins with an entry of its service');
  return state;
}

function emptyState({ serviceId, environmentId }: FakeEffect): ServiceState {
  const nothing = { known: false, artefacts: new Set<ReleaseId>(), serving: null };
  return { serviceId, environmentId, ...nothing, running: new Map() };
}

function applyEffect(state: ServiceState, { effect, releaseId, executionId }: FakeEffect): void {
  if (effect === 'stopped' || effect === 'deleted') {
    state.running.clear();
    state.serving = null;
    if (effect === 'stopped') return;
    state.artefacts.clear();
    state.known = false;
  }
  if (releaseId === null) return;
  if (effect === 'built') {
    state.known = true;
    state.artefacts.add(releaseId);
  }
  if (effect === 'started' && executionId !== null) state.running.set(releaseId, executionId);
  if (effect === 'switched') state.serving = releaseId;
  if (effect === 'retired' || effect === 'abandoned' || effect === 'swept') {
    state.running.delete(releaseId);
  }
}

function observe(effects: readonly FakeEffect[], environmentId: EnvironmentId): ObservedService[] {
  return [...foldAll(effects).values()]
    .filter((state) => state.environmentId === environmentId && state.known)
    .map((state) => ({
      serviceId: state.serviceId,
      servingReleaseId: state.serving,
      runningReleaseIds: [...state.running.keys()],
    }));
}
