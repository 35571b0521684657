import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findPackagesAbove, openApplicationsFolder } from '../src/applications-folder.ts';

function checkout() {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-applications-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const home = join(folder, 'repository/.pilotfish');
  mkdirSync(join(folder, 'repository/node_modules'), { recursive: true });
  mkdirSync(home);
  const warnings: string[] = [];
  const open = (ofHome = home, dataHome = join(folder, 'share')) =>
    openApplicationsFolder(ofHome, { XDG_DATA_HOME: dataHome }, (text) => warnings.push(text));
  return { folder, home, warnings, open };
}

test('a home outside of any node_modules has its applications inside', () => {
  const { folder, open } = checkout();
  expect(open(join(folder, 'home'))).toBe(join(folder, 'home/engine/target'));
});

test('a home below a node_modules has them where none is above, the same at each start', () => {
  const { folder, home, open } = checkout();
  const first = open();
  expect(first.startsWith(join(folder, 'share/pilotfish/applications/'))).toBe(true);
  expect(findPackagesAbove(first)).toBeUndefined();
  expect(findPackagesAbove(home)).toBe(join(folder, 'repository'));
  expect(open()).toBe(first);
});

test('a home that was removed takes its applications along, at the next start of any', () => {
  const { home, open } = checkout();
  const first = open();
  rmSync(home, { recursive: true });
  mkdirSync(home);
  const second = open();
  expect(second).not.toBe(first);
  expect(existsSync(first)).toBe(false);
});

test('a moved home keeps its applications, a copied one gets its own', () => {
  const { folder, home, open } = checkout();
  const first = open();
  const moved = join(folder, 'repository/moved');
  renameSync(home, moved);
  expect(open(moved)).toBe(first);
  const copied = join(folder, 'repository/copied');
  cpSync(moved, copied, { recursive: true });
  expect(open(copied)).not.toBe(first);
  expect(open(moved)).toBe(first);
});

test('a home whose disk is away keeps its applications', () => {
  const { folder, open } = checkout();
  const first = open();
  renameSync(join(folder, 'repository'), join(folder, 'away'));
  open(join(folder, 'other'));
  expect(existsSync(first)).toBe(true);
});

test('no better place, and releases that are inside already and stay, are said in one sentence', () => {
  const { folder, home, warnings, open } = checkout();
  expect(open(home, join(folder, 'repository/share'))).toBe(join(home, 'engine/target'));
  expect(warnings).toEqual([expect.stringContaining('set PILOTFISH_HOME to a folder elsewhere')]);
  mkdirSync(join(home, 'engine/target'), { recursive: true });
  expect(open()).toBe(join(home, 'engine/target'));
  expect(warnings).toHaveLength(2);
  expect(warnings[1]).toContain(`load packages of ${join(folder, 'repository/node_modules')}`);
  expect(warnings[1]).toContain('use a new PILOTFISH_HOME to be rid of that');
});
