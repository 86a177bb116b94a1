/** Certificates: of one point, all of a set for an auditor, and the key that signs them. */
import type { FastifyInstance } from 'fastify';
import { exportLineSchema } from '../../../shared/certificate/certificate.js';
import {
  type CertificateKeyAnswer,
  certificateKeySchema,
  type PointCertificateAnswer,
  pointCertificateSchema,
} from '../../../shared/api/certificates.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { AfterimageError } from '../../../shared/errors.js';
import { parsePointSelector } from '../../../shared/point-selector.js';
import type { Certifier } from '../../certify/certifier.js';
import { findPoint, findSet, type PointParams, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { lineStream } from '../streams.js';

export function registerCertificates(app: FastifyInstance, context: RouteContext): void {
  const { sets, log } = context.options;

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/certificates',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Exports all certificates of a set',
          tag: 'certificates',
          lines: exportLineSchema,
        },
      },
    },
    async (request, reply) => {
      const lines = certifierOf(context, request.params.set).export(request.params.set);
      return await reply
        .type(NDJSON_TYPE)
        .send(lineStream(lines, { closing: context.closing, log }));
    },
  );

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/certificate',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Signed entries that speak of a point',
          tag: 'certificates',
          answer: pointCertificateSchema,
        },
      },
    },
    (request): PointCertificateAnswer => {
      const { set } = request.params;
      const certifier = certifierOf(context, set);
      const selector = parsePointSelector(request.params.point);
      // A number may name a point that is gone: its certificate is not.
      const point =
        selector.type === 'number'
          ? selector.point
          : findPoint(findSet(sets(), set), request.params.point).point;
      const entries = certifier.ofPoint(set, point);
      if (entries.length > 0) return { set, point, entries };
      throw new AfterimageError('not-found', `set ${set} has no certificate of point ${point}`, {
        facts: { set, point },
      });
    },
  );

  app.get(
    '/v1/certificate-key',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'The public key that signs now',
          tag: 'certificates',
          answer: certificateKeySchema,
        },
      },
    },
    (): CertificateKeyAnswer => {
      return { key: someCertifier(context).publicKey };
    },
  );

  app.post(
    '/v1/certificate-key/replace',
    {
      config: {
        role: 'admin',
        audit: 'certificate-key.replace',
        describe: {
          summary: 'Makes a new key that signs',
          tag: 'certificates',
          answer: certificateKeySchema,
        },
      },
    },
    (): CertificateKeyAnswer => {
      const { previous, current } = someCertifier(context).replaceKey();
      log.info('the key of certificates was replaced', { previous, current });
      return { key: current, previous };
    },
  );
}

function someCertifier({ options }: RouteContext): Certifier {
  if (options.certifier !== undefined) return options.certifier;
  throw new AfterimageError('not-found', 'this replica writes no certificates');
}

/** Also of a set that is gone: its certificates outlive it. */
function certifierOf(context: RouteContext, set: string): Certifier {
  const certifier = someCertifier(context);
  if (certifier.knows(set)) return certifier;
  throw new AfterimageError('not-found', `there is no set ${JSON.stringify(set)}`, {
    facts: { set },
  });
}
