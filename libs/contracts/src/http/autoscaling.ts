/**
 * Autoscaling as the wire knows it. It is part of an application's shape; no target scales by it
 * yet, and a request that asks for it is refused.
 */
import { z } from 'zod';
import { base } from './base.ts';

/** Any JSON object; the reference's type says no more. */
const JsonObject = z.record(z.string(), z.unknown()) as unknown as z.ZodType<object, object>;

const KedaScalerRole = z.enum(['PRIMARY', 'SAFETY']);

const KedaScalerRequest = z.strictObject({
  scaler_type: z.string(),
  enabled: z.boolean().exactOptional(),
  role: KedaScalerRole,
  config_json: JsonObject.exactOptional(),
  config_yaml: z.string().exactOptional(),
  trigger_authentication: z
    .strictObject({ name: z.string(), config_yaml: z.string().exactOptional() })
    .exactOptional(),
});

export const AutoscalingPolicyRequest = z
  .strictObject({
    mode: z.literal('KEDA'),
    polling_interval_seconds: z.int().exactOptional(),
    cooldown_period_seconds: z.int().exactOptional(),
    scalers: z.array(KedaScalerRequest).max(20),
  })
  .meta({ id: 'AutoscalingPolicyRequest' });

const KedaScalerResponse = z.object({
  ...base,
  scaler_type: z.string(),
  enabled: z.boolean(),
  role: KedaScalerRole,
  config_json: JsonObject.nullable().exactOptional(),
  config_yaml: z.string().nullable().exactOptional(),
  trigger_authentication: z
    .object({
      ...base,
      organization_id: z.uuid(),
      name: z.string(),
      config_yaml: z.string().exactOptional(),
    })
    .exactOptional(),
});

export const AutoscalingPolicyResponse = z
  .object({
    ...base,
    service_id: z.uuid(),
    mode: z.literal('KEDA'),
    polling_interval_seconds: z.int(),
    cooldown_period_seconds: z.int(),
    scalers: z.array(KedaScalerResponse),
  })
  .meta({ id: 'AutoscalingPolicyResponse' });
