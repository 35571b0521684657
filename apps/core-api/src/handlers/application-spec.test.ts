import type { ApplicationRequest } from '@pilotfish/contracts/http';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeApplicationSpec, newApplicationSpec, wireOf } from './application-spec.ts';

const request: ApplicationRequest = {
  name: 'shop',
  git_repository: { url: 'https://git.example/acme/shop.git', provider: 'GITHUB' },
  healthchecks: {},
};

test('what is left out gets the defaults of the public API', () => {
  expect(newApplicationSpec(request)).toMatchObject({
    git: { branch: 'main', rootPath: '/' },
    autoDeploy: true,
    cpuMillicores: 500,
    memoryMebibytes: 512,
    instancesMin: 1,
    instancesMax: 1,
    command: [],
    readiness: null,
  });
});

test('an entrypoint and its arguments become one argv that no shell reads', () => {
  const spec = (entrypoint: string, args: string[] = []) =>
    newApplicationSpec({ ...request, entrypoint, arguments: args }).command;
  expect(spec('node  server.js', ['--port', '1; rm -rf /'])).toEqual([
    'node',
    'server.js',
    '--port',
    '1; rm -rf /',
  ]);
  expect(spec('["/bin/my tool", "-x"]')).toEqual(['/bin/my tool', '-x']);
  expect(() => spec('["unfinished"')).toThrow('entrypoint');
});

test('a probe without a port asks the first port, and without any is refused', () => {
  const healthchecks = { readiness_probe: { type: { http: { path: '/ready' } } } };
  const ports = [{ internal_port: 3000, publicly_accessible: true }];
  expect(newApplicationSpec({ ...request, healthchecks, ports }).readiness).toEqual({
    type: { kind: 'HTTP', path: '/ready', port: 3000 },
    initialDelaySeconds: 0,
    periodSeconds: 10,
    timeoutSeconds: 5,
    successThreshold: 1,
    failureThreshold: 3,
  });
  expect(() => newApplicationSpec({ ...request, healthchecks })).toThrow('names no port');
  const both = { tcp: { port: 1 }, http: { port: 1 } };
  expect(() =>
    newApplicationSpec({ ...request, healthchecks: { liveness_probe: { type: both } } }),
  ).toThrow('exactly one');
});

test('a port keeps its id while it is named by it', () => {
  const port = { internal_port: 3000, publicly_accessible: true };
  const before = newApplicationSpec({ ...request, ports: [port] });
  const [{ id } = { id: '' }] = before.ports;
  const after = changeApplicationSpec(before, {
    healthchecks: {},
    ports: [
      { ...port, id, internal_port: 4000, protocol: 'HTTP' },
      { ...port, id: '', internal_port: 5000, protocol: 'HTTP' },
    ],
  });
  expect(after.ports.map((one) => one.internalPort)).toEqual([4000, 5000]);
  expect(after.ports[0]?.id).toBe(id);
  expect(after.ports[1]?.id).not.toBe(id);
});

test('a repository address with another protocol, branch or folder trick is refused', () => {
  const of = (git: object) => () =>
    newApplicationSpec({ ...request, git_repository: { ...request.git_repository, ...git } });
  expect(of({ url: 'ext::sh -c id' })).toThrow('git_repository.url');
  expect(of({ url: 'https://ada:secret@git.example/a/b.git' })).toThrow('credentials');
  expect(of({ branch: '--upload-pack=x' })).toThrow('git_repository.branch');
  expect(of({ root_path: '/a/../../etc' })).toThrow('git_repository.root_path');
});

test('an address that is no repository of another machine is refused, at create and at edit', () => {
  const before = newApplicationSpec(request);
  const problemOf = (url: string) => {
    const git_repository = { ...request.git_repository, url };
    const thrown = [
      () => newApplicationSpec({ ...request, git_repository }),
      () => changeApplicationSpec(before, { healthchecks: {}, git_repository }),
    ].map((change) => {
      try {
        change();
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(thrown[0]).toBe(thrown[1]);
    return thrown[0];
  };
  for (const url of [
    'file:///etc/passwd',
    '/srv/git/shop.git',
    'ext::sh -c id',
    'git://git.example/acme/shop.git',
    'ssh://-oProxyCommand=id/acme/shop.git',
    'git@-oProxyCommand=id:acme/shop.git',
    '--upload-pack=id',
  ]) {
    expect(problemOf(url), url).toMatch(/^git_repository\.url: /);
  }
  for (const url of [
    'http://ada:hunter2@git.example/acme/shop.git',
    'https://hunter2@git.example/acme/shop.git',
    'ssh://git:hunter2@git.example/acme/shop.git',
  ]) {
    expect(problemOf(url), url).toContain('contains credentials: a Git token');
    expect(problemOf(url), url).not.toContain('hunter2');
  }
  for (const url of [
    'http://git.example/acme/shop.git',
    'ssh://git@git.example:2222/acme/shop.git',
    'git@git.example:acme/shop.git',
  ]) {
    expect(problemOf(url), url).toBe('');
  }
});

test('a Git token is part of where the code comes from, and goes when it is not named again', () => {
  const gitTokenId = '0198c0de-0000-7000-8000-000000000001';
  const git_repository = { ...request.git_repository, git_token_id: gitTokenId };
  const spec = newApplicationSpec({ ...request, git_repository });
  expect(spec.git.gitTokenId).toBe(gitTokenId);
  const kept = changeApplicationSpec(spec, { healthchecks: {} });
  expect(kept.git.gitTokenId).toBe(gitTokenId);
  const gone = changeApplicationSpec(spec, {
    healthchecks: {},
    git_repository: { ...git_repository, git_token_id: null },
  });
  expect(gone.git).not.toHaveProperty('gitTokenId');
});

test('an edit changes what it names and nothing else', () => {
  const edits = fc.record(
    {
      cpu: fc.integer({ min: 10, max: 1000 }),
      memory: fc.integer({ min: 1, max: 4096 }),
      min_running_instances: fc.constant(1),
      max_running_instances: fc.integer({ min: 1, max: 5 }),
      auto_deploy: fc.boolean(),
      auto_preview: fc.boolean(),
      arguments: fc.array(fc.string(), { maxLength: 3 }),
      dockerfile_path: fc.option(fc.string({ maxLength: 10 })),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(edits, edits, (first, second) => {
      const apply = (spec: ReturnType<typeof newApplicationSpec>, edit: object) =>
        changeApplicationSpec(spec, { healthchecks: {}, ...edit });
      const spec = newApplicationSpec(request);
      const inTwoSteps = apply(apply(spec, first), second);
      expect(inTwoSteps).toEqual(apply(spec, { ...first, ...second }));
      expect(apply(inTwoSteps, {})).toEqual(inTwoSteps);
      expect(wireOf(inTwoSteps)).toMatchObject({ healthchecks: {} });
    }),
  );
});
