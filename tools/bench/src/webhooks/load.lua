-- The script of wrk: signed deliveries with ids of their own, on a schedule.
--
-- Arguments: pool file, deliveries a second (0: as fast as they are answered), seconds, host, id of
-- the run (12 hex digits), each how many-th delivery has a large body, connections.
-- A pool file holds for each body one line "signature length class path" and the body.
--
-- Open loop: delivery k is due at begin + k / rate. A connection that is free takes the next one
-- and waits until it is due; where no connection is free, the lag says how late it left. After the
-- last one every connection is silent, and when all have been answered wrk is told to end: so what
-- was answered can be compared with what was stored.
local ffi = require('ffi')
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *time);
  int getpid(void);
  int kill(int pid, int signal);
]]

local at = ffi.new('bench_time')
local function now()
  ffi.C.clock_gettime(1, at)
  return tonumber(at.seconds) + tonumber(at.nanoseconds) / 1e9
end

local never = 1e7
local interrupt = 2
local small, large = {}, {}
local rate, seconds, every, run, connections
local silent = 0
local begin, deadline
local due, nextDue, nextSlot = {}, 0, 0
-- Known to `done` by thread:get.
sent, bytes, elapsed, cpuBefore = 0, 0, 0, 0
lags = {}

local function readPool(file, host)
  local pool = assert(io.open(file, 'rb'))
  while true do
    local line = pool:read('*l')
    if line == nil then break end
    local signature, length, class, path = line:match('^(%S+) (%d+) (%S+) (%S+)$')
    local body = pool:read(tonumber(length))
    local head = table.concat({
      'POST ' .. path .. ' HTTP/1.1', 'Host: ' .. host, 'User-Agent: GitHub-Hookshot/044aadd',
      'Content-Length: ' .. length, 'Accept: */*', 'Content-Type: application/json',
      'X-GitHub-Event: push', 'X-GitHub-Hook-ID: 292430182',
      'X-GitHub-Hook-Installation-Target-ID: 79929171',
      'X-GitHub-Hook-Installation-Target-Type: repository',
      'X-Hub-Signature-256: sha256=' .. signature, 'X-GitHub-Delivery: ',
    }, '\r\n')
    local list = class == 'large' and large or small
    list[#list + 1] = { head = head, tail = '\r\n\r\n' .. body, bytes = tonumber(length) }
  end
  pool:close()
end

local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  rate, seconds, every = tonumber(args[2]), tonumber(args[3]), tonumber(args[6])
  readPool(args[1], args[4])
  run = args[5]
  connections = tonumber(args[7])
  cpuBefore = os.clock()
end

local function fallSilent(time)
  silent = silent + 1
  elapsed = time - begin
  if silent == connections then ffi.C.kill(ffi.C.getpid(), interrupt) end
  return never
end

function delay()
  local time = now()
  if begin == nil then
    begin, deadline = time, time + seconds
    sent, bytes = 0, 0
  end
  if rate == 0 then
    return time < deadline and 0 or fallSilent(time)
  end
  local slot = begin + nextSlot / rate
  if slot >= deadline then return fallSilent(time) end
  due[nextSlot] = slot
  nextSlot = nextSlot + 1
  return slot <= time and 0 or math.floor((slot - time) * 1000)
end

-- GitHub's ids are UUIDs of version 1: they begin with the lower part of the time in 100 ns.
local ticks = 0
function request()
  ticks = math.max(ticks + 1, math.floor(now() * 1e7))
  sent = sent + 1
  local slot = due[nextDue]
  if slot ~= nil then
    due[nextDue] = nil
    nextDue = nextDue + 1
    local step = math.max(0, math.ceil((now() - slot) * 10000))
    lags[step] = (lags[step] or 0) + 1
  end
  local list = small
  if every > 0 and sent % every == 0 then list = large end
  local one = list[sent % #list + 1]
  bytes = bytes + one.bytes
  local id = string.format('%08x-%s-11ef-%s-%s', ticks % 4294967296, run:sub(1, 4), run:sub(5, 8), run)
  return one.head .. id .. one.tail
end

-- In tenths of a millisecond.
local function lagAt(counts, share)
  local steps, total = {}, 0
  for step, count in pairs(counts) do
    steps[#steps + 1] = step
    total = total + count
  end
  table.sort(steps)
  local seen = 0
  for _, step in ipairs(steps) do
    seen = seen + counts[step]
    if seen >= total * share then return step / 10 end
  end
  return 0
end

function done(summary, latency)
  local thread = threads[1]
  local errors = summary.errors
  io.write(string.format(
    '{"sent":%d,"answered":%d,"refused":%d,"broken":%d,"bytes":%.0f,' ..
    '"seconds":%.3f,"cpuSeconds":%.3f,' ..
    '"p50Ms":%.3f,"p99Ms":%.3f,"maxMs":%.3f,"lagP99Ms":%.1f,"lagMaxMs":%.1f}\n',
    thread:get('sent'), summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, thread:get('bytes'),
    thread:get('elapsed'), os.clock() - thread:get('cpuBefore'), latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000, lagAt(thread:get('lags'), 0.99),
    lagAt(thread:get('lags'), 1)))
end
