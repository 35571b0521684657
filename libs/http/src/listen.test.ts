import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from './listen.ts';
import { buildServer } from './server.ts';

const config = { permission: { public: 'a test' } } as const;

async function copy(name: string, address: { port: number; replicaPort?: number }) {
  const app = buildServer({
    name,
    logger: createLogger({ name, level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics(name),
  });
  app.get('/name', { config }, () => name);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  app.get('/slow', { config }, () => {
    asked.resolve();
    return answer.promise;
  });
  await listen(app, { host: '127.0.0.1', ...address });
  onTestFinished(() => app.close());
  return { app, asked: asked.promise, answerSlow: () => answer.resolve('at last') };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

const ask = async (port: number, path = '/name') =>
  await (
    await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  ).text();

test('copies share a port, have one of their own, and none takes the shared one along', async () => {
  const [port = 0, first = 0, second = 0] = await freePorts(3);
  const a = await copy('a', { port, replicaPort: first });
  await copy('b', { port, replicaPort: second });
  expect([await ask(first), await ask(second)]).toEqual(['a', 'b']);
  const answers = await Promise.all(Array.from({ length: 64 }, () => ask(port)));
  expect(new Set(answers)).toEqual(new Set(['a', 'b']));
  await a.app.close();
  const later = await Promise.all(Array.from({ length: 16 }, () => ask(port)));
  expect(new Set(later)).toEqual(new Set(['b']));
});

test('what came in by the own port is answered before the server is closed', async () => {
  const [port = 0, replicaPort = 0] = await freePorts(2);
  const { app, asked, answerSlow } = await copy('a', { port, replicaPort });
  const idle = connect(replicaPort, '127.0.0.1');
  onTestFinished(() => void idle.destroy());
  await once(idle, 'connect');
  const slow = fetch(`http://127.0.0.1:${replicaPort}/slow`);
  await asked;
  const closed = app.close();
  answerSlow();
  expect(await (await slow).text()).toBe('at last');
  await closed;
  await expect(ask(replicaPort)).rejects.toThrow();
});

test('a service without copies has its port for itself', async () => {
  const [port = 0] = await freePorts(1);
  await copy('a', { port });
  await expect(copy('b', { port })).rejects.toThrow('EADDRINUSE');
});
