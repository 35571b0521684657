import { GitRepositoryAccess, IncomingWebhookDelivery, Problem } from '@pilotfish/contracts';
import { Fault } from '@pilotfish/kernel';
import { callHttp } from '@pilotfish/runtime';
import type { z } from 'zod';

/** What a pusher is told about comes from these; a core-api that says less of the rest will do. */
const FollowedDelivery = IncomingWebhookDelivery.pick({
  state: true,
  outcome: true,
  executions: true,
});
/** A delivery as far as whoever follows a push has to know it. */
export type FollowedDelivery = z.infer<typeof FollowedDelivery>;

/** Who asks is always the Git client: its token goes along with each question. */
export interface CoreApi {
  /** Throws the Fault that core-api answered: unauthenticated, forbidden, not_found, unavailable. */
  access(question: AccessQuestion): Promise<GitRepositoryAccess>;
  /** Null where the token may not read deliveries. */
  delivery(deliveryId: string, token: string): Promise<FollowedDelivery | null>;
}

export interface AccessQuestion {
  readonly organizationId: string;
  readonly name: string;
  readonly operation: 'read' | 'write';
  readonly token: string;
  readonly trace?: string;
}

const answerMsMax = 10_000;
const noAnswer = 'The API does not answer just now: try again in a moment.';

const codes = {
  400: 'invalid_input',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
} as const;

export function createCoreApi(url: string): CoreApi {
  const base = url.replace(/\/+$/, '');
  async function get<T>(path: string, token: string, schema: z.ZodType<T>, trace?: string) {
    const { status, body } = await ask(`${base}${path}`, {
      authorization: `Token ${token}`,
      ...(trace === undefined ? {} : { traceparent: trace }),
    });
    if (status === 200) {
      const parsed = schema.safeParse(body);
      if (parsed.success) return parsed.data;
      throw new Fault('unavailable', 'The API gave an answer that is not understood.', {
        internal: `${path}: ${parsed.error.message}`,
      });
    }
    const internal = `GET ${path} answered ${status}`;
    const code = codes[status as keyof typeof codes];
    if (code === undefined) throw new Fault('unavailable', noAnswer, { internal });
    const problem = Problem.safeParse(body);
    const detail = problem.success ? problem.data.detail : `The API answered ${status}.`;
    throw new Fault(code, detail, { internal });
  }
  return {
    access({ organizationId, name, operation, token, trace }) {
      const query = new URLSearchParams({ organization: organizationId, name, operation });
      return get(`/gitRepository/access?${query}`, token, GitRepositoryAccess, trace);
    },
    async delivery(deliveryId, token) {
      try {
        const path = `/incomingWebhookDelivery/${encodeURIComponent(deliveryId)}`;
        return await get(path, token, FollowedDelivery);
      } catch (error) {
        if (error instanceof Fault && !error.retryable) return null;
        throw error;
      }
    },
  };
}

async function ask(url: string, headers: Record<string, string>) {
  try {
    const { status, text } = await callHttp(url, {
      headers: { accept: 'application/json', ...headers },
      signal: AbortSignal.timeout(answerMsMax),
    });
    return { status, body: parseJson(text) };
  } catch (cause) {
    throw new Fault('unavailable', noAnswer, {
      internal: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
