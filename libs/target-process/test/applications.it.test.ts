import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Probe, ServiceRelease } from '@pilotfish/contracts';
import { contractService, pageApplication } from '@pilotfish/testing/target-contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHarness, type ProcessTargetHarness } from './harness.ts';

let harness: ProcessTargetHarness;
beforeAll(async () => {
  harness = await createHarness({ healthySecondsMax: 2 });
});
afterAll(() => harness?.close());

async function deployed(
  files: Readonly<Record<string, string>>,
  change: Partial<ServiceRelease> = {},
) {
  const service = contractService(harness);
  return { service, outcome: await service.deploy(await service.release(files, change)) };
}

function node(server: string, more: Readonly<Record<string, string>> = {}) {
  return {
    'package.json': JSON.stringify({ name: 'app', scripts: { start: 'node server.js' } }),
    'server.js': server,
    ...more,
  };
}

function probe(type: Probe['type'], change: Partial<Probe> = {}): Probe {
  return {
    type,
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 1,
    ...change,
  };
}

describe('a static site', () => {
  test('is served with its types, and neither hidden files nor what lies outside', async () => {
    const { service, outcome } = await deployed({
      'index.html': '<h1>Home</h1>',
      'about.html': '<h1>About</h1>',
      'a/index.html': '<h1>Folder</h1>',
      'app.js': 'let a;',
      '.env': 'SECRET=1',
    });
    expect(outcome).toEqual({ ok: true });
    const get = (path: string) => harness.get(service.host, path);
    expect(await get('/')).toEqual({ status: 200, body: '<h1>Home</h1>' });
    expect((await get('/about')).body).toBe('<h1>About</h1>');
    expect((await get('/a')).body).toBe('<h1>Folder</h1>');
    expect((await get('/a/page-of-the-router')).body).toBe('<h1>Home</h1>');
    expect((await get('/app.js?v=1')).body).toBe('let a;');
    for (const path of ['/.env', '/.git/config', '/missing.png', '/%2e%2e/artefact.json']) {
      expect((await get(path)).status).toBe(404);
    }
    expect((await get('/..%2f..%2f..%2fetc%2fpasswd')).body).toBe('<h1>Home</h1>');
    expect((await get('/%zz')).status).toBe(400);
  });

  test('with a page for what is missing has no router', async () => {
    const { service } = await deployed({ 'index.html': 'home', '404.html': 'nothing here' });
    expect(await harness.get(service.host, '/any')).toEqual({ status: 404, body: 'nothing here' });
  });

  test('made by a build step is served from the folder that it wrote', async () => {
    const { service, outcome } = await deployed(
      {
        'package.json': JSON.stringify({ name: 'site', scripts: { build: 'node build.js' } }),
        'build.js': `
const fs = require('node:fs');
fs.mkdirSync('out');
fs.writeFileSync('out/index.html', 'built by ' + process.env.AUTHOR);`,
      },
      { variables: { AUTHOR: 'somebody' } },
    );
    expect(outcome).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('built by somebody');
  });

  test('that no build step made is explained', async () => {
    const { outcome } = await deployed({
      'package.json': JSON.stringify({ name: 'site', scripts: { build: 'node --version' } }),
    });
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'PLAN_NOT_FOUND' } });
  });
});

describe('an application', () => {
  test('of a Procfile gets its port in its arguments', async () => {
    const { service, outcome } = await deployed({
      Procfile: 'web: node listen.js $PORT\n',
      'listen.js': `
require('node:http').createServer((_, response) => response.end('by argument'))
  .listen(Number(process.argv[2]));`,
    });
    expect(outcome).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('by argument');
  });

  test('in a folder of the repository is built and started there', async () => {
    const files = Object.fromEntries(
      Object.entries(pageApplication('nested')).map(([name, text]) => [`apps/web/${name}`, text]),
    );
    const service = contractService(harness);
    const release = await service.release(files);
    const source = { ...release.source, rootPath: '/apps/web' };
    expect(await service.deploy({ ...release, source })).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('nested ');
    const missing = { ...release.source, rootPath: '/apps/none' };
    expect(await service.run('build', { ...release, source: missing })).toMatchObject({
      ok: false,
      explanation: { cause: 'SOURCE_UNAVAILABLE' },
    });
  });

  test('with a command of its own is started by it', async () => {
    const { service, outcome } = await deployed(
      {
        ...pageApplication('unused'),
        'other.js': pageApplication('by command')['server.js'] ?? '',
      },
      { command: ['node', 'other.js'] },
    );
    expect(outcome).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('by command ');
  });

  test('with two instances is healthy when both are', async () => {
    const { service, outcome } = await deployed(pageApplication('twice'), { instances: 2 });
    expect(outcome).toEqual({ ok: true });
    expect((await harness.get(service.host)).status).toBe(200);
  });

  test('that ignores PORT is told which port it listens on', async () => {
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = server.address() as { port: number };
        server.close(() => resolve(free));
      });
    });
    const { outcome } = await deployed(
      node(`require('node:http').createServer().listen(${port}, '127.0.0.1')`),
    );
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'NEVER_HEALTHY' } });
    if (!outcome.ok) expect(outcome.explanation.summary).toContain(`port ${port}`);
  });

  test('that never listens is told on which port it should', async () => {
    const { outcome } = await deployed(
      node(`console.log('port ' + process.env.PORT); setInterval(() => {}, 1000);`),
    );
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'NEVER_HEALTHY' } });
    if (outcome.ok) return;
    const { summary, suggestion, lines } = outcome.explanation;
    const port = /^port (\d+)$/.exec(lines.at(-1) ?? '')?.[1];
    expect(summary).toContain(`did not listen on port ${port}, which the variable PORT names`);
    expect(suggestion).toContain('PORT');
  });

  test('that answers only errors is not healthy', async () => {
    const { service, outcome } = await deployed(
      node(`require('node:http').createServer((_, response) => {
        response.statusCode = 503;
        response.end();
      }).listen(process.env.PORT)`),
    );
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'NEVER_HEALTHY' } });
    if (!outcome.ok) expect(outcome.explanation.summary).toContain('answers 503');
    await expect
      .poll(async () => (await harness.get(service.host)).body, { timeout: 10_000 })
      .toContain('failed');
  });

  test('that speaks no HTTP is healthy when its port is open', async () => {
    const { outcome } = await deployed(
      node(`require('node:net').createServer((socket) => socket.end('not HTTP\\n'))
        .listen(process.env.PORT)`),
    );
    expect(outcome).toEqual({ ok: true });
  });

  test('is asked by its own readiness probe', async () => {
    const server = `
let asked = 0;
require('node:http').createServer((request, response) => {
  if (request.url === '/ready') asked += 1;
  response.statusCode = asked > 2 ? 200 : 404;
  response.end('asked ' + asked);
}).listen(process.env.PORT)`;
    const readiness = probe({ kind: 'HTTP', path: '/ready', port: 3000 });
    const { service, outcome } = await deployed(node(server), { readiness });
    expect(outcome).toEqual({ ok: true });
    expect((await harness.get(service.host)).body).toBe('asked 3');
  });

  test('is asked by a command, which sees its variables', async () => {
    const command = [
      'node',
      '-e',
      'process.exit(process.env.GREETING === "hello" && process.env.PORT ? 0 : 1)',
    ];
    const readiness = probe({ kind: 'EXEC', command });
    const good = await deployed(pageApplication('exec'), {
      readiness,
      variables: { GREETING: 'hello' },
    });
    expect(good.outcome).toEqual({ ok: true });
    const bad = await deployed(pageApplication('exec'), { readiness });
    expect(bad.outcome).toMatchObject({ ok: false, explanation: { cause: 'NEVER_HEALTHY' } });
    if (!bad.outcome.ok) expect(bad.outcome.explanation.summary).toContain('exit code 1');
  });

  test('is told by which trace it was started, unless it says that itself', async () => {
    const server = `require('node:http')
      .createServer((_, response) => response.end(process.env.TRACEPARENT))
      .listen(process.env.PORT)`;
    const told = await deployed(node(server));
    expect((await harness.get(told.service.host)).body).toMatch(/^00-c{32}-d{16}-01$/);
    const own = await deployed(node(server), { variables: { TRACEPARENT: 'own' } });
    expect((await harness.get(own.service.host)).body).toBe('own');
  });

  test('without a package.json is no part of a package around the data folder', async () => {
    await writeFile(join(harness.folder, 'package.json'), '{ "type": "module" }');
    const { outcome } = await deployed({
      Procfile: 'web: node listen.js\n',
      'listen.js': `
require('node:http').createServer((_, response) => response.end('CommonJS'))
  .listen(process.env.PORT);`,
    });
    await rm(join(harness.folder, 'package.json'));
    expect(outcome).toEqual({ ok: true });
  });

  test('of a commit that is not there is refused', async () => {
    const service = contractService(harness);
    const release = await service.release(pageApplication('x'));
    const source = { ...release.source, commitSha: 'b'.repeat(40) };
    const outcome = await service.run('build', { ...release, source });
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'SOURCE_UNAVAILABLE' } });
  });
});
