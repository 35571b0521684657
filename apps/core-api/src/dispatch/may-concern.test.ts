import { readDelivery, repositoryKey } from '@pilotfish/domain-deploy';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayConcern } from './may-concern.ts';

const filler = 'x'.repeat(1200);

function body(url: string, write: (text: string) => string = (text) => text): Uint8Array {
  const push = { ref: 'refs/heads/main', after: '1'.repeat(40), repository: { url }, filler };
  return new TextEncoder().encode(write(JSON.stringify(push)));
}

/** As parsing would have it. */
function keysOf(bytes: Uint8Array): (string | null)[] {
  const reading = readDelivery({ provider: 'GITHUB', event: 'push', body: bytes });
  return reading.kind === 'push' ? reading.repositoryUrls.map(repositoryKey) : [];
}

test('whatever is told apart without parsing is of no repository that is followed', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,8}$/);
  const address = fc
    .tuple(
      fc.constantFrom('https://Git.example/', 'git@git.example:', 'ssh://git@git.example/'),
      fc.constantFrom('acme', 'Acme/group'),
      name,
      fc.constantFrom('', '.git', '/'),
    )
    .map(([host, owner, repository, end]) => `${host}${owner}/${repository}${end}`);
  const escapes = fc.constantFrom(
    (text: string) => text,
    (text: string) => text.replaceAll('/', '\\/'),
    (text: string) =>
      text.replace(/[a-z]/gi, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
  );
  fc.assert(
    fc.property(address, fc.array(address, { maxLength: 4 }), escapes, (sent, others, write) => {
      const followed = [sent, ...others].map(repositoryKey).filter((key) => key !== null);
      const bytes = body(sent, (text) =>
        text.replace(/"url":"[^"]*"/, (field) => `"url":"${write(field.slice(7, -1))}"`),
      );
      const isNamed = keysOf(bytes).some((key) => key !== null && followed.includes(key));
      if (isNamed) expect(mayConcern(bytes, followed)).toBe(true);
    }),
  );
});

test('most pushes of what nobody follows are told by their bytes', () => {
  const followed = ['git.example/acme/shop', 'git.example/acme/blog'];
  expect(mayConcern(body('https://git.example/acme/other'), followed)).toBe(false);
  expect(mayConcern(body('https://git.example/acme/SHOP.git'), followed)).toBe(true);
  // Not certain: too many to look for, a name that JSON may write otherwise, or little to read.
  expect(mayConcern(body('https://git.example/acme/other'), null)).toBe(true);
  expect(mayConcern(body('https://git.example/acme/other'), ['git.example/acme/läden'])).toBe(true);
  expect(mayConcern(new TextEncoder().encode('{}'), followed)).toBe(true);
  // Nor a push event: parsing says why.
  const other = 'https://git.example/acme/other';
  const form = (json: string) => `payload=${encodeURIComponent(json)}`;
  expect(mayConcern(body(other, form), followed)).toBe(true);
  expect(
    mayConcern(
      body(other, (json) => json.slice(0, -1)),
      followed,
    ),
  ).toBe(true);
  expect(
    mayConcern(
      body(other, (json) => ` \n${json}\r\n`),
      followed,
    ),
  ).toBe(false);
});
