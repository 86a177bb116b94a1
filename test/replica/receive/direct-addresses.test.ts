import { describe, expect, test } from 'vitest';
import { directListen, reachableAddresses } from '../../../replica/receive/direct-addresses.js';
import { parseReplicaConfig } from '../../../shared/config/replica-config.js';

const loopback = { address: '127.0.0.1', internal: true };
const lan = { address: '192.168.7.2', internal: false };
const wide = { address: '2001:db8::2', internal: false };
const link = { address: 'fe80::1', internal: false };
const interfaces = [loopback, lan, wide, link];

describe('direct addresses', () => {
  test.for([
    ['any of IPv4', '0.0.0.0', undefined, interfaces, ['192.168.7.2']],
    ['any', '::', undefined, interfaces, ['192.168.7.2', '2001:db8::2']],
    ['any, with a public name', '0.0.0.0', 'copy.example', [lan], ['copy.example', '192.168.7.2']],
    ['any, on a machine without a network', '0.0.0.0', undefined, [loopback], ['127.0.0.1']],
    ['one', '10.0.0.9', undefined, interfaces, ['10.0.0.9']],
    [
      'one, with a public name',
      '10.0.0.9',
      'copy.example',
      interfaces,
      ['copy.example', '10.0.0.9'],
    ],
    ['loopback', '127.0.0.1', 'copy.example', interfaces, ['127.0.0.1']],
  ] as const)(
    'direct addresses: who listens at %s tells where that leads',
    ([, listenHost, publicHost, given, told]) => {
      expect(reachableAddresses({ listenHost, publicHost, interfaces: given })).toEqual(told);
    },
  );

  test('direct addresses: no more are told than a welcome takes', () => {
    const many = Array.from({ length: 20 }, (_, at) => ({
      address: `10.0.0.${at}`,
      internal: false,
    }));
    const told = reachableAddresses({ listenHost: '::', publicHost: 'a', interfaces: many });
    expect(told).toHaveLength(8);
  });

  const listenOf = (text: string) =>
    directListen(parseReplicaConfig({ path: 'replica.yaml', text: `data_folder: d\n${text}` }));

  test('direct addresses: unless told otherwise, what the own broker listens at is listened at', () => {
    expect(listenOf('')).toMatchObject({ host: '127.0.0.1', port: 0 });
    expect(listenOf('')?.addresses(5)).toEqual([{ host: '127.0.0.1', port: 5 }]);
    expect(listenOf('broker: {listen: "10.1.2.3:4222"}')).toMatchObject({ host: '10.1.2.3' });
    expect(listenOf('broker: {url: "nats://b.example"}')).toMatchObject({ host: '0.0.0.0' });
    expect(listenOf('direct: never')).toBeUndefined();
  });

  test('direct addresses: what the operator advertises is told, with the port that is listened at unless given', () => {
    const listen = listenOf(
      'direct: {listen: "0.0.0.0:9471", advertise: [copy.example, "nat.example:99", "[2001:db8::2]:7", "2001:db8::3"]}',
    );
    expect(listen).toMatchObject({ host: '0.0.0.0', port: 9471 });
    expect(listen?.addresses(9471)).toEqual([
      { host: 'copy.example', port: 9471 },
      { host: 'nat.example', port: 99 },
      { host: '2001:db8::2', port: 7 },
      { host: '2001:db8::3', port: 9471 },
    ]);
    expect(() => listenOf('direct: {advertise: ["not a host"]}')).toThrow(/host/);
    expect(() => listenOf('direct: {advertise: []}')).toThrow();
  });
});
