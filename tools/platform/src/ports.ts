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

const blockSize = 220;
const firstBlock = 4100;
const lastBlock = 32_000;
const lockTriesMax = 100;
/** Second and further copies of services come after the named ports, applications after those. */
const replicaOffset = 10;
const applicationOffset = 120;
/** Ports of the first twenty that browsers refuse to open. */
const refusedByBrowsers = [
  4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10_080,
];

export interface Ports {
  readonly base: number;
  /** @param replica 0 for the first copy of a service, whose address is public */
  of(name: PortName, replica?: number): number;
  /** First and last port for applications. */
  readonly applications: readonly [number, number];
}

/** The ports of the block that begins at `base`. */
export function portsOf(base: number): Ports {
  return {
    base,
    of(name, replica = 0) {
      if (replica === 0) return base + offsets[name];
      return base + replicaOffset * replica + offsets[name];
    },
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
