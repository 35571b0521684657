/** `npm run bench`: the benchmarks, on the project's own Node. */
import { ensureInstalled, runBootstrap } from './ensure-installed.mjs';
import { becomeProjectNode } from './run-typescript.mjs';

runBootstrap(() => {
  ensureInstalled();
  const program = ['--conditions=@pilotfish/source', 'tools/bench/src/main.ts'];
  becomeProjectNode([...program, ...process.argv.slice(2)]);
});
