import type { HttpServer } from './server.ts';

/**
 * Lets a request announce JSON and carry none: generated clients send the header with every POST,
 * also with those that have no body. Whether a body is needed is said by the route's schema.
 */
export function acceptEmptyJson(app: HttpServer): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      if (body.length === 0) done(null, undefined);
      else parseJson(request, body, done);
    },
  );
}
