import { redisScript } from "./script.ts";

/** A replica that is not heard of for so long has no calls any more. */
export const leaseMs = 15_000;
/** So long what it has counted is kept apart. */
const forgetMs = 600_000;
/** Who waits for money has the next turn for so long, and says so more often. */
const turnMs = 300;

/**
 * The whole of a key is one value: `m` replicas (`b` batch, `n` message, `x` end of the lease, `c` calls, `h` money by period, `a` what
 * the message's asks were counted as), `o` since when, `r` requests and `t` tokens by second, `p` periods (`s` spent, `k` settlements, `w` whose turn).
 */
export const limitScript = redisScript(
  1,
  true,
  `local said = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = said.nowMs or (time[1] * 1000 + math.floor(time[2] / 1000))
local blob = redis.call('GET', KEYS[1])
local s = blob and cmsgpack.unpack(blob) or {m = {}, r = {}, t = {}, p = {}, o = now}
-- A clock that is put right by a little stands still.
if s.at and s.at > now and s.at < now + 60000 then now = s.at end
s.at = now
local second = math.floor(now / 1000)
local me = s.m[said.replica]
-- Whoever was away for long is forgotten, too; but then the rest is not.
if said.heardMs and not me and s.o > said.heardMs then return {0, now} end
me = me or {b = -1, n = -1, a = {0, 0, 0}}
s.m[said.replica] = me

local function plus(one, other)
  local rest = one[2] + other[2]
  local carry = math.floor(rest / 1000000)
  return {one[1] + other[1] + carry, rest - carry * 1000000}
end
local function minus(one, other) return plus(one, {-other[1], -other[2]}) end
local function fits(one, other) return one[1] < other[1] or (one[1] == other[1] and one[2] <= other[2]) end
local function reserved(period)
  local sum = {0, 0}
  for _, each in pairs(s.m) do if each.h[period] then sum = plus(sum, each.h[period]) end end
  return sum
end

local sums = {}
local function slide(name)
  local counts, sum, late = s[name], 0, 0
  for at, amount in pairs(counts) do
    if at > second then late = late + amount end
    if at > second or at <= second - 61 then counts[at] = nil else sum = sum + amount end
  end
  if late > 0 then counts[second] = (counts[second] or 0) + late end
  sums[name] = sum + late
end
slide('r')
slide('t')
local function put(name, at, by)
  if at > second then at = second end
  if at <= second - 61 then
    if by <= 0 then return end
    at = second
  end
  local before = s[name][at] or 0
  local after = math.max(0, before + by)
  s[name][at] = after > 0 and after or nil
  sums[name] = sums[name] + after - before
end
local function wait(name, most)
  local left = sums[name]
  if left <= most then return 0 end
  for at = second - 60, second do
    left = left - (s[name][at] or 0)
    if left <= most then return (at + 61) * 1000 - now end
  end
  return 0
end

if said.undo and me.n >= said.undo then
  put('r', me.a[1], -me.a[2])
  put('t', me.a[1], -me.a[3])
end
if me.b ~= said.batch then
  for _, change in ipairs(said.changes) do
    put('r', change[1], change[2])
    put('t', change[1], change[3])
  end
  for period, amount in pairs(said.spent) do
    local p = s.p[period]
    -- What nobody has asked the ledger for, the ledger will tell.
    if p then p.s, p.k = plus(p.s, amount), p.k + 1 end
  end
end
me.b, me.n, me.x, me.c, me.h, me.a = said.batch, said.number, now + ${leaseMs}, said.running, said.held, {second, 0, 0}
local running = 0
for id, each in pairs(s.m) do
  if said.steady and each.x <= now then
    each.c, each.h = 0, {}
    if each.x + ${forgetMs} <= now then s.m[id] = nil end
  end
  running = running + each.c
end
for period, amount in pairs(said.loaded) do
  if not s.p[period] then
    for other, _ in pairs(s.p) do
      local held = reserved(other)
      if held[1] + held[2] == 0 then s.p[other] = nil end
    end
    s.p[period] = {s = amount, k = 0}
  end
end

local asks = {}
function asks.enter(requests, calls, period, budget)
  local p = s.p[period]
  if p and fits({budget, 0}, p.s) then return {4, 0} end
  if calls > 0 and running >= calls then return {3, 0} end
  local ms = requests > 0 and wait('r', requests - 1) or 0
  if ms > 0 then return {1, ms} end
  put('r', second, 1)
  me.a[2] = me.a[2] + 1
  me.c, running = me.c + 1, running + 1
  return {0, second, 0, 0}
end
function asks.reserve(tokens, most, period, budget, micro, rest)
  local ms = most > 0 and wait('t', most - tokens) or 0
  if ms > 0 then return {2, ms} end
  local got = {0, 0}
  if period ~= '' then
    local p = s.p[period]
    if not p then return {6, 0} end
    if fits({budget, 0}, p.s) then return {4, 0} end
    if p.w and p.w[1] ~= said.replica and p.w[2] > now then return {5, 0} end
    local taken = reserved(period)
    local free = minus(minus({budget, 0}, p.s), taken)
    got = {micro, rest}
    if not fits(got, free) then
      got = free
      if taken[1] + taken[2] > 0 then
        p.w = {said.replica, now + ${turnMs}}
        return {5, 0}
      end
    end
    p.w = nil
    me.h[period] = plus(me.h[period] or {0, 0}, got)
  end
  if most > 0 then
    put('t', second, tokens)
    me.a[3] = me.a[3] + tokens
  end
  return {0, second, got[1], got[2]}
end
function asks.extend(period, budget, micro, rest)
  local p = s.p[period]
  if not p then return {6, 0} end
  local free = minus(minus({budget, 0}, p.s), reserved(period))
  local got = {micro, rest}
  if not fits(got, free) then got = free end
  if got[1] < 0 then got = {0, 0} end
  me.h[period] = plus(me.h[period] or {0, 0}, got)
  return {0, second, got[1], got[2]}
end
function asks.look() return {0, second, 0, 0} end
local verdicts = {}
for at, ask in ipairs(said.asks) do verdicts[at] = asks[ask[1]](unpack(ask, 2)) end

redis.call('SET', KEYS[1], cmsgpack.pack(s), 'PX', said.ttlMs)
local p = s.p[said.period]
local taken = reserved(said.period)
return {1, now, verdicts, sums.r, wait('r', 0), said.requestsMax > 0 and wait('r', said.requestsMax - 1) or 0, sums.t, wait('t', 0),
  p and {p.s[1], p.s[2], taken[1], taken[2], p.k} or {}}`,
);
