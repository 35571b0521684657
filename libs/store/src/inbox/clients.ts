/**
 * A few connections that stay open. Not the driver's own pool, which sets and clears two timers for
 * each use: in some processes, by chance, they kept one another alive in V8's old generation, with
 * the batches that they were for, and collecting garbage cost half of the gateway's time
 * (docs/adr/0006-the-path-of-a-delivery.md). It also closes what was idle for ten seconds, so that
 * the first delivery after a quiet time waits for a new connection.
 */
import { type Clock, Fault, systemClock } from '@pilotfish/kernel';
import pg from 'pg';

export interface Clients {
  /**
   * Lends a connection to one piece of work. One whose work failed or took too long is closed, since
   * what state it is in is not known.
   *
   * @throws Fault `unavailable` where none is free or made in time, or the work took too long; the
   * driver's error where the database refuses, and what `work` throws
   */
  use<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
  /** Waits for the work under way, and for a second at most until the server has let go. */
  close(): Promise<void>;
}

export interface ClientsOptions {
  readonly config: pg.ClientConfig;
  /** Connections at most. */
  readonly max: number;
  /** How long work may wait for one, and how long making one may take. */
  readonly waitMsMax: number;
  /** How long work may take, to the next look: there is one in each quarter of that, or second. */
  readonly workMsMax: number;
}

/** An open connection. */
interface Member {
  readonly client: pg.Client;
  /** Since when it is lent; null where it is idle. */
  lentMs: number | null;
}

interface Waiting {
  resolve(member: Member): void;
  reject(thrown: unknown): void;
  /** Aborted when its turn has come: from then on it takes what it is given, however late. */
  readonly called: AbortController;
}

export function createClients(options: ClientsOptions): Clients {
  const { max } = options;
  const clock = systemClock;
  /** The one that was used last is used next: its part of the database's memory is warm. */
  const idle: Member[] = [];
  const line = createLine(options, clock);
  const members = createMembers(options, clock, (gone) => {
    const at = idle.indexOf(gone);
    if (at !== -1) idle.splice(at, 1);
    // Its place is the next one's.
    const next = line.shift();
    if (next !== undefined) members.make().then(next.resolve, next.reject);
    if (isClosing && members.open.size === 0) closed.resolve();
  });
  const watch = createWatch(members.open, options, clock, () => {
    for (const member of idle.slice()) members.drop(member);
  });
  const closed = Promise.withResolvers<void>();
  let isClosing = false;

  async function take(): Promise<Member> {
    if (isClosing) throw new Error('the connections are closed');
    return idle.pop() ?? (await (members.open.size < max ? members.make() : line.wait()));
  }

  function giveBack(member: Member): void {
    member.lentMs = null;
    if (!members.open.has(member)) return;
    const next = line.shift();
    if (next !== undefined) next.resolve(member);
    else if (isClosing) void members.part(member);
    else idle.push(member);
  }

  return {
    async use(work) {
      const member = await take().catch(throwFault);
      member.lentMs = clock.monotonicMs();
      watch.begin();
      try {
        const result = await work(member.client);
        giveBack(member);
        return result;
      } catch (thrown) {
        members.drop(member);
        return throwFault(thrown);
      }
    },
    async close() {
      isClosing = true;
      if (members.open.size === 0) closed.resolve();
      for (const member of idle.splice(0)) void members.part(member);
      await closed.promise;
      watch.end();
    },
  };
}

/** Work that waits for a connection, first come first served. */
function createLine({ max, waitMsMax }: Pick<ClientsOptions, 'max' | 'waitMsMax'>, clock: Clock) {
  const line: Waiting[] = [];
  return {
    async wait(): Promise<Member> {
      const { promise, resolve, reject } = Promise.withResolvers<Member>();
      const called = new AbortController();
      const waiting = { resolve, reject, called };
      line.push(waiting);
      const giveUp = () => {
        line.splice(line.indexOf(waiting), 1);
        reject(new Error(`all ${max} connections are busy`));
      };
      clock.sleep(waitMsMax, called.signal).then(giveUp, () => undefined);
      return await promise;
    },
    shift(): Waiting | undefined {
      const next = line.shift();
      next?.called.abort();
      return next;
    },
  };
}

const goodbyeMsMax = 1000;

/** @param onGone called once for each that is closed, whoever closed it */
function createMembers(
  { config, waitMsMax }: Pick<ClientsOptions, 'config' | 'waitMsMax'>,
  clock: Clock,
  onGone: (member: Member) => void,
) {
  const open = new Set<Member>();

  function forget(member: Member): void {
    if (open.delete(member)) onGone(member);
  }

  function drop(member: Member): void {
    member.client.connection.stream.destroy();
    forget(member);
  }

  return {
    open: open as ReadonlySet<Member>,
    async make(): Promise<Member> {
      const client = new pg.Client({ ...config, connectionTimeoutMillis: waitMsMax });
      const member: Member = { client, lentMs: null };
      open.add(member);
      // What breaks it is told to its work; one that is idle is not to be lent any more.
      client.on('error', () => {
        if (member.lentMs === null) drop(member);
      });
      client.on('end', () => forget(member));
      try {
        await client.connect();
        return member;
      } catch (thrown) {
        forget(member);
        throw thrown;
      }
    },
    drop,
    /** Says goodbye, to a server that may hang. */
    async part(member: Member): Promise<void> {
      const over = new AbortController();
      clock.sleep(goodbyeMsMax, over.signal).then(
        () => drop(member),
        () => undefined,
      );
      await member.client.end().catch(() => undefined);
      over.abort();
      forget(member);
    },
  };
}

const lookMsMax = 1000;

/**
 * One look for all, while something is lent. The driver's own limit, `query_timeout`, is a timer per
 * question.
 *
 * @param onSilence the server did not answer one of them: what is idle leads to the same one
 */
function createWatch(
  open: ReadonlySet<Member>,
  { workMsMax }: Pick<ClientsOptions, 'workMsMax'>,
  clock: Clock,
  onSilence: () => void,
): { begin(): void; end(): void } {
  const over = new AbortController();
  let isLooking = false;

  async function look(): Promise<void> {
    while ([...open].some(({ lentMs }) => lentMs !== null)) {
      await clock.sleep(Math.min(workMsMax / 4, lookMsMax), over.signal);
      const tooLongMs = clock.monotonicMs() - workMsMax;
      for (const { client, lentMs } of open) {
        if (lentMs === null || lentMs > tooLongMs) continue;
        client.connection.stream.destroy(new Error('it was silent for too long'));
        onSilence();
      }
    }
    isLooking = false;
  }

  return {
    begin() {
      if (isLooking) return;
      isLooking = true;
      // Ends early where the connections are closed.
      look().catch(() => undefined);
    },
    end: () => over.abort(),
  };
}

/** This driver's own errors, of a connection that broke or does not answer, have no code. */
function throwFault(thrown: unknown): never {
  if (!(thrown instanceof Error) || thrown.constructor !== Error || 'code' in thrown) throw thrown;
  const internal = thrown.message;
  throw new Fault('unavailable', 'The database does not answer', { internal, cause: thrown });
}
