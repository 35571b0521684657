import { z } from 'zod';

/** One variable of a process, as `--help` and docs/configuration.md show it. */
export interface ConfigRow {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** The value taken when the variable is absent; empty for required and for unset optional ones. */
  readonly defaultValue: string;
}

/** Either a whole configuration or everything that is wrong with the environment, at once. */
export type ConfigResult<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the variables named in the schema from `env`. A variable set to the empty string counts
 * as absent, because that is how shells and compose files unset one. Values are never repeated in
 * a problem: they may be secrets.
 */
export function parseConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: Readonly<Record<string, string | undefined>>,
): ConfigResult<z.infer<z.ZodObject<Shape>>> {
  const input: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value !== undefined && value !== '') input[name] = value;
  }
  const result = schema.safeParse(input);
  if (result.success) return { ok: true, config: result.data };
  const problems = result.error.issues.map((issue) => {
    const [name = 'configuration', ...inside] = issue.path.map(String);
    if (issue.path.length > 0 && !(name in input)) {
      return `${name} is not set, and it has no default`;
    }
    // A variable is named as a whole; of a list also the word that is wrong, counted from 1.
    const [first] = inside;
    const where = first === undefined ? name : `${name}, word ${Number(first) + 1}`;
    return `${where}: ${issue.message}`;
  });
  return { ok: false, problems };
}

/**
 * The variables of a process in the order of its schema.
 *
 * @throws TypeError for a variable without description: nobody could configure it.
 */
export function describeConfig(schema: z.ZodObject<z.ZodRawShape>): ConfigRow[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const { description } = field as z.ZodType;
    if (description === undefined) throw new TypeError(`${name} has no description`);
    const absent = z.safeParse(field, undefined);
    const value = absent.success ? absent.data : undefined;
    return {
      name,
      description,
      required: !absent.success,
      defaultValue: value === undefined || value === null ? '' : String(value),
    };
  });
}

/** The same rows as text for a terminal. */
export function formatConfigHelp(name: string, rows: readonly ConfigRow[]): string {
  const width = Math.max(0, ...rows.map((row) => row.name.length));
  const lines = rows.map((row) => {
    const note = row.required ? 'required' : row.defaultValue && `default ${row.defaultValue}`;
    return `  ${row.name.padEnd(width)}  ${row.description}${note ? ` (${note})` : ''}`;
  });
  return `${name} is configured by these environment variables:\n\n${lines.join('\n')}\n`;
}

export interface LoadConfigOptions {
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `process.argv.slice(2)`; only `--help` is looked at. */
  readonly argv: readonly string[];
}

/** EX_CONFIG of sysexits(3): a supervisor can tell a wrong configuration from a crash. */
const exitCodeConfig = 78;

/**
 * The configuration of this process, read once at its start. Ends the process by itself in two
 * cases: `--help` prints the variables (exit 0), and a wrong environment prints all problems at
 * once (exit 78).
 */
export function loadConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  options: LoadConfigOptions,
): z.infer<z.ZodObject<Shape>> {
  if (options.argv.includes('--help')) {
    process.stdout.write(formatConfigHelp(options.name, describeConfig(schema)));
    process.exit(0);
  }
  const result = parseConfig(schema, options.env);
  if (result.ok) return result.config;
  const list = result.problems.map((problem) => `  - ${problem}`).join('\n');
  process.stderr.write(`${options.name} cannot start, its configuration is wrong:\n${list}\n`);
  process.exit(exitCodeConfig);
}

function whole(min: number, max: number) {
  const range = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number({ error: range }).int(range).min(min, range).max(max, range);
}

/** Building blocks for the fields of a configuration; each still needs `.describe()`. */
export const fields = {
  /** A TCP port; 0 lets the system choose. */
  port: () => whole(0, 65_535),
  /** A whole number within limits. */
  whole,
  /** Where a NATS server is, with the scheme that its client asks for. */
  natsUrl: () =>
    z.url({
      protocol: /^(?:nats|tls|wss?)$/,
      hostname: /./,
      error: 'must be a URL with nats://, tls://, ws:// or wss://',
    }),
  /** `true`, `1`, `yes`, `on` or their opposites. */
  flag: () => z.stringbool(),
  /** Words separated by commas; spaces around them do not count. */
  list: () =>
    z.string().transform((text) =>
      text
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== ''),
    ),
  logLevel: () => z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
} as const;
