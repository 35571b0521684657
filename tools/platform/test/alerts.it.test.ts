/** The alerts and the dashboard below `deploy/`: Prometheus takes them, and each says what to do. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toFault } from '@pilotfish/kernel';
import { ensureProgram } from '@pilotfish/servers';
import { expect, onTestFinished, type TestContext, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
const rulesFile = join(root, 'deploy/prometheus/pilotfish.rules.yml');
const rules = readFileSync(rulesFile, 'utf8');

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}
const dashboard: { readonly panels: readonly Panel[] } = JSON.parse(
  readFileSync(join(root, 'deploy/grafana/pilotfish-webhooks.json'), 'utf8'),
);

test('every alert leads to its own section of the runbook', () => {
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
  const links = [...rules.matchAll(/runbook_url: docs\/operations\.md#(\S+)/g)].map(([, to]) => to);
  const headings = [
    ...readFileSync(join(root, 'docs/operations.md'), 'utf8').matchAll(/^### (Pilotfish\w+)$/gm),
  ].map(([, name = '']) => name);
  expect(alerts.length).toBeGreaterThan(5);
  expect(links).toEqual(alerts.map((name) => name.toLowerCase()));
  expect(headings.toSorted()).toEqual(alerts.toSorted());
});

async function newPromtool(context: TestContext) {
  let program: Awaited<ReturnType<typeof ensureProgram>>;
  try {
    program = await ensureProgram({
      env: process.env,
      program: 'promtool',
      packageName: 'prometheus',
    });
  } catch (error) {
    // There a check that is left out would be one that nobody knows to be missing.
    if (process.env.CI) throw error;
    return context.skip(`promtool is not to be had: ${toFault(error).detail}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-rules-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const env = { ...process.env, ...program.env };
  const promtool = async (...args: string[]) => (await run(program.path, args, { env })).stdout;
  return { promtool, folder };
}

test('the first delivery that is given up is told of', async (context) => {
  const { promtool, folder } = await newPromtool(context);
  const series = 'pilotfish_dispatch_deliveries_total{provider="GITHUB",outcome="set_aside"}';
  const annotations = {
    summary: 'Deliveries were given up',
    runbook_url: 'docs/operations.md#pilotfishdeliveriessetaside',
  };
  const told = [
    { exp_labels: { severity: 'warning', provider: 'GITHUB' }, exp_annotations: annotations },
  ];
  const alertAt = (minutes: number, exp_alerts: object[]) => ({
    eval_time: `${minutes}m`,
    alertname: 'PilotfishDeliveriesSetAside',
    exp_alerts,
  });
  const file = join(folder, 'set-aside.json');
  const tests = [
    {
      interval: '15s',
      // Counted from 0, as core-api does; the first one after five minutes.
      input_series: [{ series, values: '0x19 1x200' }],
      alert_rule_test: [alertAt(4, []), alertAt(6, told), alertAt(30, [])],
    },
  ];
  writeFileSync(file, JSON.stringify({ rule_files: [rulesFile], tests }));
  expect(await promtool('test', 'rules', file)).toContain('SUCCESS');
});

test('Prometheus takes the rules, and every expression of the dashboard', async (context) => {
  const { promtool, folder } = await newPromtool(context);
  // As recording rules, because that is what promtool reads.
  const asked = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const records = asked.map(
    (expr, n) => `      - {record: 'a:b${n}', expr: ${JSON.stringify(expr)}}`,
  );
  const recording = join(folder, 'dashboard.yml');
  writeFileSync(recording, `groups:\n  - name: dashboard\n    rules:\n${records.join('\n')}\n`);
  const stdout = await promtool('check', 'rules', rulesFile, recording);
  expect(stdout).toContain(`SUCCESS: ${asked.length} rules found`);
});
