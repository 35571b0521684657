import type { OperationId } from '@pilotfish/contracts/http';
import type { Scene } from './scene.ts';

/** What fills the parameters of a path, the query and the body. */
export interface CaseRequest {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface OperationCase {
  /** A request that succeeds. */
  valid(scene: Scene): Promise<CaseRequest>;
  /** One that must be answered 400; unless given, a wrong id in the path or a body of nonsense. */
  invalid?(scene: Scene): Promise<CaseRequest>;
  /** One that must be answered 409; null where nothing can be in conflict, with the reason. */
  readonly conflict: ((scene: Scene) => Promise<CaseRequest>) | { readonly none: string };
}

/** The cases of some operations. */
export type OperationCases = Partial<Record<OperationId, OperationCase>>;

export const organization = ({ api }: Scene) => ({ organizationId: api.organizationId });
export const reads = { none: 'it changes nothing' };
