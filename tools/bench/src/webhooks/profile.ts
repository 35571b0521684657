/** Where the gateway's time goes at full load: a profile by function, and by what it belongs to. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Stage, startOurs } from './contestants.ts';
import { describeLeg, runLeg } from './leg.ts';
import type { LoadGenerator } from './load-generator.ts';
import type { Pool } from './payloads.ts';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** Microseconds between a sample and the one before. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileOptions {
  readonly stage: Stage;
  readonly generator: LoadGenerator;
  readonly pool: Pool;
  readonly say: (progress: string) => void;
}

const warmUpSeconds = 3;
const seconds = 8;
const functionsShown = 40;

/** Says the shares; the profile itself, for Chrome's or any other viewer, is kept and named. */
export async function profileGateway({
  stage,
  generator,
  pool,
  say,
}: ProfileOptions): Promise<void> {
  const folder = join(stage.root, 'node_modules/.cache/pilotfish/profile');
  const before = new Set(listProfiles(folder));
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500'];
  const ours = await startOurs(stage, 1, { nodeFlags: flags, fromSource: true });
  const measure = (length: number) =>
    runLeg(generator, stage.servers, ours, { pool, rate: 0, seconds: length });
  say(describeLeg('warm-up', await measure(warmUpSeconds)));
  const leg = await measure(seconds);
  say(describeLeg('with a profiler', leg));
  await ours.stop();
  const file = listProfiles(folder).find((name) => !before.has(name));
  if (file === undefined) throw new Error('the gateway left no profile');
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
  for (const line of describeProfile(profile, leg.report.seconds)) say(line);
  say(`\nkept: ${join(folder, file)}`);
}

function listProfiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  } catch {
    return [];
  }
}

/** What a frame belongs to; the first that matches. */
const kinds: readonly (readonly [string, RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['garbage collection', /^\(garbage collector\)/],
  ['native code without a name (parser, kernel)', /^\((program|root)\)/],
  [
    'crypto',
    /node:internal\/crypto|^(update|digest|Hmac|Hash|createHmac|timingSafeEqual|oneShotDigest) /,
  ],
  ['socket writes', /^(writev|writeBuffer|writeUtf8String|writeLatin1String|shutdown) /],
  [
    'node:http and its parser',
    /node:_http|node:internal\/http|HTTPParser|^(execute|consume|initialize) /,
  ],
  ['streams and sockets', /node:net|node:internal\/stream|node:stream|node:_stream|streams\//],
  [
    'buffers',
    /node:buffer|node:internal\/buffer|^(copy|concat|utf8Write|latin1Slice|utf8Slice|allocUnsafe) /,
  ],
  [
    'timers, events, promises',
    /node:(internal\/(timers|process|promise|async|abort|event|priority)|events|timers|async)/,
  ],
  [
    'fastify',
    /node_modules\/(fastify|find-my-way|@fastify|avvio|light-my|secure-json|fast-|reusify|toad-cache)/,
  ],
  ['pino', /node_modules\/(pino|sonic-boom|thread-stream)/],
  ['database protocol', /node_modules\/(pg|postgres)/],
  ['libs/store', /libs\/store/],
  ['the gateway', /apps\/webhook-gateway/],
  ['other libs of ours', /\/libs\//],
  ['other native code', / $/],
  ['other', /./],
];

/** Shares of the last so many seconds: what the start took is no part of the answer. */
function* describeProfile(profile: CpuProfile, lastSeconds: number): Generator<string> {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, number>();
  const byKind = new Map<string, number>();
  let left = lastSeconds * 1e6;
  let busy = 0;
  for (let index = profile.samples.length - 1; index >= 0 && left > 0; index -= 1) {
    const micros = profile.timeDeltas[index] ?? 0;
    left -= micros;
    const frame = frames.get(profile.samples[index] ?? 0);
    if (frame === undefined) continue;
    const { functionName, url, lineNumber } = frame;
    const place =
      url === ''
        ? ''
        : `${url.replace(/^file:\/\/.*?\/(apps|libs|node_modules)\//, '$1/')}:${lineNumber + 1}`;
    const name = `${functionName || '(anonymous)'} ${place}`;
    const kind = kinds.find(([, pattern]) => pattern.test(name))?.[0] ?? 'other';
    byKind.set(kind, (byKind.get(kind) ?? 0) + micros);
    if (kind === 'idle') continue;
    busy += micros;
    byFunction.set(name, (byFunction.get(name) ?? 0) + micros);
  }
  const share = (micros: number) => `${((micros / busy) * 100).toFixed(1).padStart(5)} %`;
  const sorted = (of: Map<string, number>) => [...of].sort((a, b) => b[1] - a[1]);
  yield `\nshare of the ${(busy / 1e6).toFixed(1)} s that it was busy, by kind`;
  for (const [kind, micros] of sorted(byKind)) {
    if (kind !== 'idle') yield `  ${share(micros)}  ${kind}`;
  }
  yield '\nby function';
  for (const [name, micros] of sorted(byFunction).slice(0, functionsShown)) {
    yield `  ${share(micros)}  ${name}`;
  }
}
