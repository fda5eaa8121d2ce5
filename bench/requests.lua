-- What wrk sends, and how it reports. Arguments: a file of whole requests, each closed by a line with a single dot; the mean pause
-- between two requests of a connection in milliseconds, or 0.
local requests = {}

function init (args)
  local pause = tonumber(args[2])
  -- Pauses differ, so that requests do not come in step. Where there is none, wrk must not find the function.
  if pause > 0 then
    delay = function () return math.random(0, 2 * pause) end
  end
  local lines = {}
  for line in io.lines(args[1]) do
    if line == "." then
      requests[#requests + 1] = table.concat(lines, "\r\n")
      lines = {}
    else
      lines[#lines + 1] = line
    end
  end
  math.randomseed(os.time())
end

function request ()
  return requests[math.random(#requests)]
end

function done (summary, latency)
  local errors = summary.errors
  io.write(string.format('\nRESULT {"requests":%d,"micros":%d,"p50Micros":%d,"p99Micros":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
