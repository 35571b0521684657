export { seededRandom } from '@pilotfish/testing';
