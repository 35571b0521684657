import { Fault } from '@pilotfish/kernel';
import type { HttpServer } from './http-server.ts';

/**
 * Lets a request announce a media type and carry nothing: generated clients send JSON's or even a
 * form's with every POST, also with those that have no body. Whether a body is needed is said by
 * the route's schema; one that is there must be JSON.
 */
export function acceptEmptyBodies(app: HttpServer): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      if (body.length === 0) done(null, undefined);
      else void parseJson(request, body, done);
    },
  );
  app.addContentTypeParser<string>(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_, body, done) => {
      if (body.length === 0) done(null, undefined);
      else done(new Fault('unsupported_media', 'A body must be JSON.'));
    },
  );
}
