import type { FaultCode } from '@pilotfish/kernel';

/** When each fault occurs, and what helps; for docs/faults.md. */
export const faultMeanings: Readonly<Record<FaultCode, string>> = {
  invalid_input:
    'A field is missing, unknown, of the wrong form or too long. The detail names it: change the request.',
  unauthenticated: 'No token, one that is unknown or expired, or a signature that does not match.',
  forbidden: 'The token is good, but its role lacks the permission; or an engine that was revoked.',
  not_found: 'Nothing by that id; answered as well where it belongs to another organization.',
  too_slow: 'The request did not arrive within its time: send it again, and faster.',
  conflict:
    'The present state does not allow it, for example an engine that is to enrol where one works already, or a name that is taken.',
  stale:
    'Somebody wrote in between: read again and repeat. Between our own processes: the writer has an older lease, generation or epoch.',
  too_large: 'A body, a value or a delivery above its limit.',
  unsupported_media: 'A body that is no JSON where JSON is expected.',
  expectation_failed: 'A header Expect other than `100-continue`: leave it out.',
  quota_exceeded: 'The organization has as many of these as it may have: delete one first.',
  headers_too_large: 'More than 16 KiB of headers: send less of them, mostly cookies or tokens.',
  overloaded: 'More comes in than can be taken: repeat after the seconds in Retry-After.',
  unavailable:
    'The database, NATS, a Git host or another service does not answer: repeat; /health/ready of the service names what is missing.',
  timeout: 'It took longer than it may, and may yet have happened: look before it is repeated.',
  internal:
    'A broken invariant: a mistake of ours. The log line of the same request has what the client may not read.',
};
