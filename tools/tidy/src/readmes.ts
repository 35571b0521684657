/** What the README of a service must tell, each in a section of its own, and how it may be headed. */
const sections = {
  overview: /overview|end to end/,
  configuration: /configuration/,
  operations: /operations|dies/,
};

/** The variables that a config.ts declares: keys in capitals, such as `DATABASE_URL: z.url()`. */
function declaredVariables(configText: string): string[] {
  return [...configText.matchAll(/^\s*([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\s*:/gm)].map(
    (match) => match[1] ?? '',
  );
}

/**
 * One sentence for each thing that the README of a service lacks.
 *
 * @param readme undefined when there is none
 * @param configurationDoc the text of docs/configuration.md, where a variable may stand instead
 * @param configText the text of src/config.ts, undefined when the service has no configuration
 */
export function findReadmeViolations(
  folder: string,
  readme: string | undefined,
  configText: string | undefined,
  configurationDoc = '',
): string[] {
  if (readme === undefined) return [`${folder}/README.md is missing`];
  const headings = [...readme.matchAll(/^#+\s+(.*)$/gm)].map((match) =>
    (match[1] ?? '').toLowerCase(),
  );
  const missing = Object.entries(sections)
    .filter(([, heading]) => !headings.some((text) => heading.test(text)))
    .map(([section]) => section);
  const documents = `${readme}\n${configurationDoc}`;
  const declared = declaredVariables(configText ?? '');
  const undocumented = declared.filter((name) => !new RegExp(`\\b${name}\\b`).test(documents));
  return [
    ...missing.map((section) => `${folder}/README.md: add the section "${section}"`),
    ...undocumented.map((name) => `${folder}/README.md: say what ${name} configures`),
  ];
}
