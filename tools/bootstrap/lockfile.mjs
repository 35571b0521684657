/**
 * Pure functions over a parsed package-lock.json (lockfileVersion 3).
 *
 * Why they exist: a registry may lack the variants of an optional platform package for other
 * operating systems. npm then leaves those out of the lockfile it writes, and `npm ci` refuses the
 * very same lockfile with "Missing: … from lock file". A stub entry that names version, os and cpu
 * is all that `npm ci` asks for; it never downloads it on a machine it does not fit.
 */

const knownSystems = new Set(
  'aix android darwin freebsd linux netbsd openbsd openharmony sunos win32'.split(' '),
);
const knownProcessors = new Set(
  'arm arm64 ia32 loong64 mips64el ppc64 riscv64 s390x wasm32 x64'.split(' '),
);
const libraryByWord = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

/**
 * Reads cpu, libc and os from the last part of a platform package's name, for example
 * `@oxlint/binding-linux-arm64-musl`. Returns undefined when the name tells no operating system.
 */
export function platformFromName(name) {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-');
  const os = words.find((word) => knownSystems.has(word));
  if (os === undefined) return undefined;
  const cpu = words.find((word) => knownProcessors.has(word));
  const libc = os === 'linux' ? words.map((word) => libraryByWord[word]).find(Boolean) : undefined;
  return {
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  };
}

/** True when node's resolution, starting at the package in `location`, would find `name`. */
function isResolvable(packages, location, name) {
  let folder = location;
  for (;;) {
    const prefix = folder === '' ? '' : `${folder}/`;
    if (packages[`${prefix}node_modules/${name}`] !== undefined) return true;
    if (folder === '') return false;
    const parent = folder.lastIndexOf('/node_modules/');
    folder = parent === -1 ? '' : folder.slice(0, parent);
  }
}

/** Lists the optional dependencies that no entry of the lockfile satisfies. */
export function missingOptionalPackages(lockfile) {
  const missing = [];
  for (const [location, entry] of Object.entries(lockfile.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isResolvable(lockfile.packages, location, name)) continue;
      missing.push({ wantedBy: location, name, version });
    }
  }
  return missing;
}

/** Lists entries that name the registry they came from: such a lockfile works in one network only. */
export function entriesWithRegistryUrl(lockfile) {
  return Object.entries(lockfile.packages)
    .filter(([, entry]) => !entry.link && /^https?:/.test(entry.resolved ?? ''))
    .map(([location]) => location);
}

/**
 * Returns a copy of the lockfile with a stub for each missing optional package, in npm's own order
 * so that a later `npm install` makes no needless diff. Throws when a package's name does not tell
 * its platform, because a stub without `os` would be downloaded everywhere.
 */
export function completeLockfile(lockfile) {
  const packages = { ...lockfile.packages };
  for (const { name, version, wantedBy } of missingOptionalPackages(lockfile)) {
    const platform = platformFromName(name);
    if (platform === undefined) {
      throw new Error(`${wantedBy} wants ${name}@${version}, whose name tells no platform`);
    }
    packages[`node_modules/${name}`] = { version, ...platform };
  }
  for (const location of entriesWithRegistryUrl(lockfile)) {
    const { resolved: _, ...entry } = packages[location];
    packages[location] = entry;
  }
  const order = Object.keys(packages).sort((a, b) => a.localeCompare(b, 'en'));
  return { ...lockfile, packages: Object.fromEntries(order.map((key) => [key, packages[key]])) };
}
