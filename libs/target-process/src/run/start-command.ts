import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceSpecInput } from '@pilotfish/contracts';
import type { Step, StepContext } from '@pilotfish/domain-deploy';
import { assert } from '@pilotfish/kernel';
import type { Artefact } from '../build/artefacts.ts';
import type { Toolchain } from '../build/toolchain.ts';
import { writeDurably } from '../disk/durable-file.ts';
import { contentKey, type Layout } from '../disk/layout.ts';
import { staticServerProgram } from './static-server.ts';

interface StartCommandDeps {
  readonly layout: Layout;
  readonly toolchain: Toolchain;
  readonly stopGraceSeconds: number;
}

/**
 * What an instance of a release is: the same for the same release, so that asking the supervisor
 * again changes nothing.
 */
export async function instanceSpec(
  deps: StartCommandDeps,
  step: Step,
  context: StepContext,
  artefact: Artefact,
): Promise<InstanceSpecInput> {
  const { release, serviceId, host } = step.service;
  assert(release !== null, `${step.name} needs a release`);
  const cwd = join(deps.layout.releaseApp(serviceId, release.releaseId), artefact.folder);
  const path = await deps.toolchain.path(artefact.plan.node);
  const { PORT: _variable, ...variables } = release.variables;
  const { PORT: _secret, ...secrets } = context.secrets;
  return {
    serviceId,
    environmentId: context.environmentId,
    releaseId: release.releaseId,
    version: release.source.commitSha,
    cwd,
    argv: await startArgv(deps, artefact, release.command, cwd),
    env: {
      LANG: 'C.UTF-8',
      PATH: `${join(cwd, 'node_modules', '.bin')}:${path}`,
      ...(artefact.plan.node === null ? {} : { NODE_ENV: 'production' }),
      // What brought it here, under the name by which OpenTelemetry's tools look for it.
      ...(context.trace === null ? {} : { TRACEPARENT: context.trace }),
      ...variables,
      ...secrets,
    },
    stopGraceSeconds: deps.stopGraceSeconds,
    liveness: release.liveness === null ? null : { ...release.liveness, host },
  };
}

async function startArgv(
  deps: StartCommandDeps,
  artefact: Artefact,
  command: readonly string[],
  cwd: string,
): Promise<string[]> {
  const { plan, staticFolder } = artefact;
  if (command.length === 0 && staticFolder !== null) {
    assert(plan.node !== null, 'a static site is served by Node');
    const program = await staticServer(deps.layout);
    return [deps.toolchain.node(plan.node), program, join(cwd, staticFolder)];
  }
  const [program, ...args] = command.length > 0 ? command : (plan.start ?? []);
  assert(program !== undefined, `artefact ${artefact.key} has no start command`);
  // By its full path: the variable PATH of the application may lead elsewhere.
  const node = program === 'node' && plan.node !== null;
  return [node && plan.node !== null ? deps.toolchain.node(plan.node) : program, ...args];
}

/** The static server as a file, named by its content: running sites keep the one they have. */
async function staticServer(layout: Layout): Promise<string> {
  const program = staticServerProgram();
  const path = join(layout.tools, `static-server-${contentKey(program).slice(0, 12)}.mjs`);
  if ((await stat(path).catch(() => undefined)) === undefined) {
    await mkdir(layout.tools, { recursive: true });
    await writeDurably(path, program, 0o644);
  }
  return path;
}
