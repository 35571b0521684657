/** `npm start`: installs what is missing, bundles what changed, then becomes the runner. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { readCommandLine } from './command-line.mjs';
import {
  BootstrapError,
  ensureInstalled,
  projectNode,
  root,
  runBootstrap,
} from './ensure-installed.mjs';
import { becomeProjectNode } from './run-typescript.mjs';

function bundle() {
  const program = join(root, 'tools/platform/src/bundle-main.ts');
  const args = ['--conditions=@pilotfish/source', program, root];
  const stdio = ['ignore', 'pipe', 'inherit'];
  const result = spawnSync(projectNode, args, { cwd: root, encoding: 'utf8', stdio });
  if (result.status !== 0) throw new BootstrapError('The services cannot be bundled; see above.');
  return result.stdout.trim();
}

const command = {
  key: 'start',
  name: 'npm start',
  purpose: 'runs the whole platform with a sample application, until Ctrl-C.',
};

runBootstrap(() => {
  readCommandLine(command, process.argv.slice(2));
  ensureInstalled();
  // As the services, which the runner starts with the same (tools/platform/src/launch-service.ts).
  const memoryEnv = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536' };
  becomeProjectNode(['--max-semi-space-size=2', join(bundle(), 'runner/main.mjs')], memoryEnv);
});
