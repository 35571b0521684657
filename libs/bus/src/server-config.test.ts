import { streams } from '@pilotfish/contracts';
import { expect, test } from 'vitest';
import { renderServerConfig } from './server-config.ts';

test('the server may hold all streams, however little room its disk has', () => {
  const config = renderServerConfig(
    {
      host: '127.0.0.1',
      port: 4222,
      serverName: 'one',
      storeFolder: '/store',
      resolverFolder: '/resolver',
    },
    { operatorJwt: 'jwt', systemAccount: 'A', accounts: {} },
  );
  const [, bytes = ''] = /^ {2}max_file_store: (\d+)$/m.exec(config) ?? [];
  const reserved = Object.values(streams).map(({ bytesMax }) => bytesMax);
  expect(Number(bytes)).toBe(reserved.reduce((sum, one) => sum + one));
});
