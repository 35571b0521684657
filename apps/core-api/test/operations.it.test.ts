/** Every operation: 2xx, 400, 401, 403 and 404 where they are possible, and its conflict. */
import { type Operation, type OperationId, operations } from '@pilotfish/contracts/http';
import { describe, expect, test } from 'vitest';
import { type ApiAnswer, type TestApi, testApi } from './api.ts';
import { operationCases } from './operation-cases.ts';
import type { CaseRequest, OperationCase } from './operations/operation-case.ts';
import { Scene } from './operations/scene.ts';

const unknownId = '00000000-0000-7000-8000-00000000dead';

function send(
  api: TestApi,
  operation: Operation,
  request: CaseRequest,
  token?: string | null,
): Promise<ApiAnswer> {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = request.params?.[name];
    if (value === undefined) throw new Error(`${operation.operationId} lacks ${name}`);
    return value;
  });
  const query = request.query ? `?${new URLSearchParams(request.query)}` : '';
  return api.call({
    method: operation.method,
    url: `${path}${query}`,
    ...(request.body === undefined ? {} : { body: request.body }),
    ...(token === undefined ? {} : { token }),
  });
}

/** The same request with something in it that no schema takes. */
async function invalidRequest(
  operation: Operation,
  entry: OperationCase,
  scene: Scene,
  valid: CaseRequest,
): Promise<CaseRequest | null> {
  if (entry.invalid) return await entry.invalid(scene);
  if (operation.body) return { ...valid, body: { nonsense: true } };
  const [name] = Object.keys(valid.params ?? {});
  return name === undefined ? null : { ...valid, params: { ...valid.params, [name]: 'no-id' } };
}

function expectProblem(answer: ApiAnswer, status: number): void {
  expect(answer.body).toMatchObject({ status });
  expect(answer.status).toBe(status);
  expect(Object.keys(answer.body).sort()).toEqual(['detail', 'error', 'status']);
}

describe.each(Object.keys(operations) as OperationId[])('%s', (id) => {
  const operation: Operation = operations[id];
  const entry = operationCases[id];
  const { permission } = operation;
  const isPublic = typeof permission === 'object' && 'public' in permission;

  // In this order: what was refused to others, or asked for wrongly, is still there to be done.
  test('refuses who may not, what is not there and what is not valid, then succeeds', async () => {
    const api = await testApi();
    const scene = new Scene(api);
    const request = await entry.valid(scene);
    if (!isPublic) {
      expectProblem(await send(api, operation, request, null), 401);
      expectProblem(await send(api, operation, request, 'qov_unknown'), 401);
    }
    if (typeof permission === 'string') {
      const powerless = await api.tokenWith([]);
      expectProblem(await send(api, operation, request, powerless), 403);
      const foreign = await api.foreignToken();
      expectProblem(await send(api, operation, request, foreign), 404);
      const unknown = unknownResource(request);
      if (unknown) expectProblem(await send(api, operation, unknown), 404);
    }
    const invalid = await invalidRequest(operation, entry, scene, request);
    if (invalid) expectProblem(await send(api, operation, invalid), 400);
    const answer = await send(api, operation, request);
    expect(answer.body?.detail).toBeUndefined();
    expect(answer.status).toBe(operation.status);
  });

  if (typeof entry.conflict === 'function') {
    const { conflict } = entry;
    test('says what it is in conflict with', async () => {
      const api = await testApi();
      expectProblem(await send(api, operation, await conflict(new Scene(api))), 409);
    });
  }
});

/** The request for a resource that nobody has. */
function unknownResource(request: CaseRequest): CaseRequest | null {
  const [name] = Object.keys(request.params ?? {});
  if (name === undefined) return null;
  return { ...request, params: { ...request.params, [name]: unknownId } };
}
