import { type DeliveryReplayPreview, replayedDeliveriesMax } from '@pilotfish/contracts/http';
import { ignoredByEvent, readDelivery, repositoryKey } from '@pilotfish/domain-deploy';
import type { DeliveryId, IncomingWebhookId } from '@pilotfish/kernel';
import {
  type DeliveryFilter,
  type DeliveryRow,
  findProviders,
  findSeenHead,
  listDeliveries,
  listServicesFollowing,
  readDeliveryBodies,
  type TenantTransaction,
} from '@pilotfish/store';

/** Larger bodies are replayed unread: parsing some of them would keep everybody else waiting. */
const readBytesMax = 256 * 1024;

type Branch = DeliveryReplayPreview['branches'][number];

export type Preview = Pick<
  DeliveryReplayPreview,
  'delivery_ids' | 'branches' | 'starting_nothing' | 'not_kept' | 'not_read'
> & {
  /** Of what is older, and was not looked at; null where nothing is. */
  readonly next: DeliveryId | null;
};

/**
 * What replaying the deliveries that match would be about: the branches that they name, and who
 * follows these. Nothing is asked of Git, and nothing is started.
 *
 * @param before where the preview before ended; null: from the newest on
 */
export async function previewReplay(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  before: DeliveryId | null,
): Promise<Preview> {
  const { rows, next } = await findMatching(tx, filter, before);
  const providers = await findProviders(tx, [...new Set(rows.map((row) => row.incomingWebhookId))]);
  const preview = { starting_nothing: 0, not_kept: 0, not_read: 0 };
  const selected = new Set<DeliveryId>();
  const branches = new Map<string, Branch>();
  const pushes = rows.filter((row) => isPush(row, providers));
  preview.starting_nothing = rows.length - pushes.length;
  const stored = pushes.map(({ id, day }) => ({ id, day: day.toString() }));
  const bodies = new Map(
    (await readDeliveryBodies(tx, stored, readBytesMax)).map((one) => [one.id, one]),
  );
  for (const row of pushes) {
    const found = bodies.get(row.id);
    if (found === undefined) preview.not_kept += 1;
    else if (found.body === null) {
      preview.not_read += 1;
      selected.add(row.id);
    } else if (await addBranches(tx, branches, row, providers, found.body)) selected.add(row.id);
    else preview.starting_nothing += 1;
  }
  return {
    ...preview,
    delivery_ids: [...selected].sort(),
    branches: [...branches.values()].filter(({ services }) => services.length > 0),
    next,
  };
}

type Providers = Awaited<ReturnType<typeof findProviders>>;

/** Looks through pages until there is enough; a rare thing may be far apart. */
async function findMatching(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  before: DeliveryId | null,
): Promise<{ readonly rows: readonly DeliveryRow[]; readonly next: DeliveryId | null }> {
  const rows: DeliveryRow[] = [];
  let next = before;
  for (let pages = 0; pages < pagesMax; pages += 1) {
    const limit = replayedDeliveriesMax - rows.length;
    const page = await listDeliveries(tx, filter, { before: next, limit });
    rows.push(...page.rows);
    next = page.next;
    if (next === null || rows.length >= replayedDeliveriesMax) break;
  }
  return { rows, next };
}

/** Each looks at 10,000 deliveries at most. */
const pagesMax = 10;

function isPush(row: DeliveryRow, providers: Providers): boolean {
  const provider = providers.get(row.incomingWebhookId as IncomingWebhookId);
  return provider !== undefined && ignoredByEvent(provider, row.event) === null;
}

/** @returns whether somebody follows one of its branches */
async function addBranches(
  tx: TenantTransaction,
  branches: Map<string, Branch>,
  row: DeliveryRow,
  providers: Providers,
  body: Uint8Array,
): Promise<boolean> {
  const provider = providers.get(row.incomingWebhookId);
  if (provider === undefined) return false;
  const reading = readDelivery({ provider, event: row.event, body });
  if (reading.kind === 'ignored') return false;
  const keys = new Set(reading.repositoryUrls.map(repositoryKey).filter((key) => key !== null));
  const names = new Set(reading.changes.filter((c) => c.kind === 'branch').map((c) => c.name));
  let isFollowed = false;
  for (const repository of keys) {
    for (const branch of names) {
      const name = `${repository} ${branch}`;
      const known = branches.get(name) ?? (await describeBranch(tx, repository, branch));
      branches.set(name, { ...known, deliveries: known.deliveries + 1 });
      isFollowed ||= known.services.length > 0;
    }
  }
  return isFollowed;
}

async function describeBranch(
  tx: TenantTransaction,
  repository: string,
  branch: string,
): Promise<Branch> {
  const following = await listServicesFollowing(tx, [repository], branch);
  const head = await findSeenHead(tx, repository, branch);
  const services = following.map((service) => ({
    id: service.id,
    name: service.name,
    environment_id: service.environmentId,
    auto_deploy: service.autoDeploy,
    already_requested: head !== null && service.lastRequestedSha === head,
  }));
  return { repository, branch, deliveries: 0, services };
}
