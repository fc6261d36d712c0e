import { NODE_SCRIPTS } from "./node-scripts.js";
import { script, type Script } from "./script.js";

/**
 * Opens a service. Keys: record, journal. The caller owns the service from here on: it has a new fencing token, and its
 * writes count from 1. Returns nothing without a record. Otherwise all fields of the record, the first entry and the
 * last entry of the journal.
 */
export const OPEN = script(`
local record, journal = KEYS[1], KEYS[2]
if redis.call('EXISTS', record) == 0 then return {} end
redis.call('HINCRBY', record, 'token', 1)
redis.call('HSET', record, 'seq', '0')
return {
  redis.call('HGETALL', record),
  redis.call('XRANGE', journal, '-', '+', 'COUNT', 1),
  redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1),
}
`);

/**
 * Creates a service. Keys: record, journal, map, epoch. Arguments: epoch; the least epoch, or nothing; a name of the
 * caller that nobody else has; fields and values of the record. Returns `created` and the epoch, or `exists` for a
 * record of somebody else, or one that was opened or written. The caller's own record is of a call whose answer was lost.
 */
export const CREATE = script(`
local record, journal, map, past = unpack(KEYS)
local asked, least, nonce = unpack(ARGV, 1, 3)
local known = redis.call('HMGET', record, 'nonce', 'epoch', 'seq', 'token')
local isUsed = known[1] ~= nonce or known[3] ~= '0' or known[4] ~= '1'
if known[2] and isUsed then return {'exists'} end
local ended = redis.call('GET', past)
local epoch = known[2] or asked
if not known[2] and (ended or least ~= '') then
  epoch = string.format('%.0f', math.max((tonumber(ended) or 0) + 1, tonumber(least) or 0))
end
redis.call('UNLINK', record, journal, map)
redis.call('HSET', record, 'nonce', nonce, 'epoch', epoch, 'token', '1', 'seq', '0', unpack(ARGV, 4))
return {'created', epoch}
`);

const WRITE_BODY = `
local record, journal, map, past = unpack(KEYS)
local epoch, token, seq, before, mode, first, top, channel = unpack(ARGV, 1, 8)
local at = 9
local function take()
  at = at + 1
  return ARGV[at - 1]
end

local stored = redis.call('HMGET', record, 'epoch', 'token', 'seq', 'offset')
local function behind(offset)
  local last = redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1)[1]
  if offset == '-1' or not last then return {'behind', offset, '0', '0'} end
  return {'behind', offset, last[2][6], last[2][8]}
end
if not stored[1] then
  local ended = redis.call('GET', past)
  if ended and tonumber(ended) >= tonumber(epoch) then return {'fenced'} end
  if mode ~= 'restore' or before ~= '-1' then return behind('-1') end
  redis.call('UNLINK', journal, map)
else
  local newer = tonumber(stored[1]) - tonumber(epoch)
  if newer > 0 or (newer == 0 and tonumber(stored[2]) > tonumber(token)) then return {'fenced'} end
  if newer == 0 and stored[2] == token and stored[3] == seq then
    -- The caller did not get the answer. This write makes WAIT cover the first one.
    redis.call('HSET', record, 'seq', seq)
    return {'stored'}
  end
  -- The caller has sent this again on another connection, and more after it.
  if newer == 0 and stored[2] == token and tonumber(stored[3]) > tonumber(seq) then return {'stale'} end
  local offset = newer == 0 and stored[4] or '-1'
  if offset ~= before or (mode ~= 'restore' and stored[2] ~= token) then return behind(offset) end
  -- What is there is of an earlier life of the node.
  if newer < 0 then redis.call('UNLINK', record, journal, map) end
end

for _ = 1, tonumber(take()) do
  redis.call('XADD', journal, take(), 'f', take(), 'c', take(), 'r', take(), 'b', take(), 'e', take())
end
local function each(size, call)
  local left = tonumber(take())
  while left > 0 do
    local some = math.min(left, 500)
    call(unpack(ARGV, at, at + some * size - 1))
    at = at + some * size
    left = left - some
  end
end
if take() == '1' then redis.call('UNLINK', map) end
each(2, function(...) redis.call('HSET', map, ...) end)
each(1, function(...) redis.call('HDEL', map, ...) end)
redis.call('HSET', record, 'epoch', epoch, 'token', token, 'seq', seq)
each(2, function(...) redis.call('HSET', record, ...) end)
if first ~= '' then redis.call('XTRIM', journal, 'MINID', epoch .. '-' .. first) end
redis.call('PUBLISH', channel, top)
return {'stored'}
`;

/**
 * Writes one batch. Keys: record, journal, map, epoch. Arguments: epoch, fencing token, number of the write, expected
 * offset, `write` or `restore`, first offset to keep or nothing, new top, channel; count and entries (ID, first
 * offset, time, total rows, total bytes, bytes); whether the map is cleared; counts and lists of puts, of removed keys,
 * and of fields of the record.
 *
 * Returns `stored`, also for a repeated call; `fenced` if the service has a newer owner; or `behind` with the
 * stored offset and the totals there, if Redis does not have what the caller builds on. Only `stored` has changed
 * anything. `restore` goes on from there all the same.
 */
export const WRITE = script(WRITE_BODY);

/** The same, for a batch that frees more memory than it takes: Redis runs it also when its memory is full. */
export const FREE = script(WRITE_BODY, "allow-oom");

/**
 * Deletes a service, and remembers its epoch. Keys: record, journal, map, epoch. Arguments: epoch, fencing token, for
 * how long in ms (0: for ever). Returns `stored`, also if the service is gone, or `fenced`.
 */
export const DELETE = script(
  `
local record, journal, map, past = unpack(KEYS)
local epoch, token, keepMs = unpack(ARGV)
local stored = redis.call('HMGET', record, 'epoch', 'token')
if stored[1] then
  local newer = tonumber(stored[1]) - tonumber(epoch)
  if newer > 0 or (newer == 0 and tonumber(stored[2]) > tonumber(token)) then return {'fenced'} end
end
redis.call('UNLINK', record, journal, map)
local ended = redis.call('GET', past)
if not ended or tonumber(ended) < tonumber(epoch) then
  if keepMs == '0' then redis.call('SET', past, epoch) else redis.call('SET', past, epoch, 'PX', keepMs) end
end
return {'stored'}
`,
  "allow-oom",
);

/** Reads entries of a journal. Key: journal. Arguments: first and last ID, bytes that are enough. */
export const READ = script(
  `
local entries, bytes, from = {}, 0, ARGV[1]
while true do
  local some = redis.call('XRANGE', KEYS[1], from, ARGV[2], 'COUNT', 32)
  for _, entry in ipairs(some) do
    entries[#entries + 1] = entry[2][10]
    bytes = bytes + #entry[2][10] + 64
    if bytes >= tonumber(ARGV[3]) then return entries end
    from = '(' .. entry[1]
  end
  if #some < 32 then return entries end
end
`,
  "no-writes",
);

/**
 * Returns the first entry with an update that arrived at some time or later, if there is one. Key: journal. Arguments:
 * epoch, first and last offset, time.
 */
export const SINCE = script(
  `
local epoch, low, high, time = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]) + 1, tonumber(ARGV[4])
local function entryAt(offset)
  return redis.call('XRANGE', KEYS[1], epoch .. '-' .. string.format('%.0f', offset), '+', 'COUNT', 1)[1]
end
while low < high do
  local middle = math.floor((low + high) / 2)
  local entry = entryAt(middle)
  if not entry or tonumber(entry[2][4]) >= time then
    high = middle
  else
    low = tonumber(string.match(entry[1], '%-(%d+)$')) + 1
  end
end
local entry = entryAt(low)
return entry and entry[2][10]
`,
  "no-writes",
);

/** Removes an entry of an index that names nothing, unless it was written anew. Key: index. Arguments: entry, score. */
export const UNLIST = script(
  `
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
`,
  "allow-oom",
);

/** All programs, for loading them once. */
export const SCRIPTS: readonly Script[] = [
  ...[OPEN, CREATE, WRITE, FREE, DELETE, READ, SINCE, UNLIST],
  ...NODE_SCRIPTS,
];
