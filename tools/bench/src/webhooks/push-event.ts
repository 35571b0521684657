/**
 * Bodies as GitHub sends them for a push: the repository with its fifty addresses, who pushed, and
 * as many commits as the wanted size takes. Names, messages, paths and hashes come from the seed;
 * what repeats in a real one repeats here, so it compresses like a real one.
 */
import { below, hex, pick, type Random } from './random.ts';

/** A list as text, because that is how a list of words is read. */
function wordsOf(text: string): readonly [string, ...string[]] {
  const [first = '', ...others] = text.trim().split(/\s+/);
  return [first, ...others];
}

const words = wordsOf(`
  cache deploy worker router session schema client server index queue stream retry limit token
  header buffer parser config layout render payment invoice account report search filter export
  import upload preview branch release metric trace health backup restore migrate fix add remove
  rename handle avoid allow when before without for
`);
const folders = ['src', 'lib', 'test', 'docs', 'apps/web', 'apps/api', 'packages/core'] as const;
const endings = ['.ts', '.tsx', '.go', '.md', '.json', '.test.ts', '.sql', '.yaml'] as const;

function phrase(random: Random, length: number): string {
  return Array.from({ length }, () => pick(random, words)).join(' ');
}

function timeOf(random: Random): string {
  const at = Temporal.Instant.fromEpochMilliseconds(1_790_000_000_000 + below(random, 3e9));
  return at.toString({ smallestUnit: 'second' });
}

const userLinks = wordsOf(`
  followers following{/other_user} gists{/gist_id} starred{/owner}{/repo} subscriptions orgs
  repos events{/privacy} received_events
`);

function userOf(random: Random, login: string) {
  const id = 1_000_000 + below(random, 9e7);
  const api = `https://api.github.com/users/${login}`;
  const named = (link: string) => `${link.split(/[{/]/)[0]}_url`;
  return {
    login,
    id,
    node_id: `MDQ6VXNlcj${Buffer.from(String(id)).toString('base64')}`,
    avatar_url: `https://avatars.githubusercontent.com/u/${id}?v=4`,
    gravatar_id: '',
    url: api,
    html_url: `https://github.com/${login}`,
    ...Object.fromEntries(userLinks.map((link) => [named(link), `${api}/${link}`])),
    type: 'User',
    site_admin: false,
  };
}

const repositoryLinks = wordsOf(`
  forks keys{/key_id} collaborators{/collaborator} teams hooks issues/events{/number} events
  assignees{/user} branches{/branch} tags git/blobs{/sha} git/tags{/sha} git/refs{/sha}
  git/trees{/sha} statuses/{sha} languages stargazers contributors subscribers subscription
  commits{/sha} git/commits{/sha} comments{/number} issues/comments{/number} contents/{+path}
  compare/{base}...{head} merges {archive_format}{/ref} downloads issues{/number} pulls{/number}
  milestones{/number} notifications{?since,all,participating} labels{/name} releases{/id}
  deployments
`);

function repositoryOf(random: Random, login: string, name: string) {
  const id = 100_000_000 + below(random, 8e8);
  const full = `${login}/${name}`;
  const api = `https://api.github.com/repos/${full}`;
  const named = (link: string) =>
    `${link.replace(/\{.*/, '').replaceAll('/', '_') || 'archive'}_url`;
  const pushedAt = 1_790_000_000 + below(random, 3e6);
  return {
    id,
    node_id: `R_kgDO${Buffer.from(String(id)).toString('base64')}`,
    name,
    full_name: full,
    private: random() < 0.5,
    owner: { name: login, email: `${login}@users.noreply.github.com`, ...userOf(random, login) },
    html_url: `https://github.com/${full}`,
    description: phrase(random, 9),
    fork: false,
    url: `https://github.com/${full}`,
    ...Object.fromEntries(repositoryLinks.map((link) => [named(link), `${api}/${link}`])),
    created_at: pushedAt - 40_000_000,
    updated_at: timeOf(random),
    pushed_at: pushedAt,
    git_url: `git://github.com/${full}.git`,
    ssh_url: `git@github.com:${full}.git`,
    clone_url: `https://github.com/${full}.git`,
    svn_url: `https://github.com/${full}`,
    homepage: '',
    size: below(random, 90_000),
    stargazers_count: below(random, 500),
    watchers_count: below(random, 500),
    language: 'TypeScript',
    has_issues: true,
    has_projects: true,
    has_downloads: true,
    has_wiki: true,
    has_pages: false,
    forks_count: below(random, 90),
    mirror_url: null,
    archived: false,
    disabled: false,
    open_issues_count: below(random, 90),
    license: null,
    is_template: false,
    default_branch: 'main',
    stargazers: below(random, 500),
    master_branch: 'main',
  };
}

function pathOf(random: Random): string {
  const name = `${pick(random, words)}-${pick(random, words)}${pick(random, endings)}`;
  return `${pick(random, folders)}/${pick(random, words)}/${name}`;
}

function commitOf(random: Random, full: string, login: string) {
  const id = hex(random, 40);
  const author = {
    name: `${login} ${pick(random, words)}`,
    email: `${login}@example.com`,
    username: login,
  };
  const paths = (max: number) => Array.from({ length: below(random, max) }, () => pathOf(random));
  return {
    id,
    tree_id: hex(random, 40),
    distinct: true,
    message: `${phrase(random, 6)}\n\n${phrase(random, below(random, 12))}`,
    timestamp: timeOf(random),
    url: `https://github.com/${full}/commit/${id}`,
    author,
    committer: author,
    added: paths(3),
    removed: paths(2),
    modified: paths(4),
  };
}

/** One body of about `bytes`: at least that, and less than a commit (some 900 bytes) more. */
export function pushEventBody(random: Random, bytes: number): Buffer {
  const login = `${pick(random, words)}${below(random, 900)}`;
  const name = `${pick(random, words)}-${pick(random, words)}`;
  const repository = repositoryOf(random, login, name);
  const head = commitOf(random, repository.full_name, login);
  const before = hex(random, 40);
  const commits: unknown[] = [head];
  const event = {
    ref: 'refs/heads/main',
    before,
    after: head.id,
    repository,
    pusher: { name: login, email: `${login}@example.com` },
    sender: userOf(random, login),
    created: false,
    deleted: false,
    forced: false,
    base_ref: null,
    compare: `https://github.com/${repository.full_name}/compare/${before.slice(0, 12)}...${head.id.slice(0, 12)}`,
    commits,
    head_commit: head,
  };
  let missing = bytes - JSON.stringify(event).length;
  while (missing > 0) {
    const commit = commitOf(random, repository.full_name, login);
    commits.unshift(commit);
    missing -= JSON.stringify(commit).length + 1;
  }
  return Buffer.from(JSON.stringify(event));
}
