import type { Clock } from '@pilotfish/kernel';
import type { BundleManifest } from './bundle/manifest.ts';
import type { Home } from './home.ts';
import type { LogFollower } from './log-follower.ts';
import type { Ports } from './ports.ts';
import type { Screen } from './screen.ts';
import type { Settings } from './settings.ts';
import type { RunnerState } from './state.ts';

/** What the platform is made of. */
export interface PlatformDeps {
  readonly settings: Settings;
  /** Folder of the bundles and what is in it. */
  readonly bundles: { readonly folder: string; readonly manifest: BundleManifest };
  readonly env: NodeJS.ProcessEnv;
  readonly home: Home;
  /** Builds and releases of applications. */
  readonly applicationsFolder: string;
  readonly ports: Ports;
  readonly state: RunnerState;
  readonly screen: Screen;
  readonly logs: LogFollower;
  readonly clock: Clock;
  readonly random: () => number;
}
