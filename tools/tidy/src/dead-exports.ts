/** Kinds of knip's report, and how each is said. Kinds that are not listed here are said by name. */
const sentences: Readonly<Record<string, string>> = {
  files: 'is a file that nothing imports',
  exports: 'is exported but used nowhere else',
  dependencies: 'is a dependency that nothing imports',
  devDependencies: 'is a devDependency that nothing uses',
  unlisted: 'is imported but not in package.json',
  unresolved: 'is imported but does not exist',
  duplicates: 'is exported twice',
};

interface KnipEntry {
  readonly name?: string;
  readonly line?: number;
}

/**
 * Turns knip's JSON report into one sentence for each finding.
 *
 * @throws when knip itself failed, because no report is not a good report
 */
export function findDeadExports(report: string, errors: string): string[] {
  if (!report.trimStart().startsWith('{')) throw new Error(`knip failed: ${errors.slice(-2000)}`);
  const { issues } = JSON.parse(report) as {
    issues: ({ file: string } & Record<string, unknown>)[];
  };
  return issues.flatMap(({ file, ...kinds }) =>
    Object.entries(kinds).flatMap(([kind, entries]) =>
      (Array.isArray(entries) ? (entries.flat() as KnipEntry[]) : []).map((entry) => {
        const at = entry.line === undefined ? '' : `:${entry.line}`;
        return `${file}${at}: ${entry.name} ${sentences[kind] ?? kind}`;
      }),
    ),
  );
}
