import { openSealed } from '@pilotfish/crypto';
import { coversRepository } from '@pilotfish/domain-deploy';
import { type GitTokenId, type ServiceId, systemClock } from '@pilotfish/kernel';
import { currentEngine, getExecution, getService, readEpoch, tables } from '@pilotfish/store';
import { eq } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { buildTask } from '../src/executions/build-task.ts';
import { createSourceAccess } from '../src/executions/source-access.ts';
import { openGitToken } from '../src/git-tokens/git-token-text.ts';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { keep, only, registrable } from './registering.ts';
import { deployWorld, newWorld } from './world.ts';

const url = ({ organizationId }: TestApi, id = '') =>
  `/organization/${organizationId}/gitToken${id === '' ? '' : `/${id}`}`;

async function storedToken(api: TestApi, id: string) {
  const [row] = await api.store.tenant(api.context, (tx) =>
    tx.db
      .select()
      .from(tables.gitTokens)
      .where(eq(tables.gitTokens.id, id as GitTokenId)),
  );
  if (!row) throw new Error('there is no such Git token');
  return row;
}

function sourceAccess({ keys }: TestApi) {
  return createSourceAccess({ clock: systemClock, keys, gitServerUrl: 'http://git.test' });
}

test('a Git token lies encrypted for its own row, and nothing shows it again', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = await scene.gitToken();
  const answers = [
    await api.get(url(api)),
    await api.get(url(api, id)),
    await api.call({ method: 'PUT', url: url(api, id), body: scene.gitTokenBody('other') }),
    await api.get(url(api, `${id}/associatedServices`)),
  ];
  for (const answer of answers) expect(JSON.stringify(answer.body)).not.toContain('ghp_secret');
  const audit = await api.store.tenant(api.context, (tx) =>
    tx.db.select().from(tables.auditEvents),
  );
  const actions = audit.map(({ action }) => action);
  expect(actions).toContain('git_token.created');
  expect(actions).toContain('git_token.edited');
  expect(JSON.stringify(audit)).not.toContain('ghp_secret');

  const row = await storedToken(api, id);
  expect(Buffer.from(row.tokenCiphertext).includes('ghp_secret')).toBe(false);
  expect(await openGitToken(api.keys, row)).toBe('ghp_secret');
  const other = await storedToken(api, await scene.gitToken());
  const moved = { ...other, tokenCiphertext: row.tokenCiphertext };
  await expect(openGitToken(api.keys, moved)).rejects.toMatchObject({ code: 'internal' });
  const putBack = { ...row, tokenVersion: row.tokenVersion + 1 };
  await expect(openGitToken(api.keys, putBack)).rejects.toMatchObject({ code: 'internal' });
});

test('a token is of the provider that its services name, and stays so while they use it', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = await scene.gitToken();
  const environmentId = await scene.environment();
  const create = (provider: string) =>
    api.post(`/environment/${environmentId}/application`, {
      ...scene.applicationBody(),
      git_repository: { url: 'https://github.com/acme/shop.git', provider, git_token_id: id },
    });
  const other = await create('GITLAB');
  expect(other.status).toBe(400);
  expect(other.body.detail).toContain('of type GITHUB, and git_repository.provider is GITLAB');
  expect((await create('GITHUB')).status).toBe(201);
  // At the same host, so that its address alone would not tell.
  const body = {
    ...scene.gitTokenBody(),
    type: 'GITLAB',
    git_api_url: 'https://github.com/api/v4',
  };
  const edited = await api.call({ method: 'PUT', url: url(api, id), body });
  expect(edited.status).toBe(409);
  expect(edited.body.detail).toContain('production/shop');
  const same = { ...body, type: 'GITHUB', git_api_url: 'https://github.com/api/v3' };
  expect((await api.call({ method: 'PUT', url: url(api, id), body: same })).status).toBe(200);
});

test.each(['ftp://127.0.0.1/', 'file://127.0.0.1/api/v4', 'ws://127.0.0.1/api/v4'])(
  'the API of a token is spoken to by HTTP: %s is refused',
  async (git_api_url) => {
    const api = await testApi();
    const body = { ...new Scene(api).gitTokenBody(), git_api_url };
    const made = await api.post(`/organization/${api.organizationId}/gitToken`, body);
    expect(made.status).toBe(400);
    expect(made.body.detail).toMatch(/^git_api_url: .*https:/);
  },
);

test('a token in use is not deleted, and the refusal names who uses it', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = await scene.gitToken();
  const serviceId = await scene.applicationWithToken(id);
  const shown = (await api.get(`/application/${serviceId}`)).body;
  expect(shown.git_repository).toMatchObject({
    git_token_id: id,
    git_token_name: 'GitHub of acme',
  });
  expect((await api.get(url(api, id))).body.associated_services_count).toBe(1);
  const refused = await api.call({ method: 'DELETE', url: url(api, id) });
  expect(refused.status).toBe(409);
  expect(refused.body.detail).toContain('production/shop');

  const publicSource = { url: 'https://github.com/acme/private.git', provider: 'GITHUB' };
  const edited = await api.call({
    method: 'PUT',
    url: `/application/${serviceId}`,
    body: { git_repository: publicSource, healthchecks: {} },
  });
  expect(edited.status).toBe(200);
  expect((await api.call({ method: 'DELETE', url: url(api, id) })).status).toBe(204);
  expect((await api.get(url(api, id))).status).toBe(404);
});

test('a token that is replaced is used at once, however long the one before was refused', async () => {
  const { api, provider, repository, gitTokenId } = await registrable();
  const replace = (token: string) =>
    api.call({
      method: 'PUT',
      url: url(api, gitTokenId),
      body: { name: 'replaced', type: 'GITHUB', token, git_api_url: provider.apiUrl },
    });
  expect((await replace('revoked')).status).toBe(200);
  await keep(api);
  expect(await only(api)).toMatchObject({ state: 'FAILING' });
  expect((await replace(provider.token)).status).toBe(200);
  await keep(api);
  expect(await only(api)).toMatchObject({ state: 'ACTIVE', failures: 0 });
  expect(repository.hooks).toHaveLength(1);
});

test('a token that only a deleted service had is deleted with its ciphertext', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = await scene.gitToken();
  const serviceId = (await scene.applicationWithToken(id)) as ServiceId;
  await api.store.tenant(api.context, (tx) =>
    tx.db
      .update(tables.services)
      .set({ deletedAt: systemClock.now() })
      .where(eq(tables.services.id, serviceId)),
  );
  expect((await api.call({ method: 'DELETE', url: url(api, id) })).status).toBe(204);
  const rows = await api.store.tenant(api.context, (tx) => tx.db.select().from(tables.gitTokens));
  expect(rows).toEqual([]);
});

test('no token outlives its organization', async () => {
  const api = await testApi();
  await new Scene(api).gitToken();
  const gone = await api.call({ method: 'DELETE', url: `/organization/${api.organizationId}` });
  expect(gone.status).toBe(204);
  const rows = await api.store.tenant(api.context, (tx) => tx.db.select().from(tables.gitTokens));
  expect(rows).toEqual([]);
});

test('nobody can have a token shown to a host that it is not for', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = await scene.gitToken();
  const environmentId = await scene.environment();
  const create = (gitUrl: string, gitTokenId: string) =>
    api.post(`/environment/${environmentId}/application`, {
      ...scene.applicationBody(),
      git_repository: { url: gitUrl, provider: 'GITHUB', git_token_id: gitTokenId },
    });
  for (const evil of [
    'https://evil.example/acme/shop.git',
    'https://github.com.evil.example/acme/shop.git',
    'http://github.com/acme/shop.git',
    'https://github.com:444/acme/shop.git',
  ]) {
    const { status, body } = await create(evil, id);
    expect(status, evil).toBe(400);
    expect(body.detail, evil).toContain('git_token_id');
  }
  const unknown = '00000000-0000-7000-8000-00000000dead';
  expect((await create('https://github.com/acme/shop.git', unknown)).status).toBe(400);

  // Nor where the database says so, whoever wrote it there.
  const access = await api.store.tenant(api.context, (tx) =>
    sourceAccess(api)(
      tx,
      { url: 'https://evil.example/a/b', gitTokenId: id as GitTokenId },
      'test',
    ),
  );
  expect(access).toBeUndefined();
});

test('a token of another organization is not found, read or used', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = await scene.gitToken();
  const world = await newWorld(api.store);
  const access = await api.store.tenant(world.context, (tx) =>
    sourceAccess(api)(
      tx,
      { url: 'https://github.com/acme/private.git', gitTokenId: id as GitTokenId },
      'test',
    ),
  );
  expect(access).toBeUndefined();
  const foreign = await api.foreignToken();
  const read = await api.call({ method: 'GET', url: url(api, id), token: foreign });
  expect(read.status).toBe(404);
});

test('the token that is valid now reaches the engine, sealed to it', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const id = (await scene.gitToken()) as GitTokenId;
  const world = await newWorld(api.store, { repositoryUrl: 'https://github.com/acme/private.git' });
  const [serviceId] = world.serviceIds;
  if (!serviceId) throw new Error('the world has a service');
  await api.store.system('worker', (tx) =>
    tx.db.update(tables.gitTokens).set({ organizationId: world.context.organizationId }),
  );
  // The ciphertext is bound to the organization as well, so it is made anew there.
  const tokenCiphertext = await api.store.tenant(world.context, async (tx) => {
    const { encryptGitToken } = await import('../src/git-tokens/git-token-text.ts');
    return await encryptGitToken(api.keys, 'ghp_other', {
      organizationId: tx.organizationId,
      id,
      tokenVersion: 1,
    });
  });
  await api.store.tenant(world.context, async (tx) => {
    await tx.db.update(tables.gitTokens).set({ tokenCiphertext });
    const { spec } = await getService(tx, serviceId);
    const git = { ...spec.git, gitTokenId: id };
    await tx.db.update(tables.services).set({ spec: { ...spec, git }, gitTokenId: id });
  });
  const { executionId } = await deployWorld(api.store, world, 1);
  const task = await api.store.system('worker', async (system) => {
    const tx = await system.asTenant(world.context);
    const execution = await getExecution(tx, executionId);
    const engine = await currentEngine(tx, execution.clusterId);
    if (engine === null) throw new Error('the world has an engine');
    const deps = { keys: api.keys, sourceAccess: sourceAccess(api) };
    return await buildTask(tx, deps, execution, engine, await readEpoch(tx));
  });
  const source = task.stages[0]?.services[0]?.release?.source;
  expect(source?.username).toBe('x-access-token');
  expect(JSON.stringify(task)).not.toContain('ghp_other');
  const password =
    source?.password &&
    (await openSealed(world.sealing, source.password, {
      executionId,
      serviceId,
      field: 'source.password',
    }));
  expect(password).toBe('ghp_other');
});

test('the address of an API is plain and encrypted', async () => {
  const api = await testApi();
  const scene = new Scene(api);
  const create = (git_api_url: string) =>
    api.post(url(api), { ...scene.gitTokenBody(), type: 'GITLAB', git_api_url });
  for (const wrong of [
    'gitlab.example.com',
    'http://gitlab.example.com/api/v4',
    'https://user:secret@gitlab.example.com/api/v4',
    'https://gitlab.example.com/api/v4?x=1',
    'ftp://gitlab.example.com',
  ]) {
    expect((await create(wrong)).status, wrong).toBe(400);
  }
  const made = await create('https://gitlab.example.com/api/v4/');
  expect(made.body.git_api_url).toBe('https://gitlab.example.com/api/v4');
  const row = await storedToken(api, made.body.id);
  expect(coversRepository(row, 'https://gitlab.example.com/a/b')).toBe(true);
  const bitbucket = { ...scene.gitTokenBody(), type: 'BITBUCKET' };
  expect((await api.post(url(api), bitbucket)).status).toBe(400);
  expect((await api.post(url(api), { ...bitbucket, workspace: 'acme' })).status).toBe(201);
});
