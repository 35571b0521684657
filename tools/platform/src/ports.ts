/**
 * The ports of one platform are a block of 220 in a row, remembered in `ports.json`: addresses must
 * stay, because clones, webhooks and bookmarks hold them. Blocks lie below the ephemeral ports,
 * where any program's outgoing connection could sit on one of ours just when we start again.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, systemClock } from '@pilotfish/kernel';
import { type FileLock, isPortFree, tryFileLock } from '@pilotfish/servers';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/** Offsets in the block; new ones are added at the end, because old blocks are remembered. */
const offsets = {
  'core-api': 0,
  'webhook-gateway': 1,
  'websocket-gateway': 2,
  'git-server': 3,
  edge: 4,
  engine: 5,
  postgres: 6,
  nats: 7,
} as const;
export type PortName = keyof typeof offsets;

/** What several copies may run of: the place of each in its copy's row of ports. */
const placesInRow = {
  'core-api': 0,
  'webhook-gateway': 1,
  'websocket-gateway': 2,
  'core-api-dispatcher': 3,
  'core-api-relay': 4,
  'core-api-ingester': 5,
  'core-api-reconciler': 6,
} as const;
export type ReplicaName = keyof typeof placesInRow;

const blockSize = 220;
const firstBlock = 4100;
const lastBlock = 32_000;
const lockTriesMax = 100;
/** Ports of single copies come after the named ones, a row for each copy, applications after those. */
const rowLength = 10;
const applicationOffset = 120;
/** Ports of the first twenty that browsers refuse to open. */
const refusedByBrowsers = [
  4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10_080,
];

export interface Ports {
  readonly base: number;
  /** Where a service is reached, however many copies of it share the port. */
  of(name: PortName): number;
  /** Of one copy alone. @param replica from 0 to 9 */
  ofReplica(name: ReplicaName, replica: number): number;
  /** First and last port for applications. */
  readonly applications: readonly [number, number];
}

/** The ports of the block that begins at `base`. */
export function portsOf(base: number): Ports {
  return {
    base,
    of: (name) => base + offsets[name],
    ofReplica: (name, replica) => base + rowLength * (replica + 1) + placesInRow[name],
    applications: [base + applicationOffset, base + blockSize - 1],
  };
}

interface Claim {
  readonly home: string;
}

/** Blocks that other homes of this user remember; those of homes that are gone are forgotten. */
function listClaimedBlocks(folder: string, ownHome: string): Set<number> {
  const claimed = new Set<number>();
  for (const name of readdirSync(folder)) {
    const base = Number(/^(\d+)\.json$/.exec(name)?.[1]);
    if (!Number.isInteger(base)) continue;
    const claim = readJsonFile<Claim>(join(folder, name));
    if (claim !== undefined && claim.home !== ownHome && existsSync(claim.home)) claimed.add(base);
    else rmSync(join(folder, name), { force: true });
  }
  return claimed;
}

async function isBlockFree(base: number): Promise<boolean> {
  const named = Object.values(offsets).map((offset) => base + offset);
  if (named.some((port) => refusedByBrowsers.includes(port))) return false;
  const free = await Promise.all(named.map(isPortFree));
  return free.every(Boolean);
}

async function waitForLock(path: string): Promise<FileLock> {
  for (let tries = 0; tries < lockTriesMax; tries += 1) {
    const lock = tryFileLock(path);
    if (lock !== undefined) return lock;
    await systemClock.sleep(100);
  }
  throw new Fault('overloaded', 'Another platform is choosing its ports: start again.');
}

/**
 * Finds a block for a new home. Two homes that start at the same moment do not get the same one:
 * the choice is made under a lock and written down in `claimsFolder`.
 */
async function chooseBlock(home: string, claimsFolder: string): Promise<number> {
  mkdirSync(claimsFolder, { recursive: true });
  const lock = await waitForLock(join(claimsFolder, 'lock'));
  try {
    const claimed = listClaimedBlocks(claimsFolder, home);
    for (let base = firstBlock; base <= lastBlock; base += blockSize) {
      if (claimed.has(base) || !(await isBlockFree(base))) continue;
      writeJsonFile(join(claimsFolder, `${base}.json`), { home } satisfies Claim);
      return base;
    }
  } finally {
    lock.release();
  }
  throw new Fault('unavailable', 'No 220 free ports in a row: set PILOTFISH_PORT_BASE.');
}

/** The remembered ports of a home, those from `base` if given, or newly chosen ones. */
export async function openPorts(options: {
  readonly home: string;
  readonly portsFile: string;
  readonly claimsFolder: string;
  readonly base: number | undefined;
}): Promise<Ports> {
  const remembered = readJsonFile<{ base: number }>(options.portsFile)?.base;
  const base =
    options.base ?? remembered ?? (await chooseBlock(options.home, options.claimsFolder));
  if (base !== remembered) writeJsonFile(options.portsFile, { base });
  return portsOf(base);
}

/** Who wants to listen where. */
export interface WantedPort {
  readonly name: string;
  readonly port: number;
}

/** A port may be busy for a moment because another platform looks whether it is free. */
const secondLookMs = 300;

/** @throws Fault `conflict` with one sentence for the first port that somebody else listens on */
export async function assertPortsFree(wanted: readonly WantedPort[]): Promise<void> {
  for (const port of new Set(wanted.map((each) => each.port))) {
    if (await isPortFree(port)) continue;
    await systemClock.sleep(secondLookMs);
    if (await isPortFree(port)) continue;
    const name = wanted.find((each) => each.port === port)?.name;
    throw new Fault(
      'conflict',
      `Port ${port} of ${name} is taken by another program: end that one, or set PILOTFISH_PORT_BASE to the first of ${blockSize} free ports.`,
    );
  }
}
