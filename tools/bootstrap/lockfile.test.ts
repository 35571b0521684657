import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  completeLockfile,
  entriesWithRegistryUrl,
  missingOptionalPackages,
  platformFromName,
} from './lockfile.mjs';

describe('the lockfile', () => {
  test('of this repository suits every platform and every network', () => {
    const path = new URL('../../package-lock.json', import.meta.url);
    const lockfile = JSON.parse(readFileSync(path, 'utf8'));
    const hint = 'run: npm run lockfile';
    expect(missingOptionalPackages(lockfile), hint).toEqual([]);
    expect(entriesWithRegistryUrl(lockfile), hint).toEqual([]);
  });

  const packages = {
    'node_modules/tool': {
      optionalDependencies: { '@tool/linux-x64': '1.0.0', '@tool/win32-x64-msvc': '1.0.0' },
    },
    'node_modules/@tool/linux-x64': { version: '1.0.0' },
    'node_modules/other': { resolved: 'https://registry.example/other.tgz' },
  };

  test('a missing platform package and a registry URL are found, and repaired', () => {
    expect(missingOptionalPackages({ packages })).toEqual([
      { wantedBy: 'node_modules/tool', name: '@tool/win32-x64-msvc', version: '1.0.0' },
    ]);
    expect(entriesWithRegistryUrl({ packages })).toEqual(['node_modules/other']);
    const complete = completeLockfile({ packages });
    expect(complete.packages['node_modules/@tool/win32-x64-msvc']).toEqual({
      version: '1.0.0',
      cpu: ['x64'],
      optional: true,
      os: ['win32'],
    });
    expect(missingOptionalPackages(complete)).toEqual([]);
    expect(entriesWithRegistryUrl(complete)).toEqual([]);
  });

  test('a stub fits only its own platform', () => {
    expect(platformFromName('@a/binding-linux-arm-musleabihf')).toEqual({
      cpu: ['arm'],
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    });
    expect(platformFromName('fsevents')).toBeUndefined();
  });
});
