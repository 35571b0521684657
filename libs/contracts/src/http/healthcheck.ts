import { z } from 'zod';

const port = z.int().min(1).max(65_535);

/** How a probe asks: exactly one of these is set, the others are absent or null. */
const ProbeType = z
  .strictObject({
    tcp: z
      .strictObject({ port: port.exactOptional(), host: z.string().nullable().exactOptional() })
      .nullable()
      .exactOptional(),
    http: z
      .strictObject({
        path: z.string().max(2048).exactOptional(),
        scheme: z.string().exactOptional(),
        port: port.exactOptional(),
      })
      .nullable()
      .exactOptional(),
    exec: z
      .strictObject({ command: z.array(z.string()).max(100).exactOptional() })
      .nullable()
      .exactOptional(),
    grpc: z
      .strictObject({ service: z.string().nullable().exactOptional(), port: port.exactOptional() })
      .nullable()
      .exactOptional(),
  })
  .meta({ id: 'ProbeType' });

/** One question to a running instance. Delays in seconds. */
export const WireProbe = z
  .strictObject({
    type: ProbeType.exactOptional(),
    initial_delay_seconds: z.int().min(0).max(3600).exactOptional(),
    period_seconds: z.int().min(1).max(3600).exactOptional(),
    timeout_seconds: z.int().min(1).max(600).exactOptional(),
    success_threshold: z.int().min(1).max(100).exactOptional(),
    failure_threshold: z.int().min(1).max(100).exactOptional(),
  })
  .meta({ id: 'Probe' });
export type WireProbe = z.infer<typeof WireProbe>;

/** Readiness decides about traffic, liveness about a restart. */
export const Healthcheck = z
  .strictObject({
    readiness_probe: WireProbe.nullable().exactOptional(),
    liveness_probe: WireProbe.nullable().exactOptional(),
  })
  .meta({ id: 'Healthcheck' });
export type Healthcheck = z.infer<typeof Healthcheck>;
