/**
 * Deliveries at a rate that does not wait for answers: what is late counts from when it was due.
 * Good for a few thousand a second; the benchmark has a generator of greater capacity.
 */
import { connect, type Socket } from 'node:net';
import { systemClock } from '@pilotfish/kernel';
import type { TestHook } from '@pilotfish/testing';
import { bytesOf, signedRequest } from './raw-connection.ts';

export interface LoadAnswer {
  /** On the monotonic clock. */
  readonly dueMs: number;
  readonly tookMs: number;
  /** 0 where there was none. */
  readonly status: number;
}

export interface OpenLoad {
  /** Each in its turn. */
  readonly hooks: readonly TestHook[];
  readonly port: number;
  /** Deliveries per second, evenly spread; Infinity for as fast as they are answered. */
  readonly perSecond: number;
  readonly seconds: number;
  /** One request at a time on each. */
  readonly connections: number;
  readonly bodyBytes: number;
  /** In front of the ids of its deliveries, which are numbered. */
  readonly name: string;
  /** What finds no connection before the time is over is not sent. */
  readonly dropsLate?: boolean;
}

const tickMs = 5;
const answerMsMax = 20_000;

/** Answers of all that was sent, once the last of them is there. */
export async function sendLoad(load: OpenLoad): Promise<LoadAnswer[]> {
  const answers: LoadAnswer[] = [];
  const startMs = systemClock.monotonicMs();
  const endMs = startMs + load.seconds * 1000;
  const requestOf = requestMaker(load);
  const due: number[] = [];
  const idle: LoadConnection[] = [];
  let taken = 0;
  let sent = 0;
  let underWay = 0;
  const isEndless = load.perSecond === Number.POSITIVE_INFINITY;

  const serve = (connection: LoadConnection) => {
    const nowMs = systemClock.monotonicMs();
    if (load.dropsLate && nowMs >= endMs) taken = due.length;
    const dueMs = isEndless ? (nowMs < endMs ? nowMs : undefined) : due[taken++];
    if (dueMs === undefined) {
      if (!isEndless) taken -= 1;
      idle.push(connection);
      return;
    }
    underWay += 1;
    connection.ask(requestOf(sent++), (status) => {
      underWay -= 1;
      answers.push({ dueMs, tookMs: systemClock.monotonicMs() - dueMs, status });
      serve(connection);
    });
  };

  const connections = Array.from({ length: load.connections }, () => openConnection(load.port));
  for (const connection of connections) serve(connection);
  for (let made = 0; ; ) {
    const nowMs = Math.min(systemClock.monotonicMs(), endMs);
    const until = isEndless ? 0 : dueUntil(load, nowMs - startMs);
    for (; made < until; made += 1) due.push(startMs + (made / load.perSecond) * 1000);
    while (idle.length > 0 && (isEndless ? nowMs < endMs : taken < due.length)) serve(idle.pop()!);
    const isAsked = nowMs >= endMs && (isEndless || taken === due.length);
    if (isAsked && underWay === 0) break;
    const nextMs =
      isEndless || nowMs >= endMs ? tickMs : startMs + (made / load.perSecond) * 1000 - nowMs;
    await systemClock.sleep(Math.min(tickMs, Math.max(1, nextMs)));
  }
  for (const connection of connections) connection.close();
  return answers;
}

/** Of evenly spread deliveries the first is due at once. */
function dueUntil({ perSecond, seconds }: OpenLoad, elapsedMs: number): number {
  return Math.min(Math.floor((elapsedMs / 1000) * perSecond) + 1, Math.round(seconds * perSecond));
}

function requestMaker({ hooks, ...load }: OpenLoad): (number: number) => string {
  const requests = hooks.map((hook) => requestTo(hook, load));
  return (number) => requests[number % requests.length]?.(`${load.name}-${number}`) ?? '';
}

/** Made of two halves around the id, because the signature is of the body alone. */
function requestTo(
  hook: TestHook,
  { bodyBytes }: Pick<OpenLoad, 'bodyBytes'>,
): (id: string) => string {
  if (hook.provider !== 'GITHUB') throw new TypeError('GitHub signs no delivery id');
  const body = '{"ref":"refs/heads/main"}'.padEnd(bodyBytes, ' ');
  const text = bytesOf(signedRequest(hook, '<id>', body)).toString('latin1');
  const [before = '', after = ''] = text.split('<id>');
  return (id) => `${before}${id}${after}`;
}

interface LoadConnection {
  ask(request: string, answered: (status: number) => void): void;
  close(): void;
}

/** Kept open; made again after it was lost. */
function openConnection(port: number): LoadConnection {
  let socket: Socket | undefined;
  let received = '';
  let answered: ((status: number) => void) | undefined;
  const settle = (status: number) => {
    const tell = answered;
    answered = undefined;
    received = '';
    tell?.(status);
  };
  const open = () => {
    const opened = connect({ port, host: '127.0.0.1', noDelay: true });
    opened.setEncoding('latin1').setTimeout(answerMsMax, () => opened.destroy());
    opened.on('data', (text: string) => {
      received += text;
      if (isComplete(received)) settle(Number(received.slice(9, 12)));
    });
    opened.on('error', () => undefined);
    opened.on('close', () => {
      if (socket === opened) socket = undefined;
      settle(0);
    });
    return opened;
  };
  return {
    ask(request, tell) {
      answered = tell;
      socket ??= open();
      socket.write(request, 'latin1');
    },
    close: () => void socket?.destroy(),
  };
}

function isComplete(text: string): boolean {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return false;
  const bytes = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
  return text.length >= headEnd + 4 + bytes;
}

/** @param share 0.99 for the 99th percentile */
export function percentileMs(answers: readonly LoadAnswer[], share: number): number {
  const sorted = answers.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
