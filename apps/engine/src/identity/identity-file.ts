/**
 * Who this engine is, in one file (mode 0600, replaced atomically and fsynced): made → enrolled.
 * The keys are made here and their private halves never leave it.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { newUserKey, type UserKey, userKeyFromSeed } from '@pilotfish/bus';
import { newSealingKeyPair, readSecretFile, type SealingKeyPair } from '@pilotfish/crypto';
import { type ClusterId, type EngineId, Fault, type OrganizationId } from '@pilotfish/kernel';
import { z } from 'zod';

/** Null fields are filled by the enrolment. */
const IdentityFile = z.object({
  version: z.literal(1),
  identitySeed: z.string(),
  sealingPublicKey: z.string(),
  sealingPrivateKey: z.string(),
  enrolment: z
    .object({
      engineId: z.uuid(),
      clusterId: z.uuid(),
      organizationId: z.uuid(),
      natsUrl: z.string(),
    })
    .nullable(),
});

export interface Enrolment {
  readonly engineId: EngineId;
  readonly clusterId: ClusterId;
  readonly organizationId: OrganizationId;
  readonly natsUrl: string;
}

export interface Identity {
  /** Signs: NATS and core-api know this engine by it. */
  readonly userKey: UserKey;
  /** Opens what is sealed to this engine; never signs. */
  readonly sealingKey: SealingKeyPair;
  readonly enrolment: Enrolment | null;
}

/** The identity in the folder; made and stored there at the first call. */
export async function loadOrCreateIdentity(folder: string): Promise<Identity> {
  const existing = await loadIdentity(folder);
  if (existing !== null) return existing;
  const identity = { userKey: newUserKey(), sealingKey: newSealingKeyPair(), enrolment: null };
  await saveIdentity(folder, identity);
  return identity;
}

/** @throws Fault `forbidden` where others may read the file, `invalid_input` where it is damaged */
export async function loadIdentity(folder: string): Promise<Identity | null> {
  const file = identityFile(folder);
  let text: string;
  try {
    text = await readSecretFile(file);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  const parsed = IdentityFile.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new Fault(
      'invalid_input',
      `The identity ${file} is damaged: restore it from a backup, or remove it and enrol anew`,
    );
  }
  const { identitySeed, sealingPublicKey, sealingPrivateKey, enrolment } = parsed.data;
  return {
    userKey: userKeyFromSeed(new TextEncoder().encode(identitySeed)),
    sealingKey: { publicKey: sealingPublicKey, privateKey: sealingPrivateKey },
    enrolment: enrolment as Enrolment | null,
  };
}

export async function saveIdentity(folder: string, identity: Identity): Promise<void> {
  const content: z.infer<typeof IdentityFile> = {
    version: 1,
    identitySeed: new TextDecoder().decode(identity.userKey.seed),
    sealingPublicKey: identity.sealingKey.publicKey,
    sealingPrivateKey: identity.sealingKey.privateKey,
    enrolment: identity.enrolment,
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await replaceFile(identityFile(folder), `${JSON.stringify(content, null, 2)}\n`);
}

function identityFile(folder: string): string {
  return path.join(folder, 'identity.json');
}

/** Complete or untouched, whenever the process or the machine dies. */
async function replaceFile(file: string, content: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const folder = await open(path.dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}
