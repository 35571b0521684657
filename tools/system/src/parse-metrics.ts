/** Reads Prometheus' text format as strictly as `promtool check metrics` does. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly type: string;
  readonly samples: Sample[];
}

const types = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const sampleLine =
  /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|Inf)|NaN)(?: -?\d+)?$/i;
const label = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** @throws Error with the line that no Prometheus would take, or that it would take for another */
export function parseMetrics(text: string): readonly Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  const families = new Map<string, Family>();
  const helped = new Set<string>();
  let current: Family | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (helped.has(name)) throw new Error(`second HELP: ${line}`);
      helped.add(name);
    } else if (word === 'TYPE') {
      if (families.has(name) || !types.includes(rest)) throw new Error(`wrong TYPE: ${line}`);
      current = { name, type: rest, samples: [] };
      families.set(name, current);
    } else if (!line.startsWith('#')) {
      const sample = parseSample(line);
      // Samples of one family stand together below its TYPE.
      if (current === undefined || !belongsTo(current, sample.name)) {
        throw new Error(`sample without its TYPE in front: ${line}`);
      }
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) checkFamily(family);
  return [...families.values()].flatMap(({ samples }) => samples);
}

function parseSample(line: string): Sample {
  const [, name, labelText = '', value = ''] = sampleLine.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < labelText.length) {
    const [, labelName, labelValue = ''] = label.exec(labelText) ?? [];
    if (labelName === undefined) throw new Error(`wrong labels: ${line}`);
    if (labelName in labels) throw new Error(`label twice: ${line}`);
    labels[labelName] = labelValue;
  }
  return { name, labels, value: Number(value.replace(/inf/i, 'Infinity')) };
}

function belongsTo({ name, type }: Family, sample: string): boolean {
  if (sample === name) return type !== 'histogram';
  const suffixes = { histogram: ['_bucket', '_sum', '_count'], summary: ['_sum', '_count'] };
  return (suffixes[type as 'histogram'] ?? []).some((suffix) => sample === name + suffix);
}

function checkFamily({ name, type, samples }: Family): void {
  const seen = new Set<string>();
  for (const sample of samples) {
    const key = keyOf(sample);
    if (seen.has(key)) throw new Error(`series twice: ${key}`);
    seen.add(key);
  }
  if (type === 'counter') {
    if (!name.endsWith('_total')) throw new Error(`counter without _total: ${name}`);
    const wrong = samples.find(({ value }) => !(value >= 0));
    if (wrong !== undefined) throw new Error(`counter below zero: ${keyOf(wrong)}`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const withoutLimit = (labels: Sample['labels']) =>
    textOf(Object.entries(labels).filter(([label]) => label !== 'le'));
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  for (const [labels, series] of Map.groupBy(buckets, (bucket) => withoutLimit(bucket.labels))) {
    const count = samples.find(
      (sample) => sample.name === `${name}_count` && withoutLimit(sample.labels) === labels,
    );
    const values = series.map(({ value }) => value);
    const isCumulative = values.every((value, index) => value >= (values[index - 1] ?? 0));
    const last = series.at(-1);
    if (!isCumulative || last?.labels.le !== '+Inf' || last.value !== count?.value) {
      throw new Error(`histogram whose buckets do not add up: ${name}${labels}`);
    }
  }
}

function keyOf({ name, labels }: Sample): string {
  return name + textOf(Object.entries(labels));
}

/** The same for the same labels in any order. */
function textOf(labels: readonly (readonly [string, string])[]): string {
  return labels
    .map(([name, value]) => `${name}="${value}"`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join(',');
}
