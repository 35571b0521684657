export { type GitHost, startGitHost } from './git-host.ts';
export { getPage, type Page } from './page.ts';
export { type Connection, type Platform, type PlatformOptions, startPlatform } from './platform.ts';
export { cloneRepository, type WorkingCopy } from './repository.ts';
export { eventually } from './wait.ts';
