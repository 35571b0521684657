import type { Problem } from '@pilotfish/contracts';
import { Fault, type FaultCode, faultTable, toFault } from '@pilotfish/kernel';
import type { FastifyError } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';

/** Seconds after which a client may try again what is only temporarily impossible. */
export const retryAfterSeconds = 2;

/** Faults of Fastify itself; anything else of it is a wrong request (4xx) or our error. */
const fastifyFaults: Readonly<Record<string, FaultCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media',
  FST_ERR_REQ_TIMEOUT: 'too_slow',
};

/** In words of our own: Fastify's repeat the address, in which there may be anything. */
const addressProblems: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'The path is not valid: what follows a % in it is no UTF-8 in hex digits.',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the path is longer than 100 characters.',
};

/** Whatever a route threw as a Fault. */
export function requestFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return validationFault(error);
  const { code = '', statusCode = 500, message = '' } = error as Partial<FastifyError>;
  if (code === 'FST_ERR_RESPONSE_SERIALIZATION') {
    const internal = `the answer does not match its schema: ${String((error as Error).cause)}`;
    return new Fault('internal', faultTable.internal.title, { internal, cause: error });
  }
  const detail = addressProblems[code];
  if (detail !== undefined) return new Fault('invalid_input', detail);
  const known = fastifyFaults[code];
  if (known) return new Fault(known, message, { cause: error });
  const isClientError = code.startsWith('FST_') && statusCode >= 400 && statusCode < 500;
  if (isClientError || error instanceof SyntaxError) {
    return new Fault('invalid_input', message, { cause: error });
  }
  return toFault(error);
}

/** The answer for a fault. */
export function problemOf(fault: Fault): Problem {
  return { status: fault.status, error: faultTable[fault.code].title, detail: fault.detail };
}

function validationFault(error: {
  readonly validation: readonly { instancePath: string; message?: string | undefined }[];
  readonly validationContext?: string | undefined;
}): Fault {
  const where = error.validationContext ?? 'request';
  const problems = error.validation.map(({ instancePath, message }) => {
    const field = instancePath.split('/').filter(Boolean).join('.');
    return `${field || where}: ${message ?? 'is not valid'}`;
  });
  return new Fault('invalid_input', problems.join('; '), { cause: error });
}
