import { script } from "./script.js";

/**
 * Renews the session of a node. Keys: times, infos. Arguments: domain, info, after how many ms a silent node is
 * forgotten. Returns for each node: domain, age in ms, info. Times are by Redis's own clock.
 */
export const RENEW = script(
  `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local all, nodes = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), {}
for i = 1, #all, 2 do
  local age = math.max(0, now - tonumber(all[i + 1]))
  if age > tonumber(ARGV[3]) then
    redis.call('ZREM', KEYS[1], all[i])
    redis.call('HDEL', KEYS[2], all[i])
  else
    nodes[#nodes + 1] = {all[i], string.format('%.0f', age), redis.call('HGET', KEYS[2], all[i]) or ''}
  end
end
return nodes
`,
  "allow-oom",
);

const CATALOG = `
local services, changes, count = unpack(KEYS)
local node, expected, entry, most = unpack(ARGV)
local known = redis.call('HGET', services, node)
local fence = known and string.match(known, '^%d+') or ''
local function note(value)
  local n = redis.call('INCR', count)
  redis.call('XADD', changes, 'MAXLEN', '~', most, n .. '-0', 'n', node, 'e', value(n))
  return n
end
`;

/**
 * Makes a node the owner of a service. Keys: entries, changes, count of changes. Arguments: service, the fencing token
 * that the caller has seen or nothing, entry, most changes to keep. Returns `claimed` and the new token, which is the
 * number of this change, or `taken` and the entry of somebody else.
 */
export const CLAIM = script(`${CATALOG}
if fence ~= expected then return {'taken', known or ''} end
local n = note(function(n) return n .. ' ' .. entry end)
redis.call('HSET', services, node, n .. ' ' .. entry)
return {'claimed', tostring(n)}
`);

/** Changes an entry, if its fencing token is the expected one. Returns 1, or 0. Keys and arguments: see `CLAIM`. */
export const CHANGE = script(`${CATALOG}
if fence ~= expected then return 0 end
redis.call('HSET', services, node, fence .. ' ' .. entry)
note(function() return fence .. ' ' .. entry end)
return 1
`);

/** Removes an entry, if its fencing token is the expected one. Returns 1, or 0. Keys and arguments: see `CLAIM`. */
export const REMOVE = script(
  `${CATALOG}
if not known or fence ~= expected then return 0 end
redis.call('HDEL', services, node)
note(function() return '' end)
return 1
`,
  "allow-oom",
);

/** Reads a service without owning it: see `OPEN`. Keys: record, journal. */
export const FOLLOW = script(
  `
local record, journal = KEYS[1], KEYS[2]
if redis.call('EXISTS', record) == 0 then return {} end
return {
  redis.call('HGETALL', record),
  redis.call('XRANGE', journal, '-', '+', 'COUNT', 1),
  redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1),
}
`,
  "no-writes",
);

/** All programs of this file, for loading them once. */
export const NODE_SCRIPTS = [RENEW, CLAIM, CHANGE, REMOVE, FOLLOW];
