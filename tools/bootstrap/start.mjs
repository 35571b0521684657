/** `npm start`: installs what is missing, bundles what changed, then becomes the runner. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
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

runBootstrap(() => {
  ensureInstalled();
  becomeProjectNode([join(bundle(), 'runner/main.mjs')]);
});
