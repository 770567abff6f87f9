-- The queue of requests: a process on AO (doc/queue.md).  DApps submit
-- requests, nodes lease them in batches and complete them, and the queue
-- answers the DApps.
--
-- One handler checks and rejects messages first.  Every other handler checks
-- everything, then changes the state, then sends, so that an error leaves no
-- trace.  No result may depend on the order of pairs(), on floats or on the
-- clock, since every compute unit must get the same bytes.

local lib = ApusQueue

local VERSION = "2.2"
local FORMAT = "apus-queue-4"
local OLD = { ["apus-queue-1"] = 1, ["apus-queue-2"] = 2,
    ["apus-queue-3"] = 3 }

local MAX_TAGS, MAX_NAME, MAX_VALUE, MAX_LIST = 64, 64, 4096, 16384
local MAX_REFERENCE, MAX_TEXT, MAX_LINES, MAX_REASON = 128, 2048, 81920, 1000
local MAX_MODELS, MAX_NODES, MAX_OPERATORS = 256, 1000, 32
local MAX_DEPTH, MAX_NUMBER, MAX_STOPS, MAX_STOP = 32, 63, 16, 64
local U32 = 4294967295
-- Nodes that end a request when they blame it; that are remembered to have
-- had one, or to take one later; requests that a pull looks past, and that
-- one message ends; bytes of a prompt, and of it with what JSON escapes;
-- tokens of an answer to a prompt in ids; days that a window stood still for a
-- Cancel; wrong answers that end a request; disputes that a challenger may lose
-- over one file; lost ones over an answer that are remembered.
local MANY = { blames = 5, had = 16, later = 16, passed = 64, ended = 1000,
    prompt = 16384, quoted = 32768, ids = 8192,
    stood = 7, faults = 5, lost = 5, losers = 256 }
local DAY_MS, HOUR_MS, BLOCK_MS = 86400000, 3600000, 600000
local KEEP_MS = 30 * DAY_MS
local PAGE_LINES, PAGE_BYTES = 100, 80000

-- ---- state: plain tables of strings and integers ---------------------------

local function new_state()
    return {
        format = FORMAT, paused = "no", frozen = "no", now = 0, height = 0,
        stopped = 0, stopped_at = 0,
        serial = 0, conflicts = 0, loaded = 0, load_into = "", load_from = "",
        n_open = 0, n_pending = 0, n_leased = 0, size = 0,
        open = {}, keys = {}, requesters = {}, rings = {},
        leases = {}, heap = {},
        done = {}, order = {}, first = 1, last = 0,
        models = {}, model_list = {}, names = {}, default_model = "",
        nodes = {}, node_list = {}, operators = {},
        max_open = 50000, max_requester = 1000, max_prompt = MANY.prompt,
        max_size = 134217728, max_done = 100000, price = "0", token = "",
        ages = {}, pending_days = 30, idle_days = 7,
        n_answered = 0, window = 0, turn = 21600000, challengers = {},
        disputes = {}, dispute_list = {}, places = 1024,
        audit_rate = 0, agreed = 0, audits = {}
    }
end

Queue = Queue or new_state()
-- A process that ran older code keeps its state: add the fields that it lacks,
-- independent of the order of pairs().
if OLD[Queue.format] then
    for name, value in pairs(new_state()) do
        if Queue[name] == nil then
            Queue[name] = value
        end
    end
    for _, r in pairs(Queue.open) do
        r.audit = ""
    end
    for _, lease in pairs(Queue.leases) do
        lease.audits = ""
    end
end
if (OLD[Queue.format] or 3) < 3 then
    for _, model in pairs(Queue.models) do
        model.record = model.record or ""
    end
    for _, r in pairs(Queue.open) do
        r.tail, r.window, r.answer, r.wrong = nil, 0, "", ""
    end
    for _, node in pairs(Queue.nodes) do
        node.windows, node.stood, node.late, node.faults = {}, 0, -1, 0
    end
end
if Queue.format == "apus-queue-1" then
    for _, r in pairs(Queue.open) do
        r.reasons, r.blame, r.later, r.came = nil, "", "", Queue.now
    end
    for _, node in pairs(Queue.nodes) do
        node.seen, node.waits = Queue.now, 0
    end
    for key, ring in pairs(Queue.rings) do
        local node = Queue.nodes[key:sub(44)]
        if node then
            node.waits = node.waits + ring.n
        end
    end
    Queue.stopped_at = Queue.now
end
if OLD[Queue.format] then
    Queue.format = FORMAT
end
assert(Queue.format == FORMAT, "the state is of another queue")
local Q = Queue

-- ---- time ------------------------------------------------------------------

-- Time without the pauses of mode "all", in which pending requests do not age.
local function clock()
    return (Q.paused == "all" and Q.stopped_at or Q.now) - Q.stopped
end

-- ---- for the files after this one -------------------------------------------

lib.VERSION, lib.FORMAT, lib.OLD = VERSION, FORMAT, OLD
lib.MAX_TAGS, lib.MAX_NAME, lib.MAX_VALUE = MAX_TAGS, MAX_NAME, MAX_VALUE
lib.MAX_LIST, lib.MAX_REFERENCE = MAX_LIST, MAX_REFERENCE
lib.MAX_TEXT, lib.MAX_LINES, lib.MAX_REASON = MAX_TEXT, MAX_LINES, MAX_REASON
lib.MAX_MODELS, lib.MAX_NODES = MAX_MODELS, MAX_NODES
lib.MAX_OPERATORS, lib.MAX_DEPTH = MAX_OPERATORS, MAX_DEPTH
lib.MAX_NUMBER, lib.MAX_STOPS, lib.MAX_STOP = MAX_NUMBER, MAX_STOPS, MAX_STOP
lib.U32, lib.MANY, lib.DAY_MS, lib.HOUR_MS = U32, MANY, DAY_MS, HOUR_MS
lib.BLOCK_MS, lib.KEEP_MS, lib.PAGE_LINES = BLOCK_MS, KEEP_MS, PAGE_LINES
lib.PAGE_BYTES, lib.Q, lib.clock = PAGE_BYTES, Q, clock
