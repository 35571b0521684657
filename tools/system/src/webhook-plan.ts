/** What senders of webhooks do, from one seed: which deliveries, in which order, and what is wrong. */
import { createHash, randomUUID } from 'node:crypto';
import { signDelivery, type TestHook } from '@pilotfish/testing';

/** A delivery that a provider would make: sent until it is acknowledged. */
export interface PlannedDelivery {
  readonly kind: 'genuine' | 'duplicate';
  readonly hook: TestHook;
  readonly deliveryId: string;
  /** The headers that go with it; made when it is sent, because some of them tell the time. */
  readonly sign: () => Record<string, string>;
  readonly body: Buffer;
}

/** A request that must never be stored: sent once. */
export interface PlannedAttack {
  /** `cut`: shorter than its length says; `shortened`: shorter than what was signed. */
  readonly kind: 'forged' | 'cut' | 'shortened';
  readonly hook: TestHook;
  readonly deliveryId: string;
  /** The headers that go with it; made when it is sent, because some of them tell the time. */
  readonly sign: () => Record<string, string>;
  readonly body: Buffer;
}

export type Planned = PlannedDelivery | PlannedAttack;

export interface PlanShares {
  readonly duplicates: number;
  readonly reordered: number;
  readonly forged: number;
  readonly truncated: number;
}

/** How far a reordered delivery may fall back. */
const reorderedByMax = 200;
/** Bodies in bytes: most are small, some as large as real pushes. */
const bodyBytes = { min: 200, max: 8000 };

/** @param count requests altogether, the duplicates and attacks among them */
export function planDeliveries(
  count: number,
  hooks: readonly TestHook[],
  shares: PlanShares,
  random: () => number,
): Planned[] {
  const plan: Planned[] = [];
  const genuine: PlannedDelivery[] = [];
  for (let sequence = 0; sequence < count; sequence += 1) {
    const hook = hooks[Math.floor(random() * hooks.length)]!;
    const chance = random();
    const earlier = genuine[Math.floor(random() * genuine.length)];
    if (chance < shares.duplicates && earlier !== undefined) {
      plan.push({ ...earlier, kind: 'duplicate' });
    } else if (chance < shares.duplicates + shares.forged) {
      plan.push(forge(hook, sequence, earlier, random));
    } else if (chance < shares.duplicates + shares.forged + shares.truncated) {
      plan.push(truncate(makeDelivery(hook, sequence, random), random));
    } else {
      const delivery = makeDelivery(hook, sequence, random);
      genuine.push(delivery);
      plan.push(delivery);
    }
  }
  return reorder(plan, shares.reordered, random);
}

export function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

function makeDelivery(hook: TestHook, sequence: number, random: () => number): PlannedDelivery {
  const deliveryId = randomUUID();
  const body = makeBody(sequence, random);
  return { kind: 'genuine', hook, deliveryId, sign: signer(hook, deliveryId, body), body };
}

function signer({ provider, secret }: TestHook, deliveryId: string, body: Buffer) {
  // GitLab's token proves who sends and not what: a shortened body would be taken.
  const way = provider === 'GITLAB' ? { way: 'standard' as const } : {};
  return () => signDelivery({ provider, secret, deliveryId, body, ...way });
}

/** Says where it is in the order, and is as long as chance wants it. */
function makeBody(sequence: number, random: () => number): Buffer {
  const { min, max } = bodyBytes;
  const text = JSON.stringify({ ref: 'refs/heads/main', sequence, chance: random() });
  const bytes = min + Math.floor((max - min) * random() ** 3);
  return Buffer.from(text.padEnd(bytes, ' '));
}

/** Under a secret that is not the webhook's; half of them take the id of a real delivery. */
function forge(
  hook: TestHook,
  sequence: number,
  model: PlannedDelivery | undefined,
  random: () => number,
): PlannedAttack {
  const squats = model !== undefined && random() < 0.5;
  const target = squats ? model.hook : hook;
  const deliveryId = squats ? model.deliveryId : randomUUID();
  const body = makeBody(sequence, random);
  const secret = `whsec_${Buffer.from(`forged ${sequence}`.padEnd(32, '.')).toString('base64')}`;
  const sign = signer({ ...target, secret }, deliveryId, body);
  return { kind: 'forged', hook: target, deliveryId, sign, body };
}

function truncate(delivery: PlannedDelivery, random: () => number): PlannedAttack {
  const body = delivery.body.subarray(0, Math.floor(random() * delivery.body.length));
  if (random() < 0.5) return { ...delivery, kind: 'shortened', body };
  const { length } = delivery.body;
  const sign = () => ({ ...delivery.sign(), 'content-length': String(length) });
  return { ...delivery, kind: 'cut', sign, body };
}

/** Lets some fall back; an attack may so come before the delivery whose id it takes. */
function reorder(plan: readonly Planned[], share: number, random: () => number): Planned[] {
  return plan
    .map((planned, index) => ({
      planned,
      place: random() < share ? index + 1 + random() * reorderedByMax : index,
    }))
    .sort((a, b) => a.place - b.place)
    .map(({ planned }) => planned);
}
